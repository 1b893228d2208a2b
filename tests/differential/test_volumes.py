"""Volumes, binds, filesystems in memory."""

import pytest

from tests.differential.client import CONFIGURED, keys, pick
from tests.differential.same import same


def made(api, **config):
    return api.ok("POST", "/volumes/create", {"Name": api.name(), **config}).json["Name"]


@same
def test_create_and_inspect(api):
    name = made(api, Labels={"a": "b"})
    again = api.post("/volumes/create", {"Name": name})
    found = api.get(f"/volumes/{name}").json
    return again.status, keys(found), pick(found, ("Name", "Driver", "Labels", "Options", "Scope"))


@same
def test_without_a_name(api):
    answer = api.post("/volumes/create", {})
    api.delete(f"/volumes/{answer.json['Name']}")
    return answer.status, len(answer.json["Name"]), answer.json["Labels"]


REFUSED = {
    "a slash": {"Name": "a/b"},
    "a short name": {"Name": "a"},
    "unknown options": {"DriverOpts": {"nonsense": "1"}},
    "a name of the wrong type": {"Name": 1},
    "labels of the wrong type": {"Labels": ["a"]},
}


@pytest.mark.parametrize("what", REFUSED)
@same
def test_refused(api, what):
    return api.post("/volumes/create", {"Name": api.name(), **REFUSED[what]}).status


@same
def test_remove(api):
    name = made(api)
    return [
        api.delete(f"/volumes/{name}").status,
        api.delete(f"/volumes/{name}").status,
        api.get(f"/volumes/{name}").message,
        api.delete(f"/volumes/{name}", force=1).status,
    ]


@same
def test_remove_while_in_use(api):
    name = made(api)
    one = api.create(Host={"Binds": [f"{name}:/data"]})
    answer = api.delete(f"/volumes/{name}")
    forced = api.delete(f"/volumes/{name}", force=1).status
    api.ok("DELETE", f"/containers/{one}")
    return answer.status, answer.message, forced, api.delete(f"/volumes/{name}").status


@same
def test_content_stays(api):
    name = made(api)
    first = api.text("echo kept >/data/file; ls -ld /data", Host={"Binds": [f"{name}:/data"]})
    return first.split()[:4], api.text("cat /data/file", Host={"Binds": [f"{name}:/data"]})


@same
def test_filled_by_the_image(api):
    name = made(api)
    look = "ls -ldn /data | cut -c1-24; ls -ln /data/given | cut -c1-24; cat /data/given"
    return api.text(look, Host={"Binds": [f"{name}:/data"]})


@same
def test_not_filled(api):
    name = made(api)
    first = api.text("ls /data", Host={"Binds": [f"{name}:/data:nocopy"]})
    mount = {"Type": "volume", "Source": name, "Target": "/data", "VolumeOptions": {"NoCopy": True}}
    return first, api.text("ls /data", Host={"Mounts": [mount]})


@same
def test_made_by_a_container(api):
    name = api.name()
    one = api.create(Host={"Binds": [f"{name}:/data"]})
    before = api.get(f"/volumes/{name}").status
    api.ok("DELETE", f"/containers/{one}", v=1)
    return before, api.get(f"/volumes/{name}").status


MOUNT = ("Type", "Driver", "Destination", "Mode", "RW", "Propagation")


@same
def test_anonymous(api):
    one = api.create(Volumes={"/fresh": {}})
    mount = api.inspect(one)["Mounts"][0]
    name = mount["Name"]
    before = api.get(f"/volumes/{name}")
    api.ok("DELETE", f"/containers/{one}", v=1)
    return pick(mount, MOUNT), len(name), before.json["Labels"], api.get(f"/volumes/{name}").status


@same
def test_anonymous_stays_without_being_asked(api):
    one = api.create(Volumes={"/fresh": {}})
    name = api.inspect(one)["Mounts"][0]["Name"]
    api.ok("DELETE", f"/containers/{one}")
    return api.get(f"/volumes/{name}").status, api.delete(f"/volumes/{name}").status


@same
def test_anonymous_goes_by_itself(api):
    one = api.create("true", Volumes={"/fresh": {}}, Host={"AutoRemove": True})
    name = api.inspect(one)["Mounts"][0]["Name"]
    with api.begin("POST", f"/containers/{one}/wait", condition="removed") as answer:
        api.ok("POST", f"/containers/{one}/start")
        answer.read()
    return api.get(f"/volumes/{name}").status


@same
def test_volume_of_the_image(api):
    body = {"Image": CONFIGURED, "Entrypoint": ["cat", "/data/given"], "HostConfig": {"NetworkMode": "none"}}
    one = api.ok("POST", "/containers/create", body, name=api.name()).json["Id"]
    api.ok("POST", f"/containers/{one}/start")
    mounts = api.inspect(one)["Mounts"]
    return api.wait(one), api.output(one), [pick(mount, MOUNT) for mount in mounts]


@same
def test_mounts_in_inspect(api):
    name = made(api)
    one = api.create(
        Host={
            "Binds": [f"{name}:/one", f"{api.shared}:/two:ro"],
            "Mounts": [
                {"Type": "volume", "Source": name, "Target": "/three", "ReadOnly": True},
                {"Type": "bind", "Source": str(api.shared), "Target": "/four"},
                {"Type": "tmpfs", "Target": "/five"},
            ],
        }
    )
    found = api.inspect(one)
    mounts = sorted(found["Mounts"], key=lambda mount: mount["Destination"])
    return [(*pick(mount, MOUNT).items(), mount.get("Name")) for mount in mounts], keys(
        found["HostConfig"]["Mounts"][0]
    )


@same
def test_bind(api):
    directory = api.shared / "bound"
    directory.mkdir(exist_ok=True)
    (directory / "file").write_text("of the machine\n")
    writing = "cat /b/file; echo more >/b/more"
    first = api.result("sh", "-c", writing, Host={"Binds": [f"{directory}:/b"]})
    second = api.result("sh", "-c", writing, Host={"Binds": [f"{directory}:/b:ro"]})[0]
    return first, (directory / "more").read_text(), second


@same
def test_bind_of_a_file(api):
    (api.shared / "single").write_text("alone\n")
    return api.text("cat /etc/motd", Host={"Binds": [f"{api.shared}/single:/etc/motd:ro"]})


@same
def test_bind_of_what_is_not_there(api):
    path = api.shared / api.name()
    one = api.create("true", Host={"Binds": [f"{path}:/b"]})
    status = api.post(f"/containers/{one}/start").status
    return status, path.is_dir()


@same
def test_memory(api):
    look = "grep ' /t ' /proc/mounts | cut -d' ' -f3,4; stat -c %a /t"
    mount = {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}}
    return [
        set(api.text(look, Host=host).replace(",", " ").split()) - {"inode64", "seclabel"}
        for host in ({"Tmpfs": {"/t": ""}}, {"Tmpfs": {"/t": "size=1m,mode=700"}}, {"Mounts": [mount]})
    ]


@same
def test_volumes_from(api):
    name = made(api)
    first = api.create(Host={"Binds": [f"{name}:/data"]})
    return api.text("cat /data/given", Host={"VolumesFrom": [first]}), api.result(
        "touch", "/data/x", Host={"VolumesFrom": [f"{first}:ro"]}
    )[0]


FILTERS = {
    "a name": {"name": [".1"]},
    "a label": {"label": ["a=b"]},
    "unused ones": {"dangling": ["true"]},
    "used ones": {"dangling": ["false"]},
    "a driver": {"driver": ["local"]},
    "nonsense": {"nonsense": ["1"]},
    "dangling nonsense": {"dangling": ["nonsense"]},
}


@pytest.mark.parametrize("what", FILTERS)
@same
def test_filters(api, what):
    made(api, Labels={"of": api.prefix, "a": "b"})
    used = made(api, Labels={"of": api.prefix})
    api.create(Host={"Binds": [f"{used}:/data"]})
    filters = {**FILTERS[what]}
    filters["label"] = [*filters.get("label", ()), f"of={api.prefix}"]
    answer = api.get("/volumes", filters=filters)
    if answer.status != 200:
        return answer.status, ""
    return answer.status, sorted(row["Name"] for row in answer.json["Volumes"] or []), answer.json["Warnings"]


@same
def test_prune(api):
    label = f"of={api.prefix}"
    kept = made(api, Labels={"of": api.prefix})
    first = api.post("/volumes/prune", filters={"label": [label]})
    second = api.post("/volumes/prune", filters={"label": [label], "all": ["true"]})
    return first.status, first.json["VolumesDeleted"], second.status, second.json["VolumesDeleted"] == [kept]


@same
def test_sub_path(api):
    name = made(api)
    api.text("mkdir /data/inner; echo deep >/data/inner/file", Host={"Binds": [f"{name}:/data"]})
    mount = {"Type": "volume", "Source": name, "Target": "/x", "VolumeOptions": {"Subpath": "inner"}}
    return api.text("ls /x; cat /x/file", Host={"Mounts": [mount]})
