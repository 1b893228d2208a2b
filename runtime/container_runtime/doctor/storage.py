"""The directories of an engine, the overlays of its containers, and the space for both: made, looked at, removed.

What is made is made as an engine makes it, by its own code, in a run of a name of its own. Directories that were not
there before, and are empty afterwards, are removed again.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime.doctor import reasons
from container_runtime.doctor.attempt import Failure, as_engine, failure_of
from container_runtime.doctor.model import Finding, State
from container_runtime.doctor.overlays import host_overlay, layer_overlay
from container_runtime.errors import EngineError
from container_runtime.images.files import remove_tree
from container_runtime.state import roots
from container_runtime.state.paths import DATA_VARIABLE, data_home, runtime_home
from container_runtime.state.rundir import RunDirectory, filesystem_of
from container_runtime.state.sweep import remove_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from container_runtime.doctor.surroundings import Surroundings

LONGEST_SOCKET = 107
"""Bytes of a socket's path: sun_path has 108 with the zero at its end, unix(7)."""
LITTLE_SPACE = 100_000_000  # bytes
_FEW_INODES = 1000
_PID = 4194304  # the largest that there is, proc_sys_kernel(5)
_REPLACED = "programs in containers that remove a directory and make it anew fail, as package managers do"
_NAME = "pytest-containers"
# What there is instead of overlays, by strategy (``state.roots``): the finding's state, the means, what that costs.
_INSTEAD: dict[str, tuple[State, str, str]] = {
    "overlay": ("missing", "", "the root of every container is an overlay"),
    "fuse-overlayfs": (
        "limited",
        "; fuse-overlayfs serves root filesystems instead",
        "containers take some milliseconds more to start, and their files are slower",
    ),
    "copies": (
        "limited",
        "; each container gets a copy of its image instead",
        "containers start slowly and take space, and the image `host` cannot be used: install fuse-overlayfs",
    ),
}


def longest_socket(home: str) -> int:
    """The length of the longest path that the plugin gives a socket (``embedded``): RUN.PID/docker.sock."""
    return len(os.fsencode(f"{home}/run-{_PID}-{'f' * 6}.{_PID}/docker.sock"))


def storage(here: Surroundings) -> list[Finding]:
    """All findings about directories."""
    name = f"run-{os.getpid()}-{os.urandom(3).hex()}"
    homes = _homes(here)
    absent = [path for home in homes for path in _absent(home / "layers-of-runs")]
    try:
        outcome = as_engine(here, lambda: _examine(here, name))
    finally:
        for home in homes:
            _forget(home, name)
        for path in sorted(set(absent), key=lambda one: -len(one.parts)):
            with suppress(OSError):  # not made, or somebody else uses it by now
                path.rmdir()
    if outcome.failure is not None:
        reason = reasons.refusal(outcome.failure, here)
        cost = "every engine has a directory of its run"
        return [Finding("run directory", "missing", reason.why, cost, reason.remedy)]
    return findings(outcome.value, here)


def _homes(here: Surroundings) -> list[Path]:
    """Where an engine may make directories."""
    found = [Path(f"/dev/shm/{_NAME}-{here.user}"), Path(f"/tmp/{_NAME}-{here.user}"), Path(f"/run/{_NAME}")]  # noqa: S108
    if os.environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(os.environ["XDG_RUNTIME_DIR"]) / _NAME)
    with suppress(EngineError):
        found.append(data_home())
    return found


def _absent(path: Path) -> list[Path]:
    return [one for one in (path, *path.parents) if not os.path.lexists(one)]


def _forget(home: Path, name: str) -> None:
    """Remove what a probe that was killed has left."""
    with suppress(OSError):
        if (home / name).is_dir():
            remove_recorded(home / name)
        if (home / "layers-of-runs" / name).is_dir():
            remove_tree(home / "layers-of-runs" / name)


def _examine(here: Surroundings, name: str) -> dict[str, Any]:
    """What works, by name: a value, or a failure under the name with "!" in front. The first failures end it."""
    found: dict[str, Any] = {}

    def note(key: str, function: Callable[[], Any]) -> bool:
        try:
            found[key] = function()
        except (OSError, EngineError, RuntimeError) as error:
            found["!" + key] = [*failure_of(error)]
            return False
        return True

    note("home", lambda: str(runtime_home()))
    note("data", _make_data_home)
    runs: list[RunDirectory] = []
    if "home" not in found or not note("run", lambda: runs.append(RunDirectory(runtime_home() / name))):
        return found
    run = runs[0]
    try:
        found["strategy"] = roots.choose(run).strategy
        found["layers"] = str(run.layers)
        found["kind"] = filesystem_of(run.layers)
        note("socket", lambda: _bind(run.path / "docker.sock"))
        if note("overlay", lambda: layer_overlay(run.layers / "probe", in_namespace=here.needs_user_namespace)):
            note("host", lambda: host_overlay(run.layers / "host", in_namespace=here.needs_user_namespace))
        found["free"] = [_free(path) for path in (found.get("data"), found["layers"], found["home"]) if path]
    finally:
        run.remove()
    return found


def _make_data_home() -> str:
    path = data_home()
    path.mkdir(parents=True, exist_ok=True)
    probe = path / f".doctor-{os.getpid()}"
    probe.write_bytes(b"x")
    probe.unlink()
    return str(path)


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        here = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
        try:  # by a short name: the length is judged by itself
            listener.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def _free(path: str) -> list[Any]:
    status = os.statvfs(path)
    return [path, status.f_bavail * status.f_frsize, status.f_favail if status.f_files else -1]


def findings(found: dict[str, Any], here: Surroundings) -> list[Finding]:
    """What ``_examine`` found, as findings."""
    result = [_run_directory(found, here), _data_directory(found, here)]
    if "!run" in found and result[0].state == "ok" == result[1].state:
        result.append(_no_layers(Failure(*found["!run"])))
    if "layers" in found:
        result += [_layers(found, here), _overlay(found, here)]
        if "!host" in found or "host" in found or found["strategy"] == roots.PROGRAM:
            result.append(_host(found, here))
        result.append(_space(found["free"]))
    return result


def _run_directory(found: dict[str, Any], here: Surroundings) -> Finding:
    cost = "the engine's socket and the lock of a run lie there: no engine can be started"
    remedy = "as root: mount -t tmpfs tmpfs /run" if here.user == 0 else "export XDG_RUNTIME_DIR=$(mktemp -d)"
    for key in ("!home", "!socket"):
        if key in found:
            why = Failure(*found[key]).message.partition(": remove it")[0]  # the remedy is said apart
            return Finding("run directory", "missing", why, cost, remedy)
    length = longest_socket(found["home"])
    if length > LONGEST_SOCKET:
        return Finding(
            "run directory",
            "missing",
            f"sockets in {found['home']} would have paths of up to {length} bytes, and {LONGEST_SOCKET} are allowed",
            cost,
            "unset XDG_RUNTIME_DIR, or set it to a directory with a shorter path: export XDG_RUNTIME_DIR=$(mktemp -d)",
        )
    return Finding("run directory", "ok", found["home"])


def _data_directory(found: dict[str, Any], here: Surroundings) -> Finding:
    if "data" in found:
        return Finding("data directory", "ok", found["data"])
    return Finding(
        "data directory",
        "missing",
        f"it cannot be made or written: {Failure(*found['!data']).message}",
        "images and compiled seccomp profiles are kept there: no container can be started",
        f"export {DATA_VARIABLE}=/var/tmp/{_NAME}-{here.user}",
    )


def _no_layers(failure: Failure) -> Finding:
    return Finding(
        "writable layers",
        "missing",
        failure.message,
        "every container has a writable layer",
        f"export {DATA_VARIABLE}=DIRECTORY, one on ext4, xfs or tmpfs that this user may write",
    )


def _layers(found: dict[str, Any], here: Surroundings) -> Finding:
    layers, kind = found["layers"], found["kind"]
    data = found.get("data", "")
    if kind == "tmpfs" and data and not layers.startswith(data + "/"):
        return Finding(
            "writable layers",
            "limited",
            f"overlayfs takes none on the filesystem of {data}, so they lie in {layers.rpartition('/')[0]} (tmpfs)",
            "what containers write is kept in memory",
            f"export {DATA_VARIABLE}=DIRECTORY, one on ext4 or xfs" + ("" if here.user else ", as a volume"),
        )
    return Finding("writable layers", "ok", f"{layers.rpartition('/')[0]} ({kind})")


def _overlay(found: dict[str, Any], here: Surroundings) -> Finding:
    if "!overlay" in found:
        reason = reasons.refusal(Failure(*found["!overlay"]), here, modules="overlay")
        state, instead, cost = _INSTEAD[found["strategy"]]
        return Finding("overlayfs", state, reason.why + instead, cost, reason.remedy)
    if found["overlay"] and reasons.foreign_root(here):
        reason = reasons.of_foreign_root(f"replace a directory: {found['overlay']}")
        return Finding("overlayfs", "limited", reason.why, _REPLACED, reason.remedy)
    if found["overlay"]:
        return Finding(
            "overlayfs",
            "limited",
            f"on {found['kind']}, no directory of an image can be replaced by one of its name: {found['overlay']}",
            _REPLACED,
            f"export {DATA_VARIABLE}=DIRECTORY, one on ext4 or xfs (tmpfs has user attributes from Linux 6.6 on)",
        )
    return Finding("overlayfs", "ok", "mounted, written to" + (", with userxattr" if here.needs_user_namespace else ""))


def _host(found: dict[str, Any], here: Surroundings) -> Finding:
    if found["strategy"] == roots.PROGRAM:
        return Finding("image host", "ok", "served by fuse-overlayfs")
    if "host" in found:
        return Finding("image host", "ok", f"its layer lies in {found['host']}")
    failure = Failure(*found["!host"])
    why, remedy = failure.message, "export XDG_RUNTIME_DIR=DIRECTORY, one on a tmpfs"
    if failure.errno:
        why, remedy = reasons.refusal(failure, here)
    return Finding("image host", "limited", why, "the image `host` cannot be used; images of registries can", remedy)


def _space(free: Sequence[Sequence[Any]]) -> Finding:
    little = [
        f"{path} has {count / 1e6:.0f} MB" if count < LITTLE_SPACE else f"{path} has {inodes} inodes"
        for path, count, inodes in free
        if count < LITTLE_SPACE or 0 <= inodes < _FEW_INODES
    ]
    if not little:
        least = min(count for _, count, _ in free)
        return Finding("free space", "ok", f"{least / 1e9:.1f} GB at least")
    return Finding(
        "free space",
        "limited",
        f"{', '.join(dict.fromkeys(little))} free",
        "images cannot be unpacked and containers cannot write when it is full",
        f"free some, as with `pytest-containers images` and `rm`, or export {DATA_VARIABLE}=DIRECTORY, one with more",
    )
