"""What a container's process is given."""

import pytest

from tests.differential.client import by_stream
from tests.differential.same import same

BRIDGE = {"NetworkMode": "bridge"}
HOSTS = {"ExtraHosts": ["one:10.0.0.1", "two:10.0.0.2"], **BRIDGE}
DNS = {"Dns": ["10.0.0.1"], "DnsSearch": ["example.test"], "DnsOptions": ["ndots:2"], **BRIDGE}
DEVICE = {"PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "rwm"}
MASKED = "cat /proc/kcore 2>/dev/null | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v :"
MEMORY = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
RUNS = {
    "root": ("id", {}, {}),
    "a user by name": ("id", {"User": "app"}, {}),
    "a user by number": ("id", {"User": "1000"}, {}),
    "an unknown number": ("id", {"User": "4321"}, {}),
    "a user and a group": ("id", {"User": "app:extra"}, {}),
    "a user and a number": ("id", {"User": "app:77"}, {}),
    "further groups": ("id", {"User": "app"}, {"GroupAdd": ["77", "nogroup"]}),
    "environment": ("env | grep -v HOSTNAME | sort", {"Env": ["A=1", "PATH=/bin:/x"]}, {}),
    "home of a user": ("echo $HOME", {"User": "app"}, {}),
    "host name": ("hostname; cat /etc/hostname", {"Hostname": "here"}, {}),
    "domain name": ("hostname -f", {"Hostname": "here", "Domainname": "example.test"}, {"NetworkMode": "bridge"}),
    "a working directory": ("pwd", {"WorkingDir": "/etc"}, {}),
    "a new working directory": ("pwd; stat -c '%a %u' /made/deep", {"WorkingDir": "/made/deep", "User": "app"}, {}),
    "a root for reading": ("touch /file 2>&1; echo $?; touch /dev/shm/x; echo $?", {}, {"ReadonlyRootfs": True}),
    "capabilities": ("grep Cap /proc/self/status", {}, {}),
    "capabilities of a user": ("grep Cap /proc/self/status", {"User": "app"}, {}),
    "more capabilities": ("grep Cap /proc/self/status", {}, {"CapAdd": ["NET_ADMIN"], "CapDrop": ["CHOWN"]}),
    "no capabilities": ("grep Cap /proc/self/status", {}, {"CapDrop": ["ALL"]}),
    "all capabilities": ("grep Cap /proc/self/status", {}, {"CapAdd": ["ALL"]}),
    "no new privileges": ("grep NoNewPrivs /proc/self/status", {}, {"SecurityOpt": ["no-new-privileges"]}),
    "a filter": ("grep '^Seccomp:' /proc/self/status", {}, {}),
    "no filter": ("grep '^Seccomp:' /proc/self/status", {}, {"SecurityOpt": ["seccomp=unconfined"]}),
    "limits": ("ulimit -n; ulimit -Hn", {}, {"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}]}),
    "shared memory": ("df -k /dev/shm | tail -n1 | tr -s ' ' | cut -d' ' -f2", {}, {"ShmSize": 2 << 20}),
    "shared memory by default": ("df -k /dev/shm | tail -n1 | tr -s ' ' | cut -d' ' -f2", {}, {}),
    "settings": ("cat /proc/sys/net/ipv4/ip_unprivileged_port_start", {}, {}),
    "settings of choice": ("cat /proc/sys/net/ipv4/ip_forward", {}, {"Sysctls": {"net.ipv4.ip_forward": "0"}}),
    "an OOM score": ("cat /proc/self/oom_score_adj", {}, {"OomScoreAdj": 77}),
    "extra hosts": ("grep 10.0 /etc/hosts", {}, HOSTS),
    "name servers": ("grep -E '^[nso]' /etc/resolv.conf", {}, DNS),
    "the host's name": ("[ $(hostname) = $(cat /proc/sys/kernel/hostname) ]; echo $?", {}, {"UTSMode": "host"}),
    "masked paths": (MASKED, {}, {}),
    "paths for reading": ("grep -o ' /proc/sys ro\\| /proc/bus ro' /proc/mounts", {}, {}),
    "devices": ("ls /dev | sort", {}, {}),
    "a device": ("ls -l /dev/mine | cut -c1-1", {}, {"Devices": [DEVICE]}),
    "first process": ("echo $$", {}, {}),
    "umask": ("umask", {}, {}),
    "standard input": ("cat; readlink /proc/self/fd/0", {}, {}),
    "descriptors": ("ls /proc/self/fd | wc -l", {}, {}),
    "signals": ("grep -E 'Sig(Blk|Ign)' /proc/self/status", {}, {}),
    "mounts": ("cut -d' ' -f2 /proc/mounts | grep -v -e cgroup -e ^/proc/ -e ^/sys/ | sort", {}, {}),
}  # fmt: skip


@pytest.mark.parametrize("what", RUNS)
@same
def test_runs(api, what):
    script, config, host = RUNS[what]
    one = api.run("sh", "-c", script, Host=host, **config)
    code = api.wait(one)
    answer = api.get(f"/containers/{one}/logs", stdout=1, stderr=1)
    return code, answer.body if config.get("Tty") else by_stream(answer.body)


@pytest.mark.parametrize("user", ["nobody-knows", "app:nobody-knows", "99999999999", ":", "-1"])
@same
def test_users_that_are_not_there(api, user):
    return runs(api, api.body("true", User=user))


def runs(api, body):
    """Whether a container can be made and started: one engine finds out at its creation, the other at the start."""
    answer = api.post("/containers/create", body, name=api.name())
    return answer.status == 201 and api.post(f"/containers/{answer.json['Id']}/start").status == 204


@same
def test_the_processes_of_another(api):
    first = api.run("sleep", "601")
    code, output = api.result(
        "sh", "-c", "cat /proc/1/cmdline | tr '\\000' ' '", Host={"PidMode": f"container:{first}"}
    )
    return code, output


@same
def test_the_memory_of_another(api):
    first = api.run("sh", "-c", "echo shared >/dev/shm/x; echo ready; sleep 600", Host={"IpcMode": "shareable"})
    api.follow(first, b"ready")
    return api.text("cat /dev/shm/x", Host={"IpcMode": f"container:{first}"})


@same
def test_a_device_that_is_not_there(api):
    device = {"PathOnHost": "/dev/no-such", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}
    return runs(api, api.body(Host={"Devices": [device]}))
