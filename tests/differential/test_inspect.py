"""What inspect and list say: the written list of fields."""

import pytest

from tests.differential.client import IMAGE, keys, pick, plain
from tests.differential.same import same

CONFIG = (
    "AttachStderr AttachStdin AttachStdout Cmd Domainname Entrypoint Env Image Labels OnBuild OpenStdin StdinOnce Tty "
    "User Volumes WorkingDir"
).split()
HOST = (
    "AutoRemove Binds BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps BlkioDeviceWriteIOps BlkioWeight "
    "BlkioWeightDevice CapAdd CapDrop Cgroup CgroupParent ConsoleSize ContainerIDFile CpuCount CpuPercent "
    "CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpuShares CpusetCpus CpusetMems DeviceCgroupRules "
    "DeviceRequests Devices Dns DnsOptions DnsSearch ExtraHosts GroupAdd IOMaximumBandwidth IOMaximumIOps IpcMode "
    "Isolation Links LogConfig MaskedPaths Memory MemoryReservation MemorySwap MemorySwappiness NanoCpus NetworkMode "
    "OomKillDisable OomScoreAdj PidMode PidsLimit Privileged PublishAllPorts ReadonlyPaths ReadonlyRootfs "
    "RestartPolicy Runtime SecurityOpt ShmSize UTSMode Ulimits UsernsMode VolumeDriver VolumesFrom"
).split()
TOP = (
    "AppArmorProfile Args Config Created Driver ExecIDs HostConfig HostnamePath HostsPath Id Image LogPath MountLabel "
    "Mounts Name NetworkSettings Path Platform ProcessLabel ResolvConfPath RestartCount State"
).split()
ROW = "Command Created HostConfig Id Image ImageID Labels Mounts Names NetworkSettings Ports State Status".split()
ENDPOINT = (
    "Aliases DNSNames DriverOpts EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAMConfig IPAddress "
    "IPPrefixLen IPv6Gateway Links MacAddress NetworkID"
).split()


@same
def test_config_by_default(api):
    one = api.create()
    found = api.inspect(one)["Config"]
    return pick(found, CONFIG), found["Hostname"] == one[:12]


@pytest.mark.parametrize("field", HOST)
@same
def test_host_config_by_default(api, field):
    one = api.ok("POST", "/containers/create", {"Image": IMAGE}, name=api.name()).json["Id"]
    return api.inspect(one)["HostConfig"].get(field, "nothing")


@same
def test_fields(api):
    found = api.inspect(api.create())
    types = {name: type(found.get(name)).__name__ for name in TOP}
    return types, pick(found, ("AppArmorProfile", "Args", "ExecIDs", "MountLabel", "Platform", "RestartCount"))


@same
def test_state_fields(api):
    created = api.inspect(api.create())["State"]
    return created, keys(api.inspect(api.run())["State"])


@same
def test_times(api):
    one = api.create("true")
    api.ok("POST", f"/containers/{one}/start")
    api.wait(one)
    found = api.inspect(one)
    state = found["State"]
    return plain([found["Created"], state["StartedAt"], state["FinishedAt"]]), found["Created"] < state[
        "StartedAt"
    ] < state["FinishedAt"]


GIVEN = {
    "Binds": None,
    "CapAdd": ["NET_ADMIN"],
    "CapDrop": ["MKNOD"],
    "CpuQuota": 50_000,
    "CpuPeriod": 100_000,
    "CpuShares": 512,
    "Dns": ["10.0.0.1"],
    "DnsOptions": ["ndots:2"],
    "DnsSearch": ["example.test"],
    "ExtraHosts": ["name:10.0.0.2"],
    "GroupAdd": ["extra"],
    "Init": True,
    "Memory": 64 << 20,
    "MemoryReservation": 32 << 20,
    "MemorySwap": 128 << 20,
    "OomScoreAdj": 100,
    "PidsLimit": 50,
    "ReadonlyRootfs": True,
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "SecurityOpt": ["no-new-privileges"],
    "ShmSize": 1 << 20,
    "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
    "Tmpfs": {"/scratch": "size=1m"},
    "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}],
}


@same
def test_host_config_as_given(api):
    return pick(api.inspect(api.create(Host=GIVEN))["HostConfig"], GIVEN)


@same
def test_memory_alone_doubles_as_swap(api):
    return pick(api.inspect(api.create(Host={"Memory": 64 << 20}))["HostConfig"], ("Memory", "MemorySwap"))


@same
def test_config_as_given(api):
    given = {
        "Domainname": "example.test",
        "Env": ["A=1", "B=2"],
        "Hostname": "here",
        "Labels": {"one": "1", "two": ""},
        "OpenStdin": True,
        "StdinOnce": True,
        "StopSignal": "SIGINT",
        "StopTimeout": 3,
        "Tty": True,
        "User": "app",
        "WorkingDir": "/tmp",
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["NONE"]},
    }
    return pick(api.inspect(api.create(**given))["Config"], given)


@same
def test_network_settings(api):
    one = api.run(Host={"NetworkMode": "bridge"})
    found = api.inspect(one)["NetworkSettings"]
    bridge = found["Networks"]["bridge"]
    return (
        keys(found),
        {name: type(bridge.get(name)).__name__ for name in ENDPOINT if name != "DNSNames"},
        bridge["IPPrefixLen"] > 0,
    )


@same
def test_network_settings_without_a_network(api):
    found = api.inspect(api.run())["NetworkSettings"]
    return (
        keys(found["Networks"]),
        pick(found["Networks"]["none"], ("IPAddress", "Gateway", "MacAddress")),
        found["Ports"],
    )


@same
def test_network_settings_after_the_end(api):
    one = api.create("true", Host={"NetworkMode": "bridge"})
    api.ok("POST", f"/containers/{one}/start")
    api.wait(one)
    bridge = api.inspect(one)["NetworkSettings"]["Networks"]["bridge"]
    return pick(bridge, ("IPAddress", "Gateway", "IPPrefixLen")), bridge["NetworkID"] != ""


@same
def test_a_row_of_the_list(api):
    one = api.run("sleep", "600", Labels={"a": "b"})
    row = next(each for each in api.get("/containers/json").json if each["Id"] == one)
    return {name: type(row.get(name)).__name__ for name in ROW}, pick(
        row, ("Command", "HostConfig", "Image", "Labels", "Mounts", "Names", "Ports", "State")
    )


@same
def test_size(api):
    one = api.run("sh", "-c", "dd if=/dev/zero of=/file bs=1000 count=5; sleep 600")
    api.follow(one, b"records out")
    found = api.get(f"/containers/{one}/json", size=1).json
    row = next(each for each in api.get("/containers/json", size=1).json if each["Id"] == one)
    return found["SizeRw"], found["SizeRootFs"] > 5000, row["SizeRw"], "SizeRw" in api.inspect(one)


@same
def test_status_texts(api):
    created, running, ended = api.create(), api.run(), api.run("sh", "-c", "exit 3")
    api.wait(ended)
    paused = api.run()
    api.post(f"/containers/{paused}/pause")
    found = {row["Id"]: row["Status"] for row in api.get("/containers/json", all=1).json}
    words = [found[one].split(" ") for one in (created, running, ended, paused)]
    return words[0], words[1][0], words[2][:2], words[2][-1], words[3][-1]
