"""Files of containers over HTTP: hostile archives, clients that go away, what must not be left behind."""

import base64
import io
import json
import socket
import tarfile
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.registry import Layer, busybox_layer
from tests.system.test_engine import HANG, Connection, started

ME = {"uid": 0, "gid": 0}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with started(tmp_path_factory.mktemp("engine")) as made:
        answer = upload(made, "POST", "/images/create?fromSrc=-&repo=files:1", busybox_layer().bytes())
        assert b"sha256:" in answer, answer
        yield made


def upload(engine, method, path, body):
    connection = Connection(engine.path)
    try:
        connection.request(method, path, body, {"Content-Type": "application/x-tar"})
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status in {200, 201}, data
        return data
    finally:
        connection.close()


def refused(engine, path, body):
    connection = Connection(engine.path)
    try:
        connection.request("PUT", path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["message"]
    finally:
        connection.close()


@contextmanager
def container(engine, *command, **body):
    """A container of busybox; without a command one that was never started."""
    made = engine.create(*(command or ("true",)), **{"Image": "files:1", **body})
    if command:
        engine.ok("POST", f"/containers/{made}/start")
    try:
        yield made
    finally:
        engine.call("DELETE", f"/containers/{made}?force=1")


@pytest.fixture(params=["running", "created"])
def target(engine, request):
    with container(engine, *(("sleep", "1000") if request.param == "running" else ())) as made:
        yield made


def members(engine, identity, path):
    status, data = engine.call("GET", f"/containers/{identity}/archive?path={path}")
    assert status == 200, data
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: (member, member.isreg() and archive.extractfile(member).read()) for member in archive}


def held(engine):
    """What an access to files needs: pipes, mount namespaces, directories, children, work directories of overlays.

    Not the sockets, and the network namespaces that the engine makes in advance.
    """
    proc = Path(f"/proc/{engine.process.pid}")
    kinds = Counter(
        link.partition("[")[0] for link in links_of(engine) if not link.startswith(("socket:", "net:", "anon_inode:"))
    )
    children = (proc / "task" / str(engine.process.pid) / "children").read_text().split()
    return kinds, children, {*layers_of(engine).glob("*/files-*"), *layers_of(engine).glob("*/parts/*/files-*")}


def links_of(engine):
    """What its descriptors are, as the kernel says it."""
    for fd in Path(f"/proc/{engine.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in this moment
            yield str(fd.readlink())


def layers_of(engine):
    """The directory of the run's writable layers, from its ledger, which the engine holds open."""
    ledger = next(Path(link) for link in links_of(engine) if link.endswith("/ledger"))
    lines = ledger.read_text().splitlines()
    return next(Path(line.partition(" ")[2]) for line in lines if line.startswith("directory "))


def left(engine, before):
    """What the engine holds and did not hold before; it lets go as soon as it has noticed, which nobody is told."""
    end = time.monotonic() + HANG
    while True:
        now = held(engine)
        more = [*(now[0] - before[0]), *({*now[1]} - {*before[1]}), *(now[2] - before[2])]
        if not more or time.monotonic() > end:
            return more
        time.sleep(0.05)


def test_what_goes_in_comes_out(engine, target):
    archive = Layer().directory("d", mode=0o2750).add("d/f", data=b"x" * 100_000, mode=0o4711).symlink("d/l", "../f")
    archive.hard_link("d/h", "d/f").add("d/p", tarfile.FIFOTYPE)
    upload(engine, "PUT", f"/containers/{target}/archive?path=/home", archive.bytes())
    found = members(engine, target, "/home/d")
    assert sorted(found) == ["d", "d/f", "d/h", "d/l", "d/p"]
    file, content = found["d/f"]
    assert (file.mode, file.mtime, content) == (0o4711, 1_600_000_000, b"x" * 100_000)
    assert (found["d/h"][0].linkname, found["d/l"][0].linkname) == ("d/f", "../f")
    assert (found["d"][0].mode, found["d"][0].mtime) == (0o2750, 1_600_000_000)


@pytest.mark.needs("other-users")
def test_owners_come_out_as_they_went_in(engine, target):
    upload(engine, "PUT", f"/containers/{target}/archive?path=/", Layer().add("f", uid=1000, gid=2000).bytes())
    file, _ = members(engine, target, "/f")["f"]
    assert (file.uid, file.gid) == (1000, 2000)


@pytest.mark.needs("other-users")
@pytest.mark.parametrize(("user", "expected"), [("app", (1000, 1000)), ("7:8", (7, 8)), ("", (5, 6))])
def test_the_containers_user_gets_them_where_asked(engine, user, expected):
    with container(engine, User=user) as made:
        upload(
            engine, "PUT", f"/containers/{made}/archive?path=/&copyUIDGID=true", Layer().add("f", uid=5, gid=6).bytes()
        )
        file, _ = members(engine, made, "/f")["f"]
        assert (file.uid, file.gid) == expected


def test_the_status_is_in_a_header(engine, target):
    upload(
        engine,
        "PUT",
        f"/containers/{target}/archive?path=/tmp",
        Layer().add("f", data=b"abc", mode=0o640).symlink("l", "../tmp/./f").bytes(),
    )

    def status(path):
        connection = Connection(engine.path)
        connection.request("HEAD", f"/v1.51/containers/{target}/archive?path={path}")
        answer = connection.getresponse()
        header = answer.getheader("X-Docker-Container-Path-Stat")
        connection.close()
        return answer.status, header and json.loads(base64.b64decode(header))

    assert status("/tmp/f") == (
        200,
        {"name": "f", "size": 3, "mode": 0o640, "mtime": "2020-09-13T12:26:40Z", "linkTarget": ""},
    )
    assert status("/tmp/l")[1]["linkTarget"] == "/tmp/f"
    assert status("/tmp/l")[1]["mode"] == 1 << 27 | 0o777
    assert status("/tmp/")[1]["mode"] == 1 << 31 | 1 << 20 | 0o777
    assert status("/nothing") == (404, None)
    assert status("") == (400, None)


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (Layer().add("../f"), 'invalid entry name "../f"'),
        (Layer().hard_link("h", "../etc/passwd"), 'invalid hardlink target "../etc/passwd"'),
        (Layer().add("f", b"Z"), "unhandled tar header type 90"),
        (Layer().symlink("s", "s").add("s/f"), "s"),
        (Layer().add("x" * 300), "longer than the 255 bytes"),
        (Layer().add("/".join("d" * 300)), "more than 256 deep"),
        (Layer().add("f", pax_headers={"SCHILY.xattr.user.x": "y" * (2 << 20)}), "header of"),
    ],
)
def test_hostile_archives_are_refused(engine, target, archive, said):
    status, message = refused(engine, f"/containers/{target}/archive?path=/home", archive.bytes())
    assert status == 500
    assert said in message


def test_links_in_an_archive_lead_nowhere_but_into_the_container(engine, target, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("untouched")
    up = "../" * 30
    archive = Layer().symlink("abs", str(tmp_path)).symlink("rel", f"{up}{tmp_path}")
    upload(engine, "PUT", f"/containers/{target}/archive?path=/home", archive.bytes())
    for name in ("abs", "rel"):
        upload_path = f"/containers/{target}/archive?path=/home/{name}"
        assert refused(engine, upload_path, Layer().add("secret").bytes())[0] == 404
        assert engine.call("GET", f"/containers/{target}/archive?path=/home/{name}/secret")[0] == 404
    assert secret.read_text() == "untouched"


def test_a_running_container_cannot_lead_the_engine_out(engine, tmp_path):
    """It exchanges a directory and a link to the machine's root as fast as it can, while archives go in and out."""
    (tmp_path / "marker").write_text("of the machine")
    script = f"""mkdir -p /w/real{tmp_path}; echo inside > /w/real{tmp_path}/marker; cd /w; ln -s /{"../" * 20} link
        while :; do mv -T real now 2>/dev/null; mv -T now real; mv -T link now; mv -T now link; done"""
    with container(engine, "sh", "-c", script) as made:
        for _ in range(30):
            status, data = engine.call("GET", f"/containers/{made}/archive?path=/w/now{tmp_path}/marker")
            assert status in {200, 404, 500}
            assert b"of the machine" not in (data if isinstance(data, bytes) else b"")
            refused_or_not = Connection(engine.path)
            body = Layer().add("marker", data=b"overwritten").bytes()
            refused_or_not.request("PUT", f"/containers/{made}/archive?path=/w/now{tmp_path}", body)
            assert refused_or_not.getresponse().status in {200, 404, 500}
            refused_or_not.close()
    assert (tmp_path / "marker").read_text() == "of the machine"


def test_proc_of_a_running_container_is_no_file_of_it(engine):
    with container(engine, "sleep", "1000") as made:
        assert [*members(engine, made, "/proc")] == ["proc"]
        names = {*members(engine, made, "/.")}
    assert {"./etc/passwd", "./bin/busybox", "./proc"} <= names
    assert not [name for name in names if name.startswith(("./proc/", "./sys/", "./dev/"))]


def test_binds_and_tmpfs_are_reached_and_their_rights_hold(engine, tmp_path):
    for name in ("rw", "ro"):
        (tmp_path / name).mkdir()
    binds = [f"{tmp_path}/rw:/rw", f"{tmp_path}/ro:/ro:ro"]
    archive = Layer().add("f", data=b"x").bytes()
    for command in (("sleep", "1000"), ()):
        with container(engine, *command, HostConfig={"Binds": binds, "Tmpfs": {"/t": ""}}) as made:
            upload(engine, "PUT", f"/containers/{made}/archive?path=/rw", archive)
            assert (tmp_path / "rw/f").read_bytes() == b"x"
            (tmp_path / "rw/f").unlink()
            where = f"/containers/{made}/archive?path=/ro"
            assert refused(engine, where, archive) == (400, "mounted volume is marked read-only")
            assert [*(tmp_path / "ro").iterdir()] == []
    with container(engine, "sleep", "1000", HostConfig={"Tmpfs": {"/t": ""}}) as made:
        upload(engine, "PUT", f"/containers/{made}/archive?path=/t", archive)
        assert members(engine, made, "/t/f")["f"][1] == b"x"


def test_named_volumes_are_reached_whether_it_runs_or_not(engine):
    archive = Layer().add("f", data=b"x").bytes()
    mounts = [
        {"Type": "volume", "Source": "files-vol", "Target": "/v"},
        {"Type": "volume", "Source": "files-tmpfs", "Target": "/t",
         "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}}},
        {"Type": "volume", "Source": "files-vol", "Target": "/ro", "ReadOnly": True},
    ]  # fmt: skip
    with container(engine, HostConfig={"Mounts": mounts}) as made:
        upload(engine, "PUT", f"/containers/{made}/archive?path=/v", archive)
        upload(engine, "PUT", f"/containers/{made}/archive?path=/t", archive)
        where = f"/containers/{made}/archive?path=/ro"
        assert refused(engine, where, archive) == (400, "mounted volume is marked read-only")
        with container(engine, "sleep", "1000", HostConfig={"Mounts": mounts}) as other:
            assert members(engine, other, "/v/f")["f"][1] == b"x"
            upload(engine, "PUT", f"/containers/{other}/archive?path=/t", archive)
            assert members(engine, made, "/t/f")["f"][1] == b"x"  # its tmpfs, as long as one uses it
            with tarfile.open(fileobj=io.BytesIO(engine.call("GET", f"/containers/{other}/export")[1])) as exported:
                assert not [name for name in exported.getnames() if name.startswith(("v/", "t/"))]
    for name in ("files-vol", "files-tmpfs"):
        engine.ok("DELETE", f"/volumes/{name}")


def test_a_read_only_root_is_refused_and_a_volume_in_it_is_not(engine, tmp_path):
    host = {"ReadonlyRootfs": True, "Binds": [f"{tmp_path}:/rw"]}
    archive = Layer().add("f").bytes()
    with container(engine, "sleep", "1000", HostConfig=host) as made:
        where = f"/containers/{made}/archive?path="
        assert refused(engine, where + "/home", archive) == (400, "container rootfs is marked read-only")
        upload(engine, "PUT", where + "/rw", archive)
        assert (tmp_path / "rw").exists() is False
        assert (tmp_path / "f").exists()


def test_what_was_put_before_the_start_is_there_after_it(engine):
    with container(engine) as made:
        upload(engine, "PUT", f"/containers/{made}/archive?path=/home", Layer().add("f", data=b"before").bytes())
        engine.ok("POST", f"/containers/{made}/start")
        engine.ok("POST", f"/containers/{made}/wait")
        upload(engine, "PUT", f"/containers/{made}/archive?path=/home", Layer().add("g", data=b"after").bytes())
        engine.ok("POST", f"/containers/{made}/start")
        engine.ok("POST", f"/containers/{made}/wait")
        found = members(engine, made, "/home")
        assert (found["home/f"][1], found["home/g"][1]) == (b"before", b"after")
        assert {"Path": "/home/f", "Kind": 1} in engine.ok("GET", f"/containers/{made}/changes")


def test_changes_of_a_directory_that_was_made_anew(engine):
    script = "rm -r /etc; mkdir /etc; echo x > /etc/new; echo y > /etc/group; rm /bin/vi; mkdir /wd; chmod 700 /var"
    with container(engine, "/bin/busybox", "sh", "-c", script, HostConfig={"NetworkMode": "none"}) as made:
        engine.ok("POST", f"/containers/{made}/wait")
        found = {one["Path"]: one["Kind"] for one in engine.ok("GET", f"/containers/{made}/changes")}
    assert {"/bin": 0, "/bin/vi": 2, "/wd": 1, "/var": 0}.items() <= found.items()


def test_export_has_the_root_and_no_mount(engine, tmp_path):
    (tmp_path / "of-the-machine").touch()
    for command in (("sleep", "1000"), ()):
        with container(engine, *command, HostConfig={"Binds": [f"{tmp_path}:/mnt"]}) as made:
            status, data = engine.call("GET", f"/containers/{made}/export")
            assert status == 200
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                names = archive.getnames()
            assert {"bin", "bin/busybox", "etc/passwd"} <= {*names}
            assert not [name for name in names if name.startswith(("proc/", "sys/", "mnt/", "/"))]


@pytest.mark.parametrize("pause", ["0", "1"])
def test_a_commit_is_an_image_with_the_changes(engine, pause):
    script = "echo new > /home/f; rm /etc/group; ln /home/f /home/g; sleep 1000"
    with container(engine, "sh", "-c", script, Labels={"from": "container"}) as made:
        end = time.monotonic() + HANG
        while engine.call("GET", f"/containers/{made}/archive?path=/home/g")[0] != 200 and time.monotonic() < end:
            time.sleep(0.02)
        answer = engine.ok(
            "POST",
            f"/commit?container={made}&repo=made&tag=1&author=me&comment=why&pause={pause}"
            "&changes=ENV%20A%3D1&changes=CMD%20%5B%22cat%22%2C%20%22/home/g%22%5D",
            {"User": "", "Labels": {"own": "yes"}},
        )
        assert engine.ok("GET", f"/containers/{made}/json")["State"]["Status"] == "running"
    image = engine.ok("GET", "/images/made:1/json")
    assert answer == {"Id": image["Id"]}
    assert (image["Author"], image["Comment"]) == ("me", "why")
    assert image["Config"]["Labels"] == {"from": "container", "own": "yes"}
    assert image["Config"]["Env"] == ["A=1"]
    assert len(image["RootFS"]["Layers"]) == 2
    one = engine.run(Image="made:1", Cmd=None)
    assert engine.ok("POST", f"/containers/{one}/wait")["StatusCode"] == 0
    assert engine.call("GET", f"/containers/{one}/logs?stdout=1")[1].endswith(b"new\n")
    assert engine.call("GET", f"/containers/{one}/archive?path=/etc/group")[0] == 404
    engine.ok("DELETE", f"/containers/{one}")
    engine.ok("DELETE", "/images/made:1")


def test_a_commit_without_changes_adds_no_layer(engine):
    with container(engine) as made:
        assert engine.ok("GET", f"/containers/{made}/changes") == b"null\n"
        answer = engine.ok("POST", f"/commit?container={made}")
    image = engine.ok("GET", f"/images/{answer['Id']}/json")
    assert len(image["RootFS"]["Layers"]) == 1
    engine.ok("DELETE", f"/images/{answer['Id']}")


@pytest.mark.parametrize(
    ("query", "body", "status", "said"),
    [
        ("container=", None, 400, "invalid name or ID"),
        ("container=nothing", None, 404, "No such container: nothing"),
        ("container=ID&changes=RUN%20x", None, 400, "RUN is not a valid change command"),
        ("container=ID&repo=UPPER", None, 400, "invalid reference format"),
        ("container=ID", {"Env": "x"}, 400, "Env"),
    ],
)
def test_a_commit_that_makes_no_sense(engine, query, body, status, said):
    with container(engine) as made:
        answer = engine.call("POST", f"/commit?{query.replace('ID', made)}", body)
    assert answer[0] == status
    assert said in answer[1]["message"]


def test_the_machine_itself_cannot_be_committed(engine):
    made = engine.create("true")
    status, answer = engine.call("POST", f"/commit?container={made}")
    engine.ok("DELETE", f"/containers/{made}")
    assert (status, "image host cannot be committed" in answer["message"]) == (501, True)


def test_events_say_what_was_done(engine):
    since = f"{time.time() - 0.001:.6f}"
    with container(engine) as made:
        upload(engine, "PUT", f"/containers/{made}/archive?path=/home", Layer().add("f").bytes())
        members(engine, made, "/home")
        engine.call("GET", f"/containers/{made}/export")
        image = engine.ok("POST", f"/commit?container={made}&repo=made&tag=2")["Id"]
    engine.ok("DELETE", "/images/made:2")
    connection = Connection(engine.path)
    connection.request("GET", f"/events?since={since}&until={time.time():.6f}")
    lines = [json.loads(line) for line in connection.getresponse().read().splitlines()]
    connection.close()
    mine = [one for one in lines if one["Actor"]["ID"] == made]
    actions = [one["Action"] for one in mine]
    assert [one for one in actions if one not in {"create", "destroy"}] == [
        "extract-to-dir",
        "archive-path",
        "export",
        "commit",
    ]
    attributes = next(one for one in mine if one["Action"] == "commit")["Actor"]["Attributes"]
    assert (attributes["imageID"], attributes["imageRef"]) == (image, "made:2")
    assert [one["Action"] for one in lines if one["Actor"]["ID"] == image][:2] == ["create", "tag"]


# --- clients that go, and what is left --------------------------------------------------------------------------------


def begin(engine, method, path, *headers):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(HANG)
    connection.connect(str(engine.path))
    connection.sendall("\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode())
    return connection


def test_a_client_that_goes_while_it_reads(engine, target):
    upload(engine, "PUT", f"/containers/{target}/archive?path=/home", Layer().add("big", data=bytes(8 << 20)).bytes())
    before = held(engine)
    for path in ("archive?path=/home", "export"):
        connection = begin(engine, "GET", f"/containers/{target}/{path}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.close()
    assert left(engine, before) == []
    engine.ok("GET", f"/containers/{target}/json")
    assert members(engine, target, "/home/big")["big"][1] == bytes(8 << 20)  # and nothing keeps it locked


def test_a_client_that_goes_while_it_writes(engine, target):
    before = held(engine)
    head = Layer().add("big", data=bytes(8 << 20)).bytes()[:300_000]
    for _ in range(3):
        connection = begin(
            engine, "PUT", f"/containers/{target}/archive?path=/home", f"Content-Length: {len(head) * 100}"
        )
        connection.sendall(head)
        connection.close()
    assert left(engine, before) == []
    upload(engine, "PUT", f"/containers/{target}/archive?path=/home", Layer().add("f").bytes())


def test_a_container_is_removed_under_a_reader(engine):
    with container(engine, "sleep", "1000") as made:
        upload(engine, "PUT", f"/containers/{made}/archive?path=/home", Layer().add("big", data=bytes(8 << 20)).bytes())
        engine.ok("POST", f"/containers/{made}/kill")
        before = held(engine)
        connection = begin(engine, "GET", f"/containers/{made}/archive?path=/home", "Connection: close")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        engine.ok("DELETE", f"/containers/{made}")
        while connection.recv(1 << 20):
            pass
        connection.close()
        assert left(engine, before) == []


def test_memory_stays_bounded(engine, target):
    """64 MiB each way, read slowly; the engine's memory does not grow by a quarter of that."""
    size = 64 << 20
    path = Path(f"/proc/{engine.process.pid}/status")

    def resident():
        return next(int(line.split()[1]) << 10 for line in path.read_text().splitlines() if line.startswith("VmHWM"))

    class Slow(io.BytesIO):
        def read(self, count=-1):
            return super().read(min(count, 1 << 16) if count > 0 else 1 << 16)

    before = resident()
    info = tarfile.TarInfo("big")
    info.size = size
    padding = bytes(1024)
    upload(engine, "PUT", f"/containers/{target}/archive?path=/home", Slow(info.tobuf() + bytes(size) + padding))
    connection = begin(engine, "GET", f"/containers/{target}/archive?path=/home/big")
    total = 0
    while total < size:
        total += len(connection.recv(1 << 16))
    connection.close()
    assert resident() - before < size // 4


def test_many_at_once(engine, target):
    before = held(engine)
    failures = []

    def one(number):
        try:
            name = f"f{number}"
            body = Layer().add(name, data=b"x" * 50_000).bytes()
            upload(engine, "PUT", f"/containers/{target}/archive?path=/home", body)
            assert members(engine, target, f"/home/{name}")[name][1] == b"x" * 50_000
        except (OSError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    assert failures == []
    assert left(engine, before) == []


def test_an_engine_that_ends_in_the_middle_leaves_nothing(tmp_path):
    with started(tmp_path) as engine:
        made = engine.create("true")
        connection = begin(engine, "GET", f"/containers/{made}/archive?path=/usr/bin")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    connection.close()
