"""Docker's requests as config.json, without a kernel."""

import pytest

from container_runtime.engine.request import resources, specgen
from container_runtime.engine.request.mountpoints import parse_bind
from container_runtime.engine.request.mounts import asked_mounts
from container_runtime.engine.request.unsupported import refuse
from container_runtime.errors import InvalidParameter, NotImplementedHere
from container_runtime.oci.defaults import DEFAULT_CAPABILITIES

PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:1001:\nstaff:x:50:app\nwheel:x:10:root,app\n"


def generate(image=None, network=None, **body):
    facts = specgen.Facts("ab" * 32, "box", "/root", "group", passwd=PASSWD, group=GROUP)
    facts.network = network or {"type": "network"}
    return specgen.generate(image or {}, {"Cmd": ["true"], **body}, facts)


@pytest.mark.parametrize(
    ("image", "body", "expected"),
    [
        ({"Cmd": ["a"]}, {}, ["a"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {}, ["e", "a"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"Cmd": ["b"]}, ["e", "b"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"Entrypoint": ["f"]}, ["f"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"Entrypoint": ["f"], "Cmd": ["b"]}, ["f", "b"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"Entrypoint": [""], "Cmd": ["b"]}, ["b"]),
        ({"Entrypoint": ["e"]}, {"Entrypoint": None, "Cmd": None}, ["e"]),
    ],
)
def test_entrypoint_and_command_are_joined_as_docker_does(image, body, expected):
    assert specgen.command(image, body) == expected


@pytest.mark.parametrize("body", [{}, {"Cmd": []}, {"Cmd": [""]}])
def test_nothing_to_run_is_refused(body):
    with pytest.raises(InvalidParameter):
        specgen.command({}, body)


def test_environment_layers():
    process = generate({"Env": ["PATH=/image", "A=1", "B=2"]}, Env=["A=3", "B", "C=x=y"])["process"]
    assert process["env"] == ["PATH=/image", "HOSTNAME=box", "A=3", "C=x=y", "HOME=/root"]


def test_home_that_was_set_stays():
    assert "HOME=/x" in generate(Env=["HOME=/x"])["process"]["env"]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", {"uid": 0, "gid": 0, "additionalGids": [0, 10]}),
        ("app", {"uid": 1000, "gid": 1001, "additionalGids": [1001, 50, 10]}),
        ("1000", {"uid": 1000, "gid": 1001, "additionalGids": [1001, 50, 10]}),
        ("app:staff", {"uid": 1000, "gid": 50, "additionalGids": [50]}),
        ("7:8", {"uid": 7, "gid": 8, "additionalGids": [8]}),
        ("7", {"uid": 7, "gid": 0, "additionalGids": [0]}),
    ],
)
def test_users(user, expected):
    assert generate(User=user)["process"]["user"] == expected


@pytest.mark.parametrize("user", ["nobody", "app:nogroup", "99999999999", "-1"])
def test_users_that_are_not_there(user):
    with pytest.raises(InvalidParameter, match="unable to find"):
        generate(User=user)


def test_capabilities():
    assert resources.capabilities({}) == list(DEFAULT_CAPABILITIES)
    assert resources.capabilities({"CapDrop": ["ALL"], "CapAdd": ["net_admin", "CAP_CHOWN"]}) == [
        "CAP_CHOWN",
        "CAP_NET_ADMIN",
    ]
    assert "CAP_SYS_ADMIN" in resources.capabilities({"Privileged": True})
    assert "CAP_SYS_ADMIN" not in resources.capabilities({"CapAdd": ["ALL"], "CapDrop": ["SYS_ADMIN"]})
    with pytest.raises(InvalidParameter, match="CapAdd"):
        resources.capabilities({"CapAdd": ["FLY"]})


def test_another_user_has_no_capability_in_force():
    sets = generate(User="app")["process"]["capabilities"]
    assert (sets["effective"], sets["permitted"]) == ([], [])
    assert sets["bounding"] == list(DEFAULT_CAPABILITIES)


@pytest.mark.parametrize(
    ("host", "section"),
    [
        ({"Memory": 64 << 20}, {"memory": {"limit": 64 << 20, "swap": 128 << 20}}),
        ({"Memory": 64 << 20, "MemorySwap": -1}, {"memory": {"limit": 64 << 20, "swap": -1}}),
        ({"NanoCpus": 500_000_000}, {"cpu": {"quota": 50_000, "period": 100_000}}),
        ({"CpuShares": 512, "CpusetCpus": "0-1"}, {"cpu": {"shares": 512, "cpus": "0-1"}}),
        ({"PidsLimit": 20}, {"pids": {"limit": 20}}),
        ({"PidsLimit": -1}, {}),
    ],
)
def test_limits(host, section):
    found = resources.resources(host)
    del found["devices"]
    assert found == section


@pytest.mark.parametrize(
    "host",
    [
        {"Memory": 1024},
        {"MemorySwap": 64 << 20},
        {"Memory": 64 << 20, "MemorySwap": 32 << 20},
        {"NanoCpus": 1},
        {"NanoCpus": -1},
        {"NanoCpus": 10**9, "CpuQuota": 5000},
        {"CpuPeriod": 5},
        {"CpusetCpus": "../x"},
        {"Ulimits": [{"Name": "luck", "Soft": 1, "Hard": 1}]},
        {"Ulimits": [{"Name": "nofile", "Soft": 2, "Hard": 1}]},
        {"Sysctls": {"kernel.panic": "1"}},
        {"Sysctls": {"net.ipv4../../kernel": "1"}},
        {"OomScoreAdj": 2000},
        {"SecurityOpt": ["luck=good"]},
        {"Tmpfs": {"/x": "size=1m,upperdir=/"}},
        {"Tmpfs": {"/": ""}},
        {"ShmSize": -1},
        {"Devices": [{"PathOnHost": "null"}]},
    ],
)
def test_what_makes_no_sense_is_named(host):
    with pytest.raises(InvalidParameter) as caught:
        generate(HostConfig=host)
    assert str(caught.value)


def test_sysctls_of_the_network_need_a_network_of_its_own():
    assert generate(HostConfig={"Sysctls": {"net.core.somaxconn": "9"}})["linux"]["sysctl"] == {
        "net.core.somaxconn": "9"
    }
    with pytest.raises(InvalidParameter, match="Sysctls"):
        resources.sysctls({"Sysctls": {"net.core.somaxconn": "9"}}, own_network=False)


def test_mounts_come_outermost_first():
    mounts = asked_mounts({"Tmpfs": {"/x": "size=1m"}}, [parse_bind("/a:/x/y/z:ro")])
    assert [one["destination"] for one in mounts] == ["/x", "/x/y/z"]
    assert mounts[1]["options"] == ["rbind", "rprivate", "ro", "rro"]


def test_a_mount_of_the_request_replaces_the_default_one():
    mounts = generate(HostConfig={"Tmpfs": {"/dev/shm": "size=1m"}})["mounts"]
    assert [one["options"][-1] for one in mounts if one["destination"] == "/dev/shm"] == ["size=1m"]


def test_privileged_hides_nothing():
    linux = generate(HostConfig={"Privileged": True})["linux"]
    assert not linux["maskedPaths"]
    assert not linux["readonlyPaths"]
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]


def test_no_new_privileges():
    assert generate(HostConfig={"SecurityOpt": ["no-new-privileges"]})["process"]["noNewPrivileges"]
    assert generate(HostConfig={"SecurityOpt": ["no-new-privileges:true"]})["process"]["noNewPrivileges"]
    assert not generate()["process"]["noNewPrivileges"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"HostConfig": {"StorageOpt": {"size": "1G"}}}, "StorageOpt"),
    ],
)
def test_what_is_not_here_is_refused(body, field):
    with pytest.raises(NotImplementedHere, match=field):
        refuse(body)


def test_the_docker_command_s_empty_fields_are_no_wishes():
    refuse(
        {
            "HostConfig": {
                "PortBindings": {},
                "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
                "IpcMode": "",
                "OomKillDisable": False,
                "BlkioWeight": 0,
                "Links": None,
            },
            "Healthcheck": {"Test": ["NONE"]},
        }
    )


def test_exec_takes_what_the_request_changes():
    container = generate(Env=["A=1"])["process"]
    made = specgen.exec_process(
        container, {"Cmd": ["id"], "Env": ["B=2"], "User": "app", "WorkingDir": "/tmp"}, PASSWD, GROUP
    )
    assert made["user"] == {"uid": 1000, "gid": 1001, "additionalGids": [1001, 50, 10]}
    assert (made["args"], made["cwd"]) == (["id"], "/tmp")
    assert {"A=1", "B=2", "HOME=/home/app"} <= set(made["env"])
    assert container["args"] == ["true"]


def test_exec_needs_a_command():
    with pytest.raises(InvalidParameter, match="No exec command"):
        specgen.exec_process(generate()["process"], {"Cmd": []}, None, None)
