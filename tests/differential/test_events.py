"""Events: which, in which order, and what they say."""

import time

import pytest

from tests.differential.client import archive, keys, plain
from tests.differential.same import same


def happened(api, *, since, **filters):
    """Everything from ``since`` until now that the filters let through."""
    return api.ok("GET", "/events", since=str(since), until=f"{time.time():.9f}", filters=filters).lines


def of_container(api, since, one):
    """What happened to a container. Docker tells of a stop, the end that it led to and a kill in any order."""
    found, together = [], {"kill", "die", "stop"}
    for row in happened(api, since=since, container=[one]):
        found.append(row["Action"])
        place = len(found) - 1
        while place and {found[place], found[place - 1]} <= together and found[place] < found[place - 1]:
            found[place - 1 : place + 1] = found[place], found[place - 1]
            place -= 1
    return found


def start():
    """The moment at which a case begins."""
    return f"{time.time():.9f}"


@same
def test_of_a_run(api):
    since = start()
    one = api.run("true")
    api.await_event(one, "die")
    api.ok("DELETE", f"/containers/{one}")
    return of_container(api, since, one)


@same
def test_of_stopping(api):
    since = start()
    one = api.run(StopSignal="SIGKILL")
    api.ok("POST", f"/containers/{one}/stop")
    api.ok("POST", f"/containers/{one}/start")
    api.ok("POST", f"/containers/{one}/restart")
    api.ok("POST", f"/containers/{one}/kill")
    api.wait(one)
    return of_container(api, since, one)


@same
def test_of_pausing_and_renaming(api):
    since = start()
    one = api.run()
    api.ok("POST", f"/containers/{one}/pause")
    api.ok("POST", f"/containers/{one}/unpause")
    api.ok("POST", f"/containers/{one}/rename", name=api.name())
    api.ok("POST", f"/containers/{one}/update", {"Memory": 64 << 20, "MemorySwap": -1})
    api.ok("DELETE", f"/containers/{one}", force=1)
    return of_container(api, since, one)


@same
def test_of_an_exec(api):
    since = start()
    one = api.run()
    api.execute(one, "sh", "-c", "exit 3")
    api.await_event(one, "exec_die")
    return [
        (row["Action"], row["Actor"]["Attributes"].get("exitCode"))
        for row in happened(api, since=since, container=[one])
        if row["Action"].startswith("exec")
    ]


@same
def test_of_files_and_terminals(api):
    since = start()
    one = api.create(Tty=True, OpenStdin=True)
    stream = api.hijack(f"/containers/{one}/attach", stream=1, stdout=1)
    api.ok("POST", f"/containers/{one}/start")
    api.ok("POST", f"/containers/{one}/resize", h=10, w=20)
    api.ok("GET", f"/containers/{one}/archive", path="/etc/motd")
    api.ok("GET", f"/containers/{one}/top")
    api.ok("GET", f"/containers/{one}/export")
    stream.connection.close()
    return [word for word in of_container(api, since, one) if word != "detach"]


@same
def test_of_a_failed_start(api):
    since = start()
    one = api.create("no-such-program")
    api.post(f"/containers/{one}/start")
    return of_container(api, since, one)


@same
def test_of_a_removal_by_itself(api):
    since = start()
    one = api.create("true", Host={"AutoRemove": True})
    with api.begin("POST", f"/containers/{one}/wait", condition="removed") as answer:
        api.ok("POST", f"/containers/{one}/start")
        answer.read()
    return of_container(api, since, one)


@same
def test_of_networks(api):
    since = start()
    name = api.name()
    network = api.ok("POST", "/networks/create", {"Name": name}).json["Id"]
    one = api.run(Host={"NetworkMode": name})
    api.ok("POST", f"/networks/{name}/disconnect", {"Container": one})
    api.ok("POST", f"/networks/{name}/connect", {"Container": one})
    api.ok("DELETE", f"/containers/{one}", force=1)
    api.ok("DELETE", f"/networks/{name}")
    rows = happened(api, since=since, type=["network"], network=[network])
    return [(row["Action"], keys(row["Actor"]["Attributes"])) for row in rows]


@same
def test_of_volumes(api):
    since = start()
    name = api.name()
    api.ok("POST", "/volumes/create", {"Name": name})
    one = api.run(Host={"Binds": [f"{name}:/data"]})
    api.ok("DELETE", f"/containers/{one}", force=1)
    api.ok("DELETE", f"/volumes/{name}")
    rows = happened(api, since=since, type=["volume"], volume=[name])
    return [(row["Action"], keys(row["Actor"]["Attributes"])) for row in rows]


@same
def test_of_images(api):
    since = start()
    api.ok("POST", "/images/create", archive({"file": b"x"}), fromSrc="-", repo=api.prefix, tag="1")
    identity = api.get(f"/images/{api.prefix}:1/json").json["Id"]
    api.ok("POST", f"/images/{api.prefix}:1/tag", repo=api.prefix, tag="2")
    api.ok("DELETE", f"/images/{api.prefix}:1")
    api.ok("DELETE", f"/images/{api.prefix}:2")
    return sorted(row["Action"] for row in happened(api, since=since, type=["image"]) if row["Actor"]["ID"] == identity)


@same
def test_what_one_says(api):
    since = start()
    one = api.run("sh", "-c", "exit 3", Labels={"a": "b"})
    api.await_event(one, "die")
    found = {row["Action"]: row for row in happened(api, since=since, container=[one])}
    row = found["die"]
    attributes = row["Actor"]["Attributes"]
    return (
        keys(row),
        attributes,
        row["Type"],
        row["scope"],
        plain(row["id"]),
        row["timeNano"] // 10**9 == row["time"],
        keys(found["create"]["Actor"]["Attributes"]),
    )


FILTERS = {
    "an event": {"event": ["start", "die"]},
    "a label": {"label": ["a"]},
    "a label's value": {"label": ["a=c"]},
    "an image": {"image": ["tree:1"]},
    "another image": {"image": ["nonsense"]},
    "a type": {"type": ["network"]},
    "a scope": {"scope": ["local"]},
}


@pytest.mark.parametrize("what", FILTERS)
@same
def test_filters(api, what):
    since = start()
    one = api.run("true", Labels={"a": "b"})
    api.await_event(one, "die")
    filters = {**FILTERS[what]}
    return [row["Action"] for row in happened(api, since=since, container=[one], **filters)]


@pytest.mark.parametrize(
    "query",
    [
        "since=nonsense",
        "until=nonsense",
        "filters=nonsense",
        "since=5&until=1",
        "filters=%7B%22nonsense%22%3A%5B%221%22%5D%7D&until=1",
    ],
)
@same
def test_refused(api, query):
    return api.get(f"/events?{query}").status


@same
def test_as_they_happen(api):
    one = api.create("true")
    with api.begin("GET", "/events", filters={"container": [one]}) as answer:
        api.ok("POST", f"/containers/{one}/start")
        return b"start" in answer.readline()
