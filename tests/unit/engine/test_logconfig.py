"""What LogConfig may say. Messages are those of Docker 28.5."""

import pytest

from container_runtime.engine.streams.logconfig import details, parse
from container_runtime.errors import InvalidParameter, NotImplementedHere


def config(driver="", **options):
    return {"LogConfig": {"Type": driver, "Config": {name.replace("_", "-"): value for name, value in options.items()}}}


@pytest.mark.parametrize(
    ("host", "size", "files"),
    [
        ({}, 20_000_000, 5),
        (config("json-file", max_size="10k"), 10240, 1),
        (config("", max_size="1.5m", max_file="3"), 1572864, 3),
        (config("local", max_size="2MiB"), 2097152, 5),
        (config("local", max_file="2", compress="false", mode="non-blocking"), 20_000_000, 2),
        (config("none"), 1_000_000, 1),
    ],
)
def test_sizes(host, size, files):
    found = parse(host)
    assert (found.max_size, found.max_files) == (size, files)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (config("json-file", foo="1"), "unknown log opt 'foo' for json-file log driver"),
        (config("local", labels="a"), "unknown log opt 'labels' for local log driver"),
        (config("", max_size="x"), "invalid size: 'x'"),
        (config("", max_size="0"), "max-size must be a positive number"),
        (config("", max_file="0"), "max-file cannot be less than 1"),
        (config("", max_file="many"), "max-file: many"),
        (config("none", max_size="1"), "invalid logging opts for driver none"),
        (config("foo"), 'error looking up logging plugin foo: plugin "foo" not found'),
    ],
)
def test_refused(host, message):
    with pytest.raises(InvalidParameter, match=message.replace("(", r"\(")):
        parse(host)


def test_drivers_that_only_docker_has():
    with pytest.raises(NotImplementedHere, match="syslog"):
        parse(config("syslog"))
    assert not parse(config("none")).readable


def test_details():
    host = config("", labels="a,c,zz", env="X", tag="t/{{.Name}}")
    found = details(parse(host), {"a": "b", "c": "d e", "f": "g"}, ["X=1", "Y=2"], {"Name": "dd"})
    assert found == "X=1,a=b,c=d+e,tag=t%2Fdd"
    assert details(parse({}), {"a": "b"}, ["X=1"], {}) == ""
    expression = config("", labels_regex="^c", env_regex="Y")
    assert details(parse(expression), {"a": "b", "c": "d"}, ["X=1", "Y=2=3"], {}) == "Y=2%3D3,c=d"


@pytest.mark.parametrize("host", [config("", tag="{{.Nope}}"), config("", labels_regex="(")])
def test_details_refused(host):
    with pytest.raises(InvalidParameter, match="log opt"):
        details(parse(host), {}, [], {"Name": "x"})
