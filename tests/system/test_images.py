"""Images from a real registry: pulled, stored, shared, removed; and what a person is told when it does not work."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from container_runtime.errors import Conflict, EngineError, InvalidParameter, NotFound, Unauthorized, Unavailable
from container_runtime.images.store import ImageStore
from tests.registry import ARCHITECTURE, Layer, Registry, busybox_layer, write_layout


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    store = ImageStore(tmp_path / "data")
    yield store
    store.close()


def files(store_root: Path) -> set[str]:
    """What a store holds, without its lock."""
    found = {str(path.relative_to(store_root)) for path in store_root.rglob("*") if not path.is_dir()}
    return found - {"images/lock", "images/index.json"}


def nothing_half_made(root: Path) -> None:
    assert list(root.glob("**/sessions/*/temporary/*")) == []
    assert [path.name for path in root.rglob(".*")] == []


def content_of(store: ImageStore, name: str, path: str) -> bytes | None:
    return store.read_file(store.get(name), path, 1 << 20)


def test_a_pulled_image_runs(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    name = registry.push_busybox("tool", {"Cmd": ["echo", "hi"], "Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}})
    lines: list[dict[str, Any]] = []
    image = store.pull(name, progress=lines.append)
    assert image.repo_tags == (name,)
    assert image.repo_digests[0].startswith(f"{registry.address}/tool@sha256:")
    assert (image.os, image.architecture, image.created) == ("linux", ARCHITECTURE, "2024-01-02T03:04:05Z")
    assert image.config == {"Cmd": ["echo", "hi"], "Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}}
    assert len(image.diff_ids) == len(image.history) == 1
    statuses = [line["status"] for line in lines]
    assert statuses[0] == "Pulling from tool"
    assert {"Pulling fs layer", "Download complete", "Extracting", "Pull complete"} < set(statuses)
    assert statuses[-1] == f"Status: Downloaded newer image for {name}"
    assert all(json.dumps(line) for line in lines)
    (lower,) = store.lower_directories(image)
    done = subprocess.run(
        ["chroot", lower, "/bin/sh", "-c", "id -un; ls /"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["root", "bin", "etc", "home", "root", "tmp", "var"]
    lines.clear()
    assert store.pull(name, progress=lines.append) == image
    assert lines[-1]["status"] == f"Status: Image is up to date for {name}"
    nothing_half_made(tmp_path)


@pytest.mark.parametrize("options", [
    ("--dest-compress-format", "zstd"),
    ("--dest-compress-format", "gzip"),
    ("--format", "v2s2"),
    ("--dest-decompress",),
])  # fmt: skip
def test_every_form_of_a_layer(registry: Registry, store: ImageStore, options: tuple[str, ...], tmp_path: Path) -> None:
    layers = [Layer().add("f", data=b"1").add("g").bytes(), Layer().add("f", data=b"2").add(".wh.g").bytes()]
    write_layout(tmp_path / "layout", layers)
    repository = "form-" + options[-1].strip("-")
    if options == ("--dest-decompress",):  # for a directory only: the registry gets what is plain there
        subprocess.run(
            ["skopeo", "copy", "--insecure-policy", *options, f"oci:{tmp_path}/layout:latest", f"dir:{tmp_path}/plain"],
            check=True, capture_output=True,
        )  # fmt: skip
        name = registry.name(repository)
        subprocess.run(
            ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--preserve-digests",
             f"dir:{tmp_path}/plain", f"docker://{name}"], check=True, capture_output=True,
        )  # fmt: skip
    else:
        name = registry.push_layout(tmp_path / "layout", repository, *options)
    image = store.pull(name)
    assert store.read_file(image, "/f", 10) == b"2"
    assert store.read_file(image, "/g", 10) is None
    kinds = json.loads(registry_manifest(registry, repository))["layers"]
    expected = {"zstd": "tar+zstd", "gzip": "gzip", "v2s2": "rootfs.diff.tar", "--dest-decompress": "layer.v1.tar"}
    assert all(expected[options[-1]] in layer["mediaType"] for layer in kinds)


def registry_manifest(registry: Registry, repository: str) -> bytes:
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.name(repository)}"],
        capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_an_image_that_umoci_made(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    """A foreign builder's archives, with a removal and a second layer."""
    layout, bundle = f"{tmp_path}/oci", f"{tmp_path}/bundle"

    def umoci(*arguments: str) -> None:
        subprocess.run(["umoci", *arguments], check=True, capture_output=True)

    umoci("init", "--layout", layout)
    umoci("new", "--image", f"{layout}:latest")
    umoci("unpack", "--image", f"{layout}:latest", bundle)
    root = Path(bundle, "rootfs")
    (root / "etc").mkdir()
    (root / "etc/first").write_text("1")
    (root / "etc/both").write_text("1")
    umoci("repack", "--refresh-bundle", "--image", f"{layout}:latest", bundle)
    (root / "etc/first").unlink()
    (root / "etc/both").write_text("2")
    umoci("repack", "--image", f"{layout}:latest", bundle)
    umoci("config", "--image", f"{layout}:latest", "--config.cmd", "/bin/true", "--config.user", "7:8")
    image = store.pull(registry.push_layout(Path(layout), "umoci"))
    assert (image.config["Cmd"], image.config["User"], len(image.diff_ids)) == (["/bin/true"], "7:8", 2)
    assert store.read_file(image, "/etc/both", 10) == b"2"
    assert store.read_file(image, "/etc/first", 10) is None


def test_the_machines_platform_is_chosen(registry: Registry, store: ImageStore) -> None:
    foreign = "arm64" if ARCHITECTURE == "amd64" else "amd64"
    entries = []
    for architecture in (foreign, ARCHITECTURE):
        layers = [Layer().add("arch", data=architecture.encode()).bytes()]
        registry.push("multi", layers, architecture=architecture)
        raw = registry_manifest(registry, "multi")
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        kind = json.loads(raw)["mediaType"]
        platform = {"os": "linux", "architecture": architecture}
        entries.append({"mediaType": kind, "size": len(raw), "digest": digest, "platform": platform})
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": entries,
    }
    name = registry.put_manifest("multi", "list", index)
    image = store.pull(name)
    assert image.architecture == ARCHITECTURE
    assert store.read_file(image, "/arch", 10) == ARCHITECTURE.encode()
    other = store.pull(name, platform=f"linux/{foreign}")
    assert (other.architecture, store.get(name).id) == (foreign, other.id)
    with pytest.raises(NotFound, match=r"no matching manifest for linux/s390x .* it has linux/amd64, linux/arm64"):
        store.pull(name, platform="linux/s390x")
    with pytest.raises(NotFound, match="does not match the specified platform"):
        store.pull(name.replace(":list", ":latest"), platform="linux/s390x")
    by_digest = f"{registry.address}/multi@{entries[1]['digest']}"
    assert store.pull(by_digest).id == image.id
    assert store.get(by_digest).id == image.id


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_corrupted_layer_is_refused(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    name = registry.push("corrupt", [Layer().add("f", data=b"good" * 5000).bytes(), Layer().add("g").bytes()])
    layer = json.loads(registry_manifest(registry, "corrupt"))["layers"][0]
    damage(registry.blob(layer["digest"]))
    with pytest.raises(EngineError, match=rf"blob {layer['digest']} from {registry.address} is corrupt"):
        store.pull(name)
    assert [image.repo_tags for image in store.list()] == [("host:latest",)]
    nothing_half_made(tmp_path)
    assert not list((tmp_path / "data/images/layers").glob("*"))


def test_a_layer_that_is_not_what_the_configuration_says_is_refused(
    registry: Registry, store: ImageStore, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    write_layout(layout, [Layer().add("f").bytes()], diff_ids=["sha256:" + "0" * 64])
    with pytest.raises(EngineError, match="is corrupt: unpacked it is"):
        store.pull(registry.push_layout(layout, "liar", "--preserve-digests"))
    nothing_half_made(tmp_path / "data")


def test_what_a_person_is_told(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    registry.push("there", [Layer().add("f").bytes()])
    with pytest.raises(NotFound, match="manifest unknown on registry"):
        store.pull(registry.name("there:nosuchtag"))
    with pytest.raises(NotFound, match=r"manifest for .*/nosuch:latest not found: manifest unknown"):
        store.pull(registry.name("nosuch"))
    with Registry() as gone:
        pass
    with pytest.raises(Unavailable, match=rf"cannot reach registry {gone.address}: Connection refused; is it running"):
        store.pull(gone.name("x"))
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        store.pull("Not A Name")
    with pytest.raises(NotFound, match="No such image: nosuch"):
        store.get("nosuch")
    assert files(tmp_path / "data") == set()


def test_a_password_is_asked_for_and_accepted(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Registry(password=True) as closed:
        assert closed.credentials is not None
        user, password = closed.credentials
        name = closed.push("private", [Layer().add("f", data=b"x").bytes()])
        with pytest.raises(NotFound, match="pull access denied"):
            store.pull(name)
        with pytest.raises(Unauthorized, match="pull access denied"):
            store.pull(name, auth={"username": user, "password": "wrong"})
        image = store.pull(name, auth={"username": user, "password": password})
        assert store.read_file(image, "f", 10) == b"x"


def test_a_mirror_serves_docker_hub_names(
    registry: Registry, store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("library/mirrored", [Layer().add("f").bytes()])
    monkeypatch.setenv("PYTEST_CONTAINERS_REGISTRY_MIRROR", registry.address)
    assert store.pull("mirrored").repo_tags == ("mirrored:latest",)
    assert store.get("docker.io/library/mirrored:latest").repo_tags == ("mirrored:latest",)


def test_two_pulls_at_once_fetch_a_shared_layer_once(registry: Registry, tmp_path: Path) -> None:
    base = busybox_layer().bytes()
    names = [registry.push(f"shared{n}", [base, Layer().add(f"f{n}").bytes()]) for n in range(3)]
    lines: list[dict[str, Any]] = []
    stores = [ImageStore(tmp_path / "data") for _ in range(6)]
    errors: list[BaseException] = []

    def work(store: ImageStore, name: str) -> None:
        try:
            store.pull(name, progress=lines.append)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(each, names[n % 3])) for n, each in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(line["status"] == "Pull complete" for line in lines) == 4
    assert {tag for image in stores[0].list() for tag in image.repo_tags} == {"host:latest", *names}
    for each in stores:
        each.close()
    assert list((tmp_path / "data/images/locks").iterdir()) == []
    assert list((tmp_path / "data/images/sessions").iterdir()) == []


def test_names_ids_and_removal(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    base = Layer().add("base", data=b"b").bytes()
    first = store.pull(registry.push("one", [base, Layer().add("one").bytes()]))
    second = store.pull(registry.push("two", [base, Layer().add("two").bytes()]))
    assert store.get(first.id) == store.get(first.id[7:]) == store.get(first.id[7:19]) == first
    store.tag(first.id[7:19], "other/name:v1")
    assert store.get("other/name:v1").repo_tags == tuple(sorted([*first.repo_tags, "other/name:v1"]))
    with pytest.raises(Conflict, match="must be forced"):
        store.remove(first.id)
    assert store.remove("other/name:v1") == [{"Untagged": "other/name:v1"}]
    with pytest.raises(NotFound, match="No such image: other/name:v1"):
        store.remove("other/name:v1")
    answers = store.remove(first.repo_tags[0])
    assert {"Untagged": first.repo_tags[0]} in answers
    assert {"Deleted": first.id} in answers
    assert len([answer for answer in answers if "Deleted" in answer]) == 2, "the shared layer stays"
    assert store.read_file(second, "base", 10) == b"b"
    store.remove(second.id[7:19])
    assert {path for path in files(tmp_path / "data") if not path.startswith("images/sessions/")} == set()


def test_an_image_in_use_by_any_engine_stays(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    image = store.pull(registry.push("used", [Layer().add("f").bytes()]))
    other = ImageStore(tmp_path / "data")
    other.lease(image.id, "container-1")
    other.lease(image.id, "container-2")
    other.release("container-1")
    for force in (False, True):
        with pytest.raises(Conflict, match="image is being used by a container"):
            store.remove(image.id, force=force)
    other.release("container-2")
    other.close()
    store.remove(image.id)
    with pytest.raises(NotFound, match="No such image"):
        store.lease(image.id, "container-3")


def test_import_of_a_root_filesystem(store: ImageStore, tmp_path: Path) -> None:
    archive = tmp_path / "root.tar"
    archive.write_bytes(busybox_layer().bytes())
    for packer, ending in (("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")):
        subprocess.run([packer, "-qk", str(archive)], check=True)
        with Path(f"{archive}.{ending}").open("rb") as stream:
            image = store.import_tar(stream, f"imported:{ending}", "made here", ['CMD ["sh"]', "ENV A=1"])
        assert image.repo_tags == (f"imported:{ending}",)
        assert (image.config, image.comment) == ({"Cmd": ["sh"], "Env": ["A=1"]}, "made here")
        assert content_of(store, f"imported:{ending}", "/etc/passwd") is not None
    assert len({image.diff_ids for image in store.list() if image.diff_ids}) == 1
    with (tmp_path / "root.tar.gz").open("rb") as stream:
        stream.seek(1000)
        with pytest.raises(InvalidParameter, match="cannot import x:latest: it is not a tar archive"):
            store.import_tar(stream, "x")
    nothing_half_made(tmp_path / "data")


FULL = """
import sys
from pathlib import Path
from container_runtime.errors import EngineError
from container_runtime.images.store import ImageStore
store = ImageStore(Path(sys.argv[1]))
try:
    store.pull(sys.argv[2])
except EngineError as error:
    print(error)
print([str(p) for p in Path(sys.argv[1]).glob("images/sessions/*/temporary/*")])
print([i.repo_tags for i in store.list()])
store.close()
"""


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    name = registry.push_busybox("large")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=2000k none "$1"; exec "$2" -c "$3" "$1/data" "$4"', "sh",
         str(tmp_path), sys.executable, FULL, name], capture_output=True, text=True,
    )  # fmt: skip
    line, half_made, images = done.stdout.splitlines()
    assert line == (
        f"cannot store image {name} in {tmp_path}/data/images: No space left on device; free some space there, or set "
        "PYTEST_CONTAINERS_DATA to a directory with more"
    )
    assert (half_made, images) == ("[]", "[('host:latest',)]")
