"""Images: names, inspect, history, removal. Registries and builds have tests of their own."""

import pytest

from tests.differential.client import CONFIGURED, IMAGE, archive, pick, plain
from tests.differential.same import same
from tests.registry import busybox_layer


def imported(api, name, content=None):
    repository, _, tag = name.partition(":")
    api.ok("POST", "/images/create", content or archive({"file": b"x"}), fromSrc="-", repo=repository, tag=tag)
    return name


def imported_tree(api):
    """An image of its own, with programs in it."""
    return imported(api, f"{api.prefix}:tree", busybox_layer().bytes())


@same
def test_inspect(api):
    found = api.get(f"/images/{CONFIGURED}/json").json
    names = "Architecture Os RepoTags Parent Author".split()
    config = "Cmd Entrypoint Env ExposedPorts Labels StopSignal User Volumes WorkingDir".split()
    return pick(found, names), pick(found["Config"], config), found["RootFS"]["Type"], len(found["RootFS"]["Layers"])


@same
def test_import_progress(api):
    answer = api.post("/images/create", archive({"file": b"x"}), fromSrc="-", repo=api.prefix, tag="1")
    lines = plain(answer.lines)
    status = api.delete(f"/images/{api.prefix}:1").status
    return answer.status, lines, status


TAGS = ("new:1", "new", "UPPER:1", "new:bad tag", "-new", "localhost:5000/new:1", "new@sha256:" + "0" * 64)


@pytest.mark.parametrize("number", range(len(TAGS)))
@same
def test_tag(api, number):
    repository, separator, tag = TAGS[number].rpartition(":") if number in {0, 2, 3, 5} else (TAGS[number], "", "")
    query = {
        "repo": f"{api.prefix}/{repository}" if number in {0, 1} else repository,
        **({"tag": tag} if separator else {}),
    }
    answer = api.post(f"/images/{IMAGE}/tag", **query)
    if answer.status == 201:
        api.delete(f"/images/{query['repo']}:{query.get('tag', 'latest')}")
    return answer.status


@same
def test_remove(api):
    name = imported(api, f"{api.prefix}:1")
    api.ok("POST", f"/images/{name}/tag", repo=api.prefix, tag="2")
    first, second = api.delete(f"/images/{name}"), api.delete(f"/images/{api.prefix}:2")
    return (
        first.status,
        first.json == [{"Untagged": name}],
        second.status,
        {word for row in second.json for word in row},
    )


FILTERS = {
    "a reference": {"reference": ["tree"]},
    "a pattern": {"reference": ["conf*"]},
    "a label": {"label": ["of=image"]},
    "dangling": {"dangling": ["true"]},
    "dangling nonsense": {"dangling": ["nonsense"]},
    "nonsense": {"nonsense": ["x"]},
}


@pytest.mark.parametrize("what", FILTERS)
@same
def test_filters(api, what):
    answer = api.get("/images/json", filters=FILTERS[what])
    if answer.status != 200:
        return answer.status, ""
    found = {tag for row in answer.json for tag in row["RepoTags"]}
    return answer.status, sorted(found & {IMAGE, CONFIGURED})


@same
def test_by_part_of_the_id(api):
    identity = api.get(f"/images/{IMAGE}/json").json["Id"]
    ways = (identity, identity[7:], identity[7:19], identity[:19])
    return [api.get(f"/images/{way}/json").status for way in ways]


@same
def test_remove_what_a_container_has(api):
    """By name and by id, while it runs and when it has ended; it can be started again without its image."""
    name = imported_tree(api)
    one = api.run("sleep", "1000", Image=name)
    image = api.get(f"/containers/{one}/json").json["Image"]
    told = [
        api.delete(f"/images/{name}"),
        api.delete(f"/images/{image}", force="1"),
        api.delete(f"/images/{name}", force="1"),
    ]
    told += [api.delete(f"/images/{image}"), api.delete(f"/images/{image}", force="1")]
    api.ok("POST", f"/containers/{one}/kill")
    told += [api.delete(f"/images/{image}"), api.delete(f"/images/{image}", force="1")]
    again = api.post(f"/containers/{one}/start").status
    (shown,) = [row["Image"] == image for row in api.get("/containers/json", filters={"id": [one]}).json]
    named = [one.message if one.status >= 400 else [[*row] for row in one.json] for one in told]
    return [one.status for one in told], [str(one).replace(name, "NAME") for one in named], again, shown


@same
def test_list_by_age(api):
    first, second = api.get(f"/images/{IMAGE}/json").json, imported_tree(api)

    def listed(**wanted):
        found = {tag for row in api.ok("GET", "/images/json", filters=wanted).json for tag in row["RepoTags"] or []}
        return IMAGE in found, second in found

    found = (
        listed(before=[second]),
        listed(since=[IMAGE]),
        listed(since=[first["Id"]], before=[second]),
        listed(until=["2020-01-01"]),
        api.get("/images/json", filters={"before": ["nobody:1"]}).status,
    )
    api.delete(f"/images/{second}")
    return found
