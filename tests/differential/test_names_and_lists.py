"""Renaming, and what lists select."""

import pytest

from tests.differential.client import IMAGE
from tests.differential.same import same

RENAMES = ("{}.new", "/{}.new", "", "a b", "-a", "a", "x/{}.y", "{own}", "{taken}", "{}.new\n")


@pytest.mark.parametrize("number", range(len(RENAMES)))
@same
def test_rename(api, number):
    taken, own = f"{api.prefix}.taken", f"{api.prefix}.own"
    api.create(name=taken)
    one = api.create(name=own)
    name = RENAMES[number].format(api.prefix, own=own, taken=taken)
    answer = api.post(f"/containers/{one}/rename", name=name)
    found = api.inspect(one)["Name"]
    api.delete(f"/containers/{one}")
    return answer.status, found, answer.message.removeprefix("Error when allocating new name: ").partition(" (")[0]


@same
def test_the_old_name_is_free(api):
    name = api.name()
    one = api.create(name=name)
    api.ok("POST", f"/containers/{one}/rename", name=api.name())
    return api.get(f"/containers/{name}/json").status, api.post("/containers/create", api.body(), name=name).status


FILTERS = {
    "all": {},
    "a label": {"label": ["kind"]},
    "a label's value": {"label": ["kind=second"]},
    "a label that nobody has": {"label": ["kind=nonsense"]},
    "two labels": {"label": ["kind=second", "other"]},
    "a status": {"status": ["created"]},
    "two statuses": {"status": ["created", "paused"]},
    "an unknown status": {"status": ["nonsense"]},
    "an exit code": {"exited": ["3"]},
    "a malformed exit code": {"exited": ["nonsense"]},
    "a part of a name": {"name": ["eco"]},
    "a pattern of a name": {"name": ["^/?.*second$"]},
    "a malformed pattern": {"name": ["("]},
    "an ancestor": {"ancestor": [IMAGE]},
    "an ancestor that is not there": {"ancestor": ["nonsense"]},
    "no network": {"network": ["none"]},
    "a network that is not there": {"network": ["nonsense"]},
    "an exposed port": {"expose": ["80"]},
    "a range of exposed ports": {"expose": ["79-81/tcp"]},
    "a malformed port": {"expose": ["nonsense"]},
    "a published port": {"publish": ["80"]},
    "no health": {"health": ["none"]},
    "an unknown health": {"health": ["nonsense"]},
    "no tasks": {"is-task": ["false"]},
    "a volume": {"volume": ["/data"]},
    "an unknown filter": {"nonsense": ["1"]},
    "before one": {"before": ["{second}"]},
    "since one": {"since": ["{first}"]},
    "since nobody": {"since": ["nobody"]},
}


@pytest.mark.parametrize("what", FILTERS)
@same
def test_filters(api, what):
    names = {word: f"{api.prefix}.{word}" for word in ("first", "second", "third")}
    api.create(name=names["first"], Labels={"kind": "first", "of": api.prefix})
    api.run(name=names["second"], Labels={"kind": "second", "other": "", "of": api.prefix}, ExposedPorts={"80/tcp": {}})
    last = api.run("sh", "-c", "exit 3", name=names["third"], Labels={"of": api.prefix})
    api.wait(last)
    filters = {
        kind: [value.format(**names) for value in values] if isinstance(values, list) else values
        for kind, values in FILTERS[what].items()
    }
    if isinstance(filters.setdefault("label", []), list):
        filters["label"].append(f"of={api.prefix}")
    answer = api.get("/containers/json", all=1, filters=filters)
    return answer.status, [row["Names"] for row in answer.json] if answer.status == 200 else ""


@pytest.mark.parametrize(
    "query", ["all=1", "all=0", "", "limit=1", "limit=0", "limit=-1", "limit=nonsense", "all=nonsense"]
)
@same
def test_which(api, query):
    api.create(Labels={"of": api.prefix})
    api.run(Labels={"of": api.prefix})
    api.create(Labels={"of": api.prefix})
    separator = "&" if query else ""
    answer = api.get(f"/containers/json?{query}{separator}filters=%7B%22label%22%3A%5B%22of%3D{api.prefix}%22%5D%7D")
    return answer.status, [row["Names"] for row in answer.json] if answer.status == 200 else answer.message


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"label": 1}', '{"label": [1]}', "{", '""', "null"])
@same
def test_malformed_filters(api, text):
    return [api.get(path, filters=text).status for path in ("/containers/json", "/networks", "/images/json")]
