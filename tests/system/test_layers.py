"""What a layer becomes on disk, seen through a real overlay mount; and archives that want out."""

import io
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from container_runtime.errors import EngineError
from container_runtime.images.extract import extract_layer
from container_runtime.images.merged import MergedView
from container_runtime.images.store import ImageStore
from container_runtime.images.tarstream import BadArchive
from tests.registry import Layer


def unpack(layer: Layer, target: Path, below: tuple[Path, ...] = ()) -> Path:
    """``below``: top first."""
    target.mkdir()
    view = MergedView(tuple(map(str, below)))
    extract_layer(io.BytesIO(layer.bytes()), target, lower=view.lstat if below else lambda _: None)
    return target


def merged(lowers: tuple[str | Path, ...], script: str, tmp_path: Path) -> str:
    """What ``script`` prints in a directory where these layers, top first, are mounted as one; in a mount namespace."""
    point = tmp_path / "merged"
    for name in ("merged", "upper", "work"):
        (tmp_path / name).mkdir(exist_ok=True)
    options = f"lowerdir={':'.join(map(str, lowers))},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    program = f"mount -t overlay overlay -o {options} {point} && cd {point} && {script}"
    done = subprocess.run(["unshare", "-m", "sh", "-ec", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_deletions_are_seen_through_a_mount(tmp_path: Path) -> None:
    lower = Layer().add("etc/keep", data=b"k").add("etc/gone").add("var/a/b").add("var/c").add("opt/old/f").add("f")
    upper = (
        Layer()
        .add("etc/.wh.gone")
        .add("var/.wh..wh..opq")
        .add("var/new")
        # Deleted and made again by the same layer, in both orders: only what this layer has is there.
        .add("opt/.wh.old")
        .add("opt/old/n")
        .add(".wh..wh.plnk")
        .add(".wh.f")
        .add("f", data=b"again")
    )
    first = unpack(lower, tmp_path / "1")
    second = unpack(upper, tmp_path / "2", (first,))
    found = merged((second, first), "find . | sort", tmp_path).split()
    assert found == [".", "./etc", "./etc/keep", "./f", "./opt", "./opt/old", "./opt/old/n", "./var", "./var/new"]
    view = MergedView((str(second), str(first)))
    assert view.read("/etc/keep", 10) == b"k"
    assert view.read("f", 10) == b"again"
    for path in ("etc/gone", "var/c", "var/a/b", "opt/old/f"):
        assert view.lstat(path) is None


def test_a_whiteout_after_the_directory_hides_only_what_is_below(tmp_path: Path) -> None:
    first = unpack(Layer().add("d/old"), tmp_path / "1")
    second = unpack(Layer().add("d/new").add(".wh.d"), tmp_path / "2", (first,))
    assert merged((second, first), "ls d", tmp_path).split() == ["new"]


def test_a_parent_that_the_layer_does_not_mention_keeps_owner_and_mode(tmp_path: Path) -> None:
    first = unpack(Layer().directory("tmp", mode=0o1777, uid=7, gid=8).directory("tmp/in", mode=0o700), tmp_path / "1")
    second = unpack(Layer().add("tmp/in/f"), tmp_path / "2", (first,))
    shown = merged((second, first), "stat -c '%a %u %g' tmp tmp/in", tmp_path)
    assert shown.splitlines() == ["1777 7 8", "700 0 0"]


def test_owners_devices_and_capabilities(tmp_path: Path) -> None:
    capability = b"\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"  # cap_net_bind_service+ep, capability.h revision 2
    headers = {"SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape")}
    layer = Layer().add("f", data=b"x", uid=1000, gid=2000, mode=0o6755, pax_headers=headers)
    layer.device("null", 1, 3).device("disk", 8, 1, tarfile.BLKTYPE).symlink("s", "f", uid=5)
    tree = unpack(layer, tmp_path / "1")
    status = (tree / "f").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 2000, 0o6755)
    assert os.getxattr(tree / "f", "security.capability") == capability
    assert (tree / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK((tree / "disk").stat().st_mode)
    assert (tree / "s").lstat().st_uid == 5


def hostile_layers(outside: Path) -> dict[str, Layer]:
    up = "../" * 20
    return {
        "dots": Layer().add(f"{up}{outside}/f", data=b"out"),
        "absolute": Layer().add(f"{outside}/f", data=b"out"),
        "link then write": Layer().symlink("l", str(outside)).add("l/f", data=b"out"),
        "relative link then write": Layer().symlink("l", f"{up}{outside}").add("l/f", data=b"out"),
        "chain of links": Layer().symlink("a", "..").symlink("b", f"a{outside}").add("b/f", data=b"out"),
        "link replaced by a file": Layer().symlink("f", f"{outside}/victim").add("f", data=b"out"),
        "hard link outside": Layer().hard_link("h", f"{outside}/victim").add("h", data=b"out"),
        "hard link up": Layer().hard_link("h", f"{up}{outside}/victim"),
        "hard link through a link": Layer().symlink("l", str(outside)).hard_link("h", "l/victim"),
        "hard link to a link, then write": Layer().symlink("l", f"{outside}/victim").hard_link("h", "l").add("h"),
        "directory over a link": Layer().symlink("l", str(outside)).directory("l", mode=0o777).add("l/f"),
        "whiteout through a link": Layer().symlink("l", str(outside)).add("l/.wh.victim"),
        "opaque through a link": Layer().symlink("l", str(outside)).add("l/.wh..wh..opq"),
        "whiteout of the parent": Layer().add("a/.wh..."),
        "whiteout of itself": Layer().add("a/.wh.."),
        "nothing but a whiteout prefix": Layer().add("a/.wh."),
        "device through a link": Layer().symlink("l", str(outside)).device("l/f", 1, 3),
        "proc": Layer().symlink("l", "/proc/self/root").add(f"l{outside}/f", data=b"out"),
        "link to itself": Layer().symlink("l", "l").add("l/f"),
        "hard link to itself": Layer().hard_link("h", "h"),
        "file as a parent": Layer().add("f").add("f/g"),
        "the root as a file": Layer().add(".", data=b"x").add("/").symlink("..", str(outside)).add("f"),
        "the root as a link": Layer().symlink("./", str(outside)).add("f", data=b"out"),
        "very deep": Layer().add("d/" * 1500 + "f"),
        "long name": Layer().add("n" * 300),
    }


@pytest.mark.parametrize("case", hostile_layers(Path()))
def test_hostile_archives_stay_inside(case: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o750)
    (outside / "victim").write_text("untouched")
    before = outside.stat()
    with suppress(BadArchive):
        unpack(hostile_layers(outside)[case], tmp_path / "layer")
    assert [path.name for path in outside.iterdir()] == ["victim"]
    assert (outside / "victim").read_text() == "untouched"
    assert (outside / "victim").stat().st_nlink == 1
    assert outside.stat() == before or outside.stat().st_mtime_ns == before.st_mtime_ns
    assert os.listxattr(outside) == []


def test_links_across_layers_are_followed_inside_the_image(tmp_path: Path) -> None:
    first = unpack(Layer().add("usr/lib/os-release", data=b"ID=x").symlink("etc/up", "../../../../usr"), tmp_path / "1")
    second = unpack(Layer().symlink("etc/os-release", "/etc/up/lib/os-release").symlink("loop", "loop"), tmp_path / "2")
    view = MergedView((str(second), str(first)))
    assert view.read("/etc/os-release", 100) == b"ID=x"
    assert view.read("/../etc/up/../usr/lib/os-release", 100) == b"ID=x"
    assert view.read("/loop", 100) is None
    assert view.read("/etc", 100) is None
    assert view.read("/etc/os-release/x", 100) is None
    with pytest.raises(ValueError, match="more than 2 bytes"):
        view.read("/etc/os-release", 2)


# The image host


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home directory with secrets. Not below /tmp, which is hidden as a whole."""
    home = Path("/root") / f".pytest-containers-test-{os.getpid()}"
    monkeypatch.setenv("HOME", str(home))
    (home / ".ssh").mkdir(parents=True)
    home.chmod(0o711)
    (home / ".ssh").chmod(0o700)
    (home / ".config/gcloud").mkdir(parents=True)
    (home / ".npmrc").symlink_to("real-npmrc")
    for name in (".ssh/id_rsa", ".netrc", ".config/gcloud/key", ".config/other", "real-npmrc"):
        (home / name).write_text(name)
    yield home
    shutil.rmtree(home)


@pytest.fixture
def data() -> Iterator[Path]:
    data = Path("/var/lib") / f"pytest-containers-test-{os.getpid()}"
    data.mkdir()
    (data / "content").write_text("of an engine")
    yield data
    shutil.rmtree(data)


def host_layers(data: Path) -> tuple[str, ...]:
    store = ImageStore(data)
    lowers = store.lower_directories(store.get("host"))
    assert store.lower_directories(store.get("host:latest")) == lowers
    store.close()
    return lowers


@pytest.fixture
def lowers(home: Path, data: Path) -> Iterator[tuple[str, ...]]:  # noqa: ARG001  home has to be there first
    lowers = host_layers(data)
    yield lowers
    shutil.rmtree(lowers[0], ignore_errors=True)


def test_host_hides_kernel_engines_and_secrets(home: Path, data: Path, lowers: tuple[str, ...], tmp_path: Path) -> None:
    assert lowers[1] == "/"
    script = f"find .{home} | sort; echo ---; for d in proc sys dev run tmp .{data}; do ls -A $d; done"
    files, emptied = merged(lowers, script, tmp_path).split("---\n")
    assert [line.removeprefix(f".{home}") for line in files.split()] == [
        "", "/.config", "/.config/gcloud", "/.config/other", "/.ssh"
    ]  # fmt: skip
    assert emptied == ""


def test_host_shows_directories_with_their_own_modes(home: Path, lowers: tuple[str, ...], tmp_path: Path) -> None:
    paths = ["root", f"root/{home.name}", f"root/{home.name}/.ssh", ".", "var", "var/lib", "run"]
    script = "; ".join(f"stat -c '%a %u %g' {path}" for path in ["tmp", *paths])
    expected = [Path("/", path).stat() for path in paths]
    assert merged(lowers, script, tmp_path).splitlines() == [
        "1777 0 0",
        *(f"{stat.S_IMODE(each.st_mode):o} {each.st_uid} {each.st_gid}" for each in expected),
    ]


def test_a_secret_that_comes_later_is_hidden_and_a_container_may_make_its_own(
    home: Path, lowers: tuple[str, ...], tmp_path: Path
) -> None:
    (home / ".pypirc").write_text("secret")
    path = f".{home}/.pypirc"
    assert merged(lowers, f"cat {path} 2>/dev/null || echo mine > {path}; cat {path}", tmp_path) == "mine\n"
    assert (home / ".pypirc").read_text() == "secret"


def test_files_of_host_are_read_without_what_is_hidden(home: Path, data: Path, lowers: tuple[str, ...]) -> None:
    store = ImageStore(data)
    image = store.get("host")
    assert store.lower_directories(image) == lowers
    assert store.read_file(image, f"{home}/.ssh/id_rsa", 100) is None
    assert store.read_file(image, f"{home}/.config/other", 100) == b".config/other"
    assert store.read_file(image, "/etc/passwd", 1 << 20) == Path("/etc/passwd").read_bytes()
    assert store.read_file(image, "/proc/self/environ", 1 << 20) is None
    with pytest.raises(EngineError, match="more than 1 bytes"):
        store.read_file(image, "/etc/passwd", 1)


def test_the_hiding_layer_is_made_anew_when_a_mode_changes(home: Path, data: Path, lowers: tuple[str, ...]) -> None:
    assert host_layers(data) == lowers
    home.chmod(0o755)
    changed = host_layers(data)
    assert changed != lowers
    shutil.rmtree(changed[0])


def test_host_has_the_engines_path_without_relative_entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/opt/own/bin:relative:/usr/bin:")
    config = ImageStore(tmp_path).get("host").config
    assert config["Env"] == ["PATH=/opt/own/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"]
    assert config["Cmd"] == ["/bin/sh"]


def test_host_cannot_be_removed_replaced_or_renamed(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    for attempt in (
        lambda: store.remove("host", force=True),
        lambda: store.tag("host", "x"),
        lambda: store.import_tar(io.BytesIO(Layer().add("f").bytes()), "host"),
    ):
        with pytest.raises(EngineError, match="host"):
            attempt()
    assert store.pull("host").id == store.get("host").id
    assert [image.repo_tags for image in store.list()] == [("host:latest",)]
    store.lease(store.get("host").id, "container")
    store.release("container")
    store.close()
