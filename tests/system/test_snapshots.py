"""Frozen files: snapshots that containers start from, checkpoints of one container, over HTTP."""

import os

import pytest

from tests.registry import busybox_layer
from tests.system.test_engine import started
from tests.system.test_files import upload

IMAGE = "snapshots:1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with started(tmp_path_factory.mktemp("engine")) as made:
        tree = busybox_layer().directory("data").add("data/of-image", data=b"1").add("etc/motd", data=b"hello")
        tree.symlink("link", "/data")
        upload(made, "POST", f"/images/create?fromSrc=-&repo={IMAGE}", tree.bytes())
        yield made


@pytest.fixture
def key():
    return os.urandom(16).hex()


@pytest.fixture
def run(engine):
    """Run a shell's commands in a container to its end; gives its id. All are removed."""
    made = []

    def run(script, query="", **body):
        request = {"Image": IMAGE, "Cmd": ["sh", "-ec", script], **body}
        identity = engine.ok("POST", f"/containers/create{query}", request)["Id"]
        made.append(identity)
        engine.ok("POST", f"/containers/{identity}/start")
        engine.ok("POST", f"/containers/{identity}/wait")
        return identity

    yield run
    for identity in made:
        engine.call("DELETE", f"/containers/{identity}?force=1&v=1")


def output(engine, identity):
    data = engine.ok("GET", f"/containers/{identity}/logs?stdout=1&stderr=1")
    text = ""
    while data:
        length = int.from_bytes(data[4:8], "big")
        text += data[8 : 8 + length].decode()
        data = data[8 + length :]
    return text


def freeze(engine, identity, key):
    return engine.call("POST", f"/x-pytest-containers/snapshots/{key}?container={identity}")


@pytest.mark.needs("other-users")
@pytest.mark.parametrize("image", [IMAGE, "host"])
def test_a_container_starts_from_the_files_of_another_one(engine, run, key, image):
    script = (
        "echo layer > /srv-of-test; mkdir /v/in; echo volume > /v/in/it; rm /etc/motd; chmod 700 /v; chown 12:34 /v"
    )
    setup = run(f"mkdir -p /etc; test -e /etc/motd || touch /etc/motd; {script}", Image=image, Volumes={"/v": {}})
    assert freeze(engine, setup, key) == (201, {"Key": key})
    assert engine.call("GET", f"/containers/{setup}/json")[0] == 404, "what was frozen is removed"
    look = "cat /srv-of-test /v/in/it; stat -c '%a %u %g' /v; ls /etc/motd; echo more >> /v/in/it"
    for _ in range(2):
        second = run(f"{look}", f"?snapshot={key}", Image=image, Volumes={"/v": {}})
        shown = output(engine, second).splitlines()
        assert shown[:3] == ["layer", "volume", "700 12 34"]
        assert "No such file" in shown[3]
        assert engine.ok("GET", f"/containers/{second}/json")["Mounts"] == [], "its volume is part of its layer"


def test_what_the_image_has_below_a_volume_does_not_show_through(engine, run, key):
    setup = run("rm /data/of-image; echo 2 > /data/own", Volumes={"/data": {}})
    freeze(engine, setup, key)
    assert output(engine, run("ls /data", f"?snapshot={key}", Volumes={"/data": {}})) == "own\n"


def test_a_volume_whose_path_leads_through_a_link(engine, run, key):
    setup = run("echo 3 > /link/inside/own", Volumes={"/link/inside": {}})
    assert freeze(engine, setup, key)[0] == 201
    assert output(engine, run("cat /data/inside/own", f"?snapshot={key}", Volumes={"/link/inside": {}})) == "3\n"


def test_named_volumes_are_not_frozen(engine, run, key):
    mounts = {"HostConfig": {"Binds": ["kept-by-name:/v"]}}
    setup = run("echo 1 > /v/own", **mounts)
    freeze(engine, setup, key)
    assert output(engine, run("cat /v/own", f"?snapshot={key}", **mounts)) == "1\n"
    assert "No such file" in output(engine, run("cat /v/own", f"?snapshot={key}"))
    for one in engine.ok("GET", "/containers/json?all=1"):
        engine.ok("DELETE", f"/containers/{one['Id']}?force=1")
    engine.ok("DELETE", "/volumes/kept-by-name")


def test_another_engine_of_the_user_has_it_too(engine, run, key, tmp_path):
    freeze(engine, run("echo 5 > /own"), key)
    with started(tmp_path) as second:
        made = second.ok("POST", f"/containers/create?snapshot={key}", {"Image": IMAGE, "Cmd": ["cat", "/own"]})["Id"]
        second.ok("POST", f"/containers/{made}/start")
        second.ok("POST", f"/containers/{made}/wait")
        assert output(second, made) == "5\n"


def test_what_is_refused(engine, run, key):
    running = engine.run("sleep", "1000")
    status, answer = freeze(engine, running, key)
    assert (status, "stop" in answer["message"]) == (409, True)
    engine.ok("DELETE", f"/containers/{running}?force=1")
    ended = run("true")
    assert freeze(engine, ended, "../../x")[0] == 404  # no such path
    assert freeze(engine, ended, "xyz") == (
        400,
        {"message": "invalid key of a snapshot 'xyz': 16 to 64 hexadecimal digits are expected"},
    )
    assert engine.call("POST", f"/containers/create?snapshot={key}", {"Image": IMAGE}) == (
        404,
        {"message": f"No such snapshot: {key}"},
    )
    shared = run("true", Volumes={"/v": {}})
    run("true", HostConfig={"VolumesFrom": [shared]})
    status, answer = freeze(engine, shared, key)
    assert (status, "another container" in answer["message"]) == (409, True)
    freeze(engine, ended, key)
    above = run("true", f"?snapshot={key}")
    assert freeze(engine, above, key)[0] == 409
    status, answer = engine.call("POST", f"/commit?container={above}", {})
    assert (status, "starts from a snapshot" in answer["message"]) == (501, True)


@pytest.mark.parametrize("image", [IMAGE, "host"])
def test_checkpoints(engine, run, image):
    script = "cat /v/count /count || true; echo x >> /v/count; echo y >> /count; sync"
    one = run(script, Image=image, Volumes={"/v": {}})

    def again():
        engine.ok("POST", f"/containers/{one}/start")
        engine.ok("POST", f"/containers/{one}/wait")
        return output(engine, one)

    def keep(name):
        return engine.call("POST", f"/x-pytest-containers/containers/{one}/checkpoints/{name}")

    def restore(name):
        return engine.call("POST", f"/x-pytest-containers/containers/{one}/checkpoints/{name}/restore")

    def shown():
        before = len(output(engine, one))
        return again()[before:].replace("\n", "")

    assert keep("first") == (201, {"Name": "first"})
    assert shown() == "xy"
    assert keep("second")[0] == 201
    assert shown() == "xxyy"
    assert shown() == "xxxyyy"
    assert restore("second")[0] == 204
    assert shown() == "xxyy"
    assert restore("first")[0] == 204
    assert shown() == "xy"
    assert restore("second")[0] == 204
    assert shown() == "xxyy"
    assert restore("third")[0] == 404
    assert keep("a%20b")[0] == 400
    for _ in range(14):
        assert keep("many")[0] == 201
    assert shown() == "xxxyyy"
    status, answer = keep("many")
    assert (status, "16 checkpoints" in answer["message"]) == (409, True)
