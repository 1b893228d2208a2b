"""Networks: life, names, addresses."""

import pytest

from tests.differential.client import keys, pick
from tests.differential.same import same

REFUSED = {
    "no name": {"Name": ""},
    "a predefined name": {"Name": "bridge"},
    "a name like a mode": {"Name": "container:x"},
    "a malformed subnet": {"IPAM": {"Config": [{"Subnet": "nonsense"}]}},
    "a gateway outside": {"IPAM": {"Config": [{"Subnet": "10.97.0.0/24", "Gateway": "10.98.0.1"}]}},
    "a subnet with host bits": {"IPAM": {"Config": [{"Subnet": "10.97.0.1/24"}]}},
    "a name of the wrong type": {"Name": 1},
    "labels of the wrong type": {"Labels": ["a"]},
    "options of the wrong type": {"Options": ["a"]},
    "a flag of the wrong type": {"Internal": "yes"},
    "an address manager of the wrong type": {"IPAM": "default"},
    "an unknown scope": {"Scope": "nonsense"},
}


@pytest.mark.parametrize("what", REFUSED)
@same
def test_refused(api, what):
    return api.post("/networks/create", {"Name": api.name(), **REFUSED[what]}).status


def made(api, **config):
    name = api.name()
    return name, api.ok("POST", "/networks/create", {"Name": name, **config}).json["Id"]


@same
def test_the_answer(api):
    answer = api.post("/networks/create", {"Name": api.name()})
    return answer.status, answer.json["Warning"], len(answer.json["Id"])


@same
def test_a_name_twice(api):
    name, _ = made(api)
    answer = api.post("/networks/create", {"Name": name})
    return answer.status, answer.message


FIELDS = (
    "Name Scope Driver EnableIPv4 EnableIPv6 Internal Attachable Ingress ConfigFrom ConfigOnly Containers "
    "Options Labels"
).split()


@same
def test_inspect(api):
    _, one = made(api, Labels={"a": "b"}, Internal=True, Options={"com.docker.network.bridge.name": "dbr7"})
    found = api.get(f"/networks/{one}").json
    return keys(found), pick(found, FIELDS), pick(found["IPAM"], ("Driver", "Options")), len(found["IPAM"]["Config"])


@same
def test_a_subnet_twice(api):
    made(api, IPAM={"Config": [{"Subnet": "10.95.0.0/24"}]})
    return api.post("/networks/create", {"Name": api.name(), "IPAM": {"Config": [{"Subnet": "10.95.0.0/25"}]}}).status


@same
def test_an_address_of_choice(api):
    name, _ = made(api, IPAM={"Config": [{"Subnet": "10.94.0.0/24"}]})
    config = {"EndpointsConfig": {name: {"IPAMConfig": {"IPv4Address": "10.94.0.77"}, "Aliases": ["alias"]}}}
    one = api.run(Host={"NetworkMode": name}, NetworkingConfig=config)
    endpoint = api.inspect(one)["NetworkSettings"]["Networks"][name]
    taken = api.create(Host={"NetworkMode": name}, NetworkingConfig=config)
    return (
        pick(endpoint, ("IPAddress", "IPPrefixLen", "Gateway", "IPAMConfig")),
        "alias" in endpoint["Aliases"],
        api.post(f"/containers/{taken}/start").status,
    )


@same
def test_an_address_outside(api):
    name, _ = made(api, IPAM={"Config": [{"Subnet": "10.93.0.0/24"}]})
    config = {"EndpointsConfig": {name: {"IPAMConfig": {"IPv4Address": "10.92.0.1"}}}}
    body = api.body(Host={"NetworkMode": name}, NetworkingConfig=config)
    answer = api.post("/containers/create", body, name=api.name())
    return answer.status if answer.status != 201 else api.post(f"/containers/{answer.json['Id']}/start").status


@same
def test_names_in_a_network(api):
    name, one = made(api)
    config = {"EndpointsConfig": {name: {"Aliases": ["alias"]}}}
    server = api.run(name=f"{api.prefix}.server", Host={"NetworkMode": name}, NetworkingConfig=config)
    client = api.run(Host={"NetworkMode": name})
    codes = [
        api.execute(client, "ping", "-c1", "-w5", each)[0]
        for each in (f"{api.prefix}.server", "alias", server[:12], f"{api.prefix}.server.{name}")
    ]
    found = api.get(f"/networks/{one}").json["Containers"]
    return codes, sorted(each["Name"] for each in found.values()), keys(next(iter(found.values())))


@same
def test_names_of_an_endpoint(api):
    name, _ = made(api)
    config = {"EndpointsConfig": {name: {"Aliases": ["alias"]}}}
    one = api.run(name=f"{api.prefix}.server", Host={"NetworkMode": name}, NetworkingConfig=config, Hostname="host")
    endpoint = api.inspect(one)["NetworkSettings"]["Networks"][name]
    return endpoint["Aliases"], [word for word in endpoint["DNSNames"] if word != one[:12]]


@same
def test_connect_and_disconnect(api):
    name, one = made(api)
    inside = api.run(Host={"NetworkMode": "bridge"})
    return [
        api.post(f"/networks/{one}/connect", {"Container": inside}).status,
        api.post(f"/networks/{one}/connect", {"Container": inside}).status,
        keys(api.inspect(inside)["NetworkSettings"]["Networks"]),
        api.execute(inside, "sh", "-c", "ls /sys/class/net | sort")[1],
        api.delete(f"/networks/{one}").status,
        api.post(f"/networks/{name}/disconnect", {"Container": inside}).status,
        keys(api.inspect(inside)["NetworkSettings"]["Networks"]),
        api.delete(f"/networks/{one}").status,
        api.get(f"/networks/{one}").status,
    ]


@same
def test_connect_what_has_not_started(api):
    name, one = made(api)
    inside = api.create(Host={"NetworkMode": "bridge"})
    first = api.post(f"/networks/{one}/connect", {"Container": inside}).status
    api.ok("POST", f"/containers/{inside}/start")
    return first, keys(api.inspect(inside)["NetworkSettings"]["Networks"]) == sorted(["bridge", name])


CONNECTIONS = {
    "nobody": ("bridge", {"Container": "nobody"}),
    "nothing": ("bridge", {}),
    "an unknown network": ("nonsense", {"Container": "{one}"}),
    "no network": ("none", {"Container": "{one}"}),
    "the host's": ("host", {"Container": "{one}"}),
    "a container of the wrong type": ("bridge", {"Container": 1}),
    "an endpoint of the wrong type": ("bridge", {"Container": "{one}", "EndpointConfig": "x"}),
}


@pytest.mark.parametrize("what", CONNECTIONS)
@same
def test_bad_connections(api, what):
    network, body = CONNECTIONS[what]
    one = api.run(Host={"NetworkMode": "bridge"})
    body = {name: value.format(one=one) if isinstance(value, str) else value for name, value in body.items()}
    return api.post(f"/networks/{network}/connect", body).status


@same
def test_predefined(api):
    found = {row["Name"]: row for row in api.get("/networks").json}
    return [
        (name, pick(found[name], ("Driver", "Scope", "Internal")), api.delete(f"/networks/{name}").status)
        for name in ("bridge", "host", "none")
    ]


@same
def test_unknown(api):
    return [
        api.get("/networks/nobody").message,
        api.delete("/networks/nobody").message,
        api.post("/networks/nobody/disconnect", {"Container": "x"}).status,
    ]


FILTERS = {
    "a driver": {"driver": ["bridge"]},
    "a name": {"name": [".1"]},
    "its own": {"type": ["custom"]},
    "those of the engine": {"type": ["builtin"]},
    "nonsense": {"nonsense": ["1"]},
    "a type of nonsense": {"type": ["nonsense"]},
    "a scope": {"scope": ["local"]},
    "unused ones": {"dangling": ["true"]},
    "a label": {"label": ["a=b"]},
}


@pytest.mark.parametrize("what", FILTERS)
@same
def test_filters(api, what):
    made(api, Labels={"of": api.prefix})
    made(api, Labels={"of": api.prefix, "a": "b"})
    filters = {**FILTERS[what]}
    filters["label"] = [*filters.get("label", ()), f"of={api.prefix}"]
    answer = api.get("/networks", filters=filters)
    return answer.status, sorted(row["Name"] for row in answer.json) if answer.status == 200 else answer.message


@same
def test_prune(api):
    name, _ = made(api, Labels={"of": api.prefix})
    used, _ = made(api, Labels={"of": api.prefix})
    api.run(Host={"NetworkMode": used})
    answer = api.post("/networks/prune", filters={"label": [f"of={api.prefix}"]})
    return answer.status, answer.json == {"NetworksDeleted": [name]}


@same
def test_the_network_of_another_container(api):
    first = api.run(Host={"NetworkMode": "bridge"})
    second = api.run(Host={"NetworkMode": f"container:{first}"})
    look = "ip -o -4 addr show eth0"
    return (
        api.execute(first, "sh", "-c", look) == api.execute(second, "sh", "-c", look),
        api.inspect(second)["HostConfig"]["NetworkMode"] == f"container:{first}",
        api.inspect(second)["NetworkSettings"]["Networks"],
    )


@same
def test_interfaces(api):
    look = "ls /sys/class/net | sort"
    return [api.text(look, Host={"NetworkMode": mode}) for mode in ("none", "bridge")]


_WITH_ANOTHERS = {
    "hostname": {"Hostname": "x"},
    "domain": {"Domainname": "x"},
    "dns": {"Host": {"Dns": ["1.1.1.1"]}},
    "hosts": {"Host": {"ExtraHosts": ["a:1.1.1.1"]}},
    "links": {"Host": {"Links": ["a:b"]}},
}


@pytest.mark.parametrize("what", _WITH_ANOTHERS)
@same
def test_what_goes_not_with_the_network_of_another(api, what):
    first = api.create(Hostname="donor")
    config = dict(_WITH_ANOTHERS[what])
    host = {**config.pop("Host", {}), "NetworkMode": f"container:{first}"}
    answer = api.post("/containers/create", api.body(Host=host, **config), name=api.name())
    return answer.status, answer.message if answer.status >= 400 else None


@same
def test_a_host_name_on_the_machines_own(api):
    answer = api.post("/containers/create", api.body(Host={"UTSMode": "host"}, Hostname="x"), name=api.name())
    return answer.status, answer.message


@same
def test_names_and_files_of_another_container(api):
    first = api.run(Host={"NetworkMode": "bridge"}, Hostname="donor", Domainname="example")
    second = api.run(Host={"NetworkMode": f"container:{first}"})
    api.execute(second, "sh", "-c", "echo 1.1.1.1 seen >>/etc/hosts; echo nameserver 1.2.3.4 >/etc/resolv.conf")
    paths = ("HostnamePath", "HostsPath", "ResolvConfPath")
    return (
        api.execute(second, "sh", "-c", "hostname; cat /etc/hostname"),
        api.execute(first, "sh", "-c", "tail -n 1 /etc/hosts; cat /etc/resolv.conf"),
        pick(api.inspect(second)["Config"], ("Hostname", "Domainname")),
        [api.inspect(first)[path] == api.inspect(second)[path] for path in paths],
    )


_GATEWAYS = {
    "the last": ("10.231.7.0/24", "10.231.7.254"),
    "the network itself": ("10.231.8.0/24", "10.231.8.0"),
    "everybody": ("10.231.9.0/24", "10.231.9.255"),
    "another network's": ("10.231.7.0/24", "10.1.1.1"),
    "no address": ("10.231.7.0/24", "nonsense"),
    "without a subnet": ("", "10.231.7.1"),
}


@pytest.mark.parametrize("what", _GATEWAYS)
@same
def test_a_gateway_of_choice(api, what):
    subnet, gateway = _GATEWAYS[what]
    pool = {"Gateway": gateway, **({"Subnet": subnet} if subnet else {})}
    answer = api.post("/networks/create", {"Name": api.name(), "IPAM": {"Config": [pool]}})
    if answer.status != 201:
        return answer.status, answer.message
    network = answer.json["Id"]
    shown = api.get(f"/networks/{network}").json["IPAM"]["Config"]
    one = api.run(Host={"NetworkMode": network})
    found = (
        shown,
        api.execute(one, "sh", "-c", "ip route | head -n 1; ping -c 1 -w 5 10.231.7.254 >/dev/null && echo there"),
    )
    api.delete(f"/containers/{one}", force="1")
    api.delete(f"/networks/{network}")
    return found
