"""Published ports, as inspect and list tell of them."""

import pytest

from tests.differential.same import same


def ports(api, one):
    """Where the ports of a container are published; a port that the engine chose reads "chosen"."""
    found = api.inspect(one)["NetworkSettings"]["Ports"]
    return {
        port: sorted(
            (one["HostIp"], "chosen" if int(one["HostPort"]) > 32000 else one["HostPort"]) for one in bound or []
        )
        for port, bound in found.items()
    }


BINDINGS = {
    "everywhere": ({"80/tcp": [{"HostPort": "18080"}]}, {}),
    "at an address": ({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18081"}]}, {}),
    "somewhere": ({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}, {}),
    "somewhere as 0": ({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}, {}),
    "datagrams": ({"53/udp": [{"HostIp": "127.0.0.1", "HostPort": "18053"}]}, {}),
    "without a protocol": ({"80": [{"HostIp": "127.0.0.1", "HostPort": "18082"}]}, {}),
    "twice": (
        {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18083"}, {"HostIp": "127.0.0.1", "HostPort": "18084"}]},
        {},
    ),
    "one of a range": ({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18085-18086"}]}, {}),
    "exposed only": ({}, {"80/tcp": {}}),
    "one of two": ({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18087"}]}, {"80/tcp": {}, "90/tcp": {}}),
}


@pytest.mark.parametrize("what", BINDINGS)
@same
def test_bindings(api, what):
    bindings, exposed = BINDINGS[what]
    exposed = {**exposed, **{port: {} for port in bindings}}  # Docker publishes what is exposed, and clients say both
    one = api.run(Host={"NetworkMode": "bridge", "PortBindings": bindings}, ExposedPorts=exposed)
    found = api.inspect(one)
    return ports(api, one), found["Config"].get("ExposedPorts"), found["HostConfig"]["PortBindings"]


@same
def test_all_that_are_exposed(api):
    one = api.run(Host={"NetworkMode": "bridge", "PublishAllPorts": True}, ExposedPorts={"80/tcp": {}, "53/udp": {}})
    return ports(api, one)


@same
def test_in_the_list(api):
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18088"}]}
    one = api.run(Host={"NetworkMode": "bridge", "PortBindings": bindings}, ExposedPorts={"80/tcp": {}, "90/tcp": {}})
    ports = next(row["Ports"] for row in api.get("/containers/json").json if row["Id"] == one)
    return sorted(ports, key=lambda port: port["PrivatePort"])  # Docker's are in the order of a Go map: in none


@same
def test_taken(api):
    host = {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18089"}]}}
    api.run(Host=host, ExposedPorts={"80/tcp": {}})
    second = api.create(Host=host, ExposedPorts={"80/tcp": {}})
    answer = api.post(f"/containers/{second}/start")
    return answer.status, "port is already allocated" in answer.message, api.state(second)


@same
def test_free_again(api):
    host = {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18090"}]}}
    first = api.run(Host=host, ExposedPorts={"80/tcp": {}})
    api.ok("POST", f"/containers/{first}/kill")
    api.wait(first)
    return ports(api, first), api.post(f"/containers/{api.create(Host=host, ExposedPorts={'80/tcp': {}})}/start").status


@same
def test_without_a_network(api):
    one = api.run(
        Host={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18091"}]}}, ExposedPorts={"80/tcp": {}}
    )
    return ports(api, one)


@same
def test_list_filter(api):
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18092"}]}
    api.run(
        Host={"NetworkMode": "bridge", "PortBindings": bindings}, Labels={"of": api.prefix}, ExposedPorts={"80/tcp": {}}
    )
    label = [f"of={api.prefix}"]
    return [
        len(api.get("/containers/json", filters={"label": label, "publish": [port]}).json)
        for port in ("80", "80/tcp", "18092", "70-90", "80/udp")
    ]
