"""The image ``host``: the machine's own root directory, below a layer that hides what is not for containers.

Hidden are the kernel's and the engines' directories and the secrets of home directories. One such layer serves every
container of the user; it is made anew only when what it has to hide looks different. It has to lie on another
filesystem than ``/`` (below it, overlayfs refuses: ELOOP, "overlapping lowerdir path"), so on a tmpfs; it takes a few
inodes and some 5 ms to make.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from container_runtime.errors import EngineError
from container_runtime.images.files import opaque_attribute, remove_tree, storage_errors
from container_runtime.images.model import MACHINES, Image, image_of, sha256
from container_runtime.kernel import userns
from container_runtime.state.paths import data_home, private_directory, runtime_home

NAME = "docker.io/library/host:latest"
_FORMAT = 1  # to be raised when a layer made by an earlier version would not do

_EMPTIED = ("/proc", "/sys", "/dev", "/run", "/tmp")  # noqa: S108  hidden, not used
_ENGINES = ("/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/pytest-containers")
_SECRETS = (".ssh", ".gnupg", ".aws", ".kube", ".docker", ".azure", ".config/gcloud", ".netrc", ".pypirc",
            ".git-credentials", ".npmrc")  # fmt: skip
_FIRST_PERSON = 1000  # login.defs(5), UID_MIN: below it are the system's own users
_STANDARD_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Hidden(NamedTuple):
    """One entry of the layer: ``passed`` is a directory on the way, ``empty`` an opaque one, ``absent`` a whiteout."""

    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0


def image(environment_path: str) -> Image:
    """The image ``host``; ``environment_path`` is the engine's own PATH, so that its containers find what it finds."""
    machine, variant = MACHINES.get(os.uname().machine, (os.uname().machine, ""))
    entries = [entry for entry in environment_path.split(":") if entry.startswith("/")]
    config: dict[str, Any] = {
        "architecture": machine,
        "os": "linux",
        **({"variant": variant} if variant else {}),
        "config": {"Env": ["PATH=" + ":".join(dict.fromkeys([*entries, *_STANDARD_PATH]))], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": []},
        "comment": "this machine's own root filesystem",
    }
    identity = sha256(json.dumps(config, sort_keys=True).encode())
    return image_of(identity, config, tags=["host:latest"], digests=[], size=0)


def layer(own: tuple[Path, ...]) -> Path:
    """The layer's directory, made where it is not there; ``own`` are directories of this engine.

    Raises:
        EngineError: there is no filesystem for it, or it refused.
    """
    entries = plan(own)
    base = place()
    path = base / f"host-{key(entries)[7:39]}"
    if path.is_dir():
        return path
    made = base / f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with storage_errors("the layer of image host", base):
            made.mkdir(mode=0o700)
            build(entries, made)
            # Fails only where another engine has made the same in the meantime.
            try:
                made.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
        return path
    finally:
        remove_tree(made)


def place() -> Path:
    """A directory of the user on another filesystem than ``/``."""
    root = Path("/").stat().st_dev
    candidates = (runtime_home, lambda: private_directory(Path(f"/dev/shm/pytest-containers-{userns.outer_user()}")))  # noqa: S108
    for candidate in candidates:
        with suppress(EngineError):
            path = candidate()
            if path.stat().st_dev != root:
                return path
    raise EngineError(
        "the image host needs a directory on another filesystem than /, and neither /run nor /dev/shm is one: mount a "
        "tmpfs on /dev/shm, or set XDG_RUNTIME_DIR to a directory on a tmpfs"
    )


def plan(own: tuple[Path, ...]) -> dict[str, Hidden]:
    """What the layer has to contain, by path without the leading slash; ``own`` are directories of this engine."""
    entries: dict[str, Hidden] = {}
    for path in _EMPTIED:
        _hide(entries, path, always_directory=True)
    with suppress(EngineError):
        own = (*own, runtime_home())
    for path in (*_ENGINES, str(data_home()), *map(str, own)):
        _hide(entries, path)
    for home, wanted in _homes().items():
        if wanted or any(os.path.lexists(f"{home}/{secret}") for secret in _SECRETS):
            for secret in _SECRETS:
                _hide(entries, f"{home}/{secret}")
    return entries


def key(entries: dict[str, Hidden]) -> str:
    """A name for the layer: the same for the same entries, ``sha256:…``."""
    content = json.dumps([_FORMAT, sorted(entries.items())])
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def build(entries: dict[str, Hidden], directory: Path) -> None:
    """Make the layer's tree in the empty ``directory``.

    Raises:
        OSError: the filesystem refused.
    """
    _imitate(directory, Path("/").lstat())
    for name, entry in sorted(entries.items()):  # parents sort before what is in them
        path = directory / name
        if entry.kind == "absent":
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
            continue
        path.mkdir()
        if os.geteuid() == 0:
            os.chown(path, entry.uid, entry.gid)
        path.chmod(entry.mode)
        if entry.kind == "empty":
            os.setxattr(path, opaque_attribute(), b"y")


def _imitate(path: Path, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)
    path.chmod(stat.S_IMODE(status.st_mode))


def _hide(entries: dict[str, Hidden], path: str, *, always_directory: bool = False) -> None:
    """Add ``path`` and the directories on the way to it. Links on the way are followed: overlayfs sees real names.

    What is not there is hidden all the same, because it may come while containers live.
    """
    parent = os.path.realpath(os.path.dirname(path))  # noqa: PTH120
    real = os.path.realpath(path)
    if real == "/" or not os.path.isdir(parent):  # noqa: PTH112
        return
    # A link may itself be the secret's name; hide it, and what it leads to.
    for each in dict.fromkeys((os.path.join(parent, os.path.basename(path)), real)):  # noqa: PTH118, PTH119
        _hide_real(entries, each, always_directory=always_directory)


def _hide_real(entries: dict[str, Hidden], path: str, *, always_directory: bool) -> None:
    names = path.strip("/").split("/")
    ways = ["/".join(names[:count]) for count in range(1, len(names))]
    if any(entries[way].kind != "passed" for way in ways if way in entries):
        return  # hidden with a directory above it
    found: dict[str, Hidden] = {}
    for way in ways:
        status = _status("/" + way)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return
        found[way] = Hidden("passed", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    whole = "/".join(names)
    for inside in [name for name in entries if name.startswith(whole + "/")]:
        del entries[inside]
    entries.update({way: entry for way, entry in found.items() if way not in entries})
    entries[whole] = _last(path, always_directory=always_directory)


def _last(path: str, *, always_directory: bool) -> Hidden:
    status = _status(path)
    if path == "/tmp":  # noqa: S108
        return Hidden("empty", 0o1777)
    if status is not None and stat.S_ISDIR(status.st_mode):
        return Hidden("empty", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    return Hidden("empty", 0o755) if always_directory and status is None else Hidden("absent")


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _homes() -> dict[str, bool]:
    """Home directories, and whether they are a person's: a service's home is looked at only if it has secrets."""
    homes: dict[str, bool] = {}
    for user in pwd.getpwall():
        if user.pw_dir.startswith("/"):
            person = user.pw_uid == 0 or user.pw_uid >= _FIRST_PERSON
            home = user.pw_dir.rstrip("/")
            homes[home] = homes.get(home, False) or (person and home != "")
    homes["/root"] = True
    with suppress(OSError):
        # Users from a directory service are in no passwd file.
        homes.update({str(path): True for path in Path("/home").iterdir() if path.is_dir()})
    with suppress(RuntimeError):
        homes[str(Path.home()).rstrip("/")] = True
    return homes
