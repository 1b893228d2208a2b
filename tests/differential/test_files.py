"""Archives, export, changes, commit."""

import base64
import io
import json
import tarfile

import pytest

from tests.differential.client import archive, keys, members, pick
from tests.differential.same import same

PATHS = (
    "/etc/motd",
    "/link",
    "/etc/up",
    "/etc/",
    "/etc",
    "etc/motd",
    "/etc/../etc/motd",
    "/not/there",
    "",
    "/",
    "/proc/1/comm",
)


@pytest.mark.parametrize("number", range(len(PATHS)))
@pytest.mark.parametrize("running", [True, False])
@same
def test_what_is_there(api, number, running):
    one = api.run() if running else api.create()
    answer = api.call("HEAD", f"/containers/{one}/archive", path=PATHS[number])
    text = answer.headers.get("X-Docker-Container-Path-Stat")
    stat = json.loads(base64.b64decode(text)) if text else {}
    if stat.get("name") in {"/", "comm"}:
        stat["size"] = stat["mode"] = "the machine's"
    if stat.get("mode") and stat.get("size") and "etc" in stat["name"]:
        stat["size"] = "the filesystem's"
    return answer.status, keys(stat), pick(stat, ("name", "mode", "size", "linkTarget"))


@pytest.mark.parametrize("path", ["/etc/motd", "/link", "/etc/up", "/data", "/data/.", "/not/there", "/etc/motd/"])
@same
def test_get(api, path):
    answer = api.get(f"/containers/{api.create()}/archive", path=path)
    return answer.status, answer.headers["Content-Type"], members(answer.body) if answer.status == 200 else ""


PUTS = {
    "a directory": ("/tmp", {}),
    "the root": ("/", {}),
    "a file": ("/etc/motd", {}),
    "what is not there": ("/not/there", {}),
    "nothing": ("", {}),
    "a link to a file": ("/link", {}),
    "a directory, keeping kinds": ("/", {"noOverwriteDirNonDir": 1}),
}


@pytest.mark.parametrize("what", PUTS)
@same
def test_put(api, what):
    path, query = PUTS[what]
    one = api.create()
    data = archive({"file": b"put\n", "etc/new": b"below\n"})
    answer = api.call("PUT", f"/containers/{one}/archive", data, path=path, **query)
    found = api.get(f"/containers/{one}/archive", path=f"{path}/file")
    return answer.status, found.status, members(found.body) if found.status == 200 else ""


@same
def test_put_while_it_runs(api):
    one = api.run()
    status = api.call("PUT", f"/containers/{one}/archive", archive({"file": b"put\n"}), path="/tmp").status
    return status, api.execute(one, "cat", "/tmp/file")


@same
def test_put_kinds(api):
    one = api.create()
    data = archive({"etc": b"a file now"})
    return [
        api.call("PUT", f"/containers/{one}/archive", data, path="/", noOverwriteDirNonDir=1).status,
        api.call("PUT", f"/containers/{one}/archive", b"no archive at all" * 100, path="/tmp").status,
        api.call("PUT", f"/containers/{one}/archive", b"", path="/tmp").status,
        api.call("PUT", "/containers/nobody/archive", data, path="/tmp").status,
    ]


@same
def test_put_on_a_root_for_reading(api):
    one = api.create(Host={"ReadonlyRootfs": True})
    answer = api.call("PUT", f"/containers/{one}/archive", archive({"file": b""}), path="/tmp")
    return answer.status


@same
def test_put_does_not_leave_the_container(api):
    one = api.create()
    data = archive({"../../outside": b"", "/inside": b""})
    status = api.call("PUT", f"/containers/{one}/archive", data, path="/tmp").status
    return status in {200, 400, 500}, (api.shared.parent / "outside").exists()


@same
def test_put_owners(api):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("owned")
        member.uid, member.gid, member.mode = 1000, 2000, 0o640
        tar.addfile(member)
    one = api.run()
    api.call("PUT", f"/containers/{one}/archive", buffer.getvalue(), path="/tmp")
    first = api.execute(one, "stat", "-c", "%u %g %a", "/tmp/owned")
    api.call("PUT", f"/containers/{one}/archive", buffer.getvalue(), path="/tmp", copyUIDGID=1)
    return first, api.execute(one, "stat", "-c", "%u %g %a", "/tmp/owned")


CHANGE = "echo more >>/etc/motd; rm /not-executable; mkdir /new; echo x >/new/file; rm -r /data; mkdir /data"


@same
def test_changes(api):
    one = api.run("sh", "-c", CHANGE)
    api.wait(one)
    found = api.get(f"/containers/{one}/changes").json
    return sorted((change["Path"], change["Kind"]) for change in found)


@same
def test_no_changes(api):
    one = api.create()
    return api.get(f"/containers/{one}/changes").body, api.get("/containers/nobody/changes").status


@same
def test_commit_of_nobody(api):
    return [
        api.post("/commit", {}, container="nobody").status,
        api.post("/commit", {}).status,
        api.post("/commit", {}, container=api.create(), repo="UPPER").status,
        api.post("/commit", {}, container=api.create(), changes="NONSENSE x").status,
    ]


@same
def test_commit_of_what_runs(api):
    one = api.run("sh", "-c", "echo x >/file; echo ready; sleep 600")
    api.follow(one, b"ready")
    answer = api.post("/commit", {}, container=one, pause=1)
    if answer.status != 201:
        return answer.status, answer.message
    status = api.delete(f"/images/{answer.json['Id']}").status
    return answer.status, api.state(one), status


@same
def test_the_mark_of_a_container(api):
    """It is there for programs and in an export, and is no change, not even where the image has it."""
    one = api.run()
    exported = api.ok("GET", f"/containers/{one}/export").body
    repository = f"{api.prefix}-exported"
    api.ok("POST", "/images/create", exported, fromSrc="-", repo=repository, tag="1")
    again = api.create(Image=f"{repository}:1")
    with tarfile.open(fileobj=io.BytesIO(exported)) as read:
        names = read.getnames()
    found = (
        api.execute(one, "stat", "-c", "%A %s", "/.dockerenv"),
        ".dockerenv" in names,
        api.get(f"/containers/{one}/changes").json,
        api.get(f"/containers/{again}/changes").json,
    )
    api.delete(f"/containers/{again}", force="1")
    api.delete(f"/images/{repository}:1")
    return found
