"""Creating containers: what is refused, and how the image's configuration and the request's are put together."""

import pytest

from tests.differential.client import CONFIGURED, pick
from tests.differential.same import same

CONFIG = {
    "no image": {"Image": ""},
    "an unknown image": {"Image": "no-such-image:1"},
    "a malformed image": {"Image": "UPPER/case"},
    "an image of the wrong type": {"Image": 7},
    "a command of the wrong type": {"Cmd": {"a": 1}},
    "a command that is text": {"Cmd": "echo hello"},
    "arguments of the wrong type": {"Cmd": ["echo", 1]},
    "an environment of the wrong type": {"Env": {"A": "b"}},
    "an environment without a name": {"Env": ["=value"]},
    "an environment without a value": {"Env": ["NAME"]},
    "a NUL in the environment": {"Env": ["A=\0"]},
    "labels of the wrong type": {"Labels": ["a=b"]},
    "a flag of the wrong type": {"Tty": "yes"},
    "a relative working directory": {"WorkingDir": "here"},
    "an unknown stop signal": {"StopSignal": "SIGNONSENSE"},
    "a stop time-out that is text": {"StopTimeout": "1"},
    "a negative stop time-out": {"StopTimeout": -1},
    "a malformed exposed port": {"ExposedPorts": {"http": {}}},
    "an exposed port out of range": {"ExposedPorts": {"70000/tcp": {}}},
    "an unknown protocol": {"ExposedPorts": {"80/nonsense": {}}},
    "volumes of the wrong type": {"Volumes": ["/data"]},
    "a relative volume": {"Volumes": {"data": {}}},
    "a volume on the root": {"Volumes": {"/": {}}},
    "a malformed MAC address": {"MacAddress": "nonsense"},
    "an unknown field": {"Nonsense": True},
    "nulls": {"Env": None, "Labels": None, "Cmd": None, "Entrypoint": None},
    "an empty command": {"Cmd": []},
    "a health check of an unknown kind": {"Healthcheck": {"Test": ["NONSENSE", "true"]}},
    "a health check too often": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 1}},
    "a health check with negative retries": {"Healthcheck": {"Test": ["CMD", "true"], "Retries": -1}},
    "a long host name": {"Hostname": "h" * 64},
    "a malformed host name": {"Hostname": "-bad-"},
}
HOST = {
    "an object of the wrong type": [],
    "too little memory": {"Memory": 4096},
    "memory that is text": {"Memory": "64m"},
    "less swap than memory": {"Memory": 64 << 20, "MemorySwap": 32 << 20},
    "swap without memory": {"MemorySwap": 64 << 20},
    "a reservation above the limit": {"Memory": 64 << 20, "MemoryReservation": 128 << 20},
    "more processors than there are": {"NanoCpus": 10_000 * 10**9},
    "negative processors": {"NanoCpus": -1},
    "processors in two ways": {"NanoCpus": 10**9, "CpuQuota": 50_000},
    "a quota too small": {"CpuQuota": 10},
    "a period too long": {"CpuPeriod": 2_000_000},
    "processors that are not there": {"CpusetCpus": "4000"},
    "malformed processors": {"CpusetCpus": "a-b"},
    "memory nodes that are not there": {"CpusetMems": "900"},
    "an unknown restart policy": {"RestartPolicy": {"Name": "nonsense"}},
    "a restart policy with too much": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
    "a negative number of restarts": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}},
    "restart and removal": {"RestartPolicy": {"Name": "always"}, "AutoRemove": True},
    "an unknown capability": {"CapAdd": ["NONSENSE"]},
    "a capability in other words": {"CapAdd": ["cap_net_admin", "NET_RAW", "ALL"]},
    "an unknown security option": {"SecurityOpt": ["nonsense"]},
    "an unknown seccomp profile": {"SecurityOpt": ["seccomp=/no/such/file"]},
    "an unknown network": {"NetworkMode": "no-such-network"},
    "the network of an unknown container": {"NetworkMode": "container:nobody"},
    "the processes of an unknown container": {"PidMode": "container:nobody"},
    "an unknown kind of process namespace": {"PidMode": "nonsense"},
    "an unknown kind of IPC namespace": {"IpcMode": "nonsense"},
    "an unknown kind of UTS namespace": {"UTSMode": "nonsense"},
    "an unknown kind of user namespace": {"UsernsMode": "nonsense"},
    "an unknown kind of cgroup namespace": {"CgroupnsMode": "nonsense"},
    "an unknown runtime": {"Runtime": "nonsense"},
    "a malformed log size": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "nonsense"}}},
    "a relative bind": {"Binds": ["here/there:/data"]},
    "a bind to a relative path": {"Binds": ["/tmp:data"]},
    "a bind to the root": {"Binds": ["/tmp:/"]},
    "a bind with nothing": {"Binds": [""]},
    "a bind with unknown options": {"Binds": ["/tmp:/data:nonsense"]},
    "two binds to one place": {"Binds": ["/tmp:/data", "/etc:/data"]},
    "an unknown kind of mount": {"Mounts": [{"Type": "nonsense", "Target": "/data"}]},
    "a mount without a target": {"Mounts": [{"Type": "volume", "Source": "x"}]},
    "a bind mount without a source": {"Mounts": [{"Type": "bind", "Target": "/data"}]},
    "a bind mount of what is not there": {"Mounts": [{"Type": "bind", "Source": "/no/such", "Target": "/data"}]},
    "a tmpfs with a source": {"Mounts": [{"Type": "tmpfs", "Source": "/tmp", "Target": "/data"}]},
    "a relative tmpfs": {"Tmpfs": {"data": ""}},
    "a tmpfs with unknown options": {"Tmpfs": {"/data": "nonsense=1"}},
    "a malformed port binding": {"PortBindings": {"80/tcp": [{"HostPort": "http"}]}},
    "a port binding out of range": {"PortBindings": {"80/tcp": [{"HostPort": "70000"}]}},
    "a port binding of the wrong type": {"PortBindings": {"80/tcp": "8080"}},
    "a port binding to a malformed address": {"PortBindings": {"80/tcp": [{"HostIp": "nonsense"}]}},
    "a malformed extra host": {"ExtraHosts": ["nonsense"]},
    "an extra host with a malformed address": {"ExtraHosts": ["name:nonsense"]},
    "a malformed name server": {"Dns": ["nonsense"]},
    "an unknown limit": {"Ulimits": [{"Name": "nonsense", "Soft": 1, "Hard": 1}]},
    "a soft limit above the hard one": {"Ulimits": [{"Name": "nofile", "Soft": 20, "Hard": 10}]},
    "an OOM score out of range": {"OomScoreAdj": 5000},
    "a negative shared memory": {"ShmSize": -1},
    "a swappiness out of range": {"MemorySwappiness": 200},
    "a weight out of range": {"BlkioWeight": 5},
    "a link to nobody": {"Links": ["nobody:alias"]},
    "volumes from nobody": {"VolumesFrom": ["nobody"]},
    "an init with another's processes": {"Init": True, "PidMode": "host"},
    "a host name with the host's": {"NetworkMode": "host", "UTSMode": "host"},
    "privileged": {"Privileged": True, "ReadonlyRootfs": True},
    "an unlimited number of processes": {"PidsLimit": -1},
    "sysctls of the wrong type": {"Sysctls": ["a=b"]},
}


@pytest.mark.parametrize("what", CONFIG)
@same
def test_config(api, what):
    return api.post("/containers/create", {**api.body(), **CONFIG[what]}, name=api.name()).status


@pytest.mark.parametrize("what", HOST)
@same
def test_host_config(api, what):
    host = HOST[what]
    if isinstance(host, dict):
        host = {"NetworkMode": "none", **host}
    return api.post("/containers/create", {**api.body(), "HostConfig": host}, name=api.name()).status


NAMES = ("a", "-ab", ".ab", "ab c", "ab/c", "/{}.ab", "ä", "ab\n", "ab\0", "a" * 300, "{}..ab", "{}.A_b-")


@pytest.mark.parametrize("number", range(len(NAMES)))
@same
def test_names(api, number):
    name = NAMES[number].format(api.prefix)
    answer = api.post("/containers/create", api.body(), name=name)
    if answer.status == 201:
        found = api.inspect(answer.json["Id"])["Name"]
        api.delete(f"/containers/{answer.json['Id']}")
        return answer.status, found
    return answer.status, answer.message.partition(", and")[0]


@same
def test_a_name_twice(api):
    name = api.name()
    api.create(name=name)
    answer = api.post("/containers/create", api.body(), name=name)
    return answer.status, answer.message


@same
def test_a_name_is_free_after_removal(api):
    name = api.name()
    api.delete(f"/containers/{api.create(name=name)}")
    return api.post("/containers/create", api.body(), name=name).status


@same
def test_unknown_image(api):
    answer = api.post("/containers/create", {"Image": "no-such-image"})
    return answer.status, answer.message.startswith("No such image: no-such-image")


@same
def test_the_answer(api):
    answer = api.post("/containers/create", api.body(), name=api.name())
    return answer.status, sorted(answer.json), answer.json["Warnings"], len(answer.json["Id"])


COMMANDS = {
    "the image's": {},
    "another command": {"Cmd": ["other"]},
    "another entry point": {"Entrypoint": ["echo", "new"]},
    "both": {"Entrypoint": ["echo", "new"], "Cmd": ["other"]},
    "an empty entry point": {"Entrypoint": [""], "Cmd": ["echo", "plain"]},
}


@pytest.mark.parametrize("what", COMMANDS)
@same
def test_commands(api, what):
    body = {"Image": CONFIGURED, "HostConfig": {"NetworkMode": "none"}, **COMMANDS[what]}
    answer = api.post("/containers/create", body, name=api.name())
    if answer.status != 201:
        return answer.status, answer.message
    one = answer.json["Id"]
    status = api.post(f"/containers/{one}/start").status
    code = api.wait(one)
    found = api.inspect(one)
    return status, code, api.output(one), pick(found, ("Path", "Args")), pick(found["Config"], ("Cmd", "Entrypoint"))


@same
def test_configuration_of_the_image(api):
    body = {"Image": CONFIGURED, "Env": ["MORE=1", "KIND=own"], "Labels": {"own": "1", "of": "me"}}
    one = api.ok("POST", "/containers/create", body, name=api.name()).json["Id"]
    config = api.inspect(one)["Config"]
    names = ("User", "WorkingDir", "Labels", "ExposedPorts", "Volumes", "StopSignal", "Cmd", "Entrypoint", "Image")
    return pick(config, names), sorted(config["Env"])


@same
def test_no_command_at_all(api):
    repository = f"{api.prefix}.bare"
    from tests.differential.client import archive

    api.ok("POST", "/images/create", archive({"file": b""}), fromSrc="-", repo=repository, tag="1")
    answer = api.post("/containers/create", {"Image": f"{repository}:1"}, name=api.name())
    api.delete(f"/images/{repository}:1")
    return answer.status, answer.message
