"""How containers get their root filesystem here: which of STRATEGIES the machine allows, tried once and remembered.

The answer is kept in the data directory, a line for each kernel release and user, in the file ``root-filesystem``.
"""

from __future__ import annotations

import errno
import os
import shutil

from container_runtime.kernel import fuse, syscalls, userns
from container_runtime.state.paths import data_home
from container_runtime.state.rundir import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from container_runtime.state.rundir import RunDirectory

PROGRAM = "fuse-overlayfs"
_FILE = "root-filesystem"
# What a kernel, a filesystem or a security module says once and for all; anything else (a full disk) may pass.
_LASTING = frozenset(
    {errno.ENOENT, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENODEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.ELOOP}
)


def _overlay(layers: Path) -> None:
    """An overlay as containers have it (``engine.roots``), and one change in it."""
    for name in ("lower", "upper", "work", "merged"):
        (layers / name).mkdir(parents=True)
    (layers / "lower" / "file").touch()
    options = [f"{name}dir={name}" for name in ("lower", "upper", "work")]
    if userns.active():
        options.append("userxattr")
    os.chdir(layers)  # so that no path needs an escape
    syscalls.mount("overlay", "merged", "overlay", syscalls.MS_NODEV, ",".join([*options, "volatile"]))
    (layers / "merged" / "file").unlink()  # a whiteout


def _fuse(layers: Path) -> None:
    """The program is there, /dev/fuse can be opened, and the kernel lets us mount what is served by it."""
    layers.mkdir(parents=True)
    if program() is None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), PROGRAM)
    fuse.mount(PROGRAM, str(layers), syscalls.MS_NODEV)


def _copies(layers: Path) -> None:
    layers.mkdir(parents=True)


STRATEGIES: dict[str, Callable[[Path], None]] = {"overlay": _overlay, PROGRAM: _fuse, "copies": _copies}
"""By name, the best first, and what tries each in a directory of its own, in a mount namespace of its own."""


class Answer:
    """A strategy, the number of the place for writable layers, and whether it will be the same tomorrow."""

    __slots__ = ("lasting", "place", "strategy")

    def __init__(self, strategy: str, place: int, *, lasting: bool) -> None:
        self.strategy = strategy
        self.place = place
        self.lasting = lasting


def program() -> str | None:
    """The path of fuse-overlayfs(1), where it is installed."""
    return shutil.which(PROGRAM)


def settle(run: RunDirectory) -> None:
    """Decide for a run: ``run.strategy``, and where its writable layers lie. The process must have one thread."""
    known = _remembered(len(run.places))
    answer = choose(run) if known is None else known
    if known is None and answer.lasting:
        remember(answer.strategy, answer.place)
    run.strategy = answer.strategy
    run.place_layers(answer.place)


def choose(run: RunDirectory) -> Answer:
    """Try the strategies, the best first, an overlay at each place for writable layers; nothing is remembered."""
    lasting = True
    for name, trial in STRATEGIES.items():
        for place in range(len(run.places) if name == "overlay" else 1):
            run.place_layers(place)
            number = _attempt(trial, run.layers / "try")
            if number == 0:
                return Answer(name, place, lasting=lasting)
            lasting = lasting and number in _LASTING
    return Answer("overlay", 0, lasting=False)  # nothing can be tried: the first start will say why


def _attempt(trial: Callable[[Path], None], place: Path) -> int:
    """Call in a child with a mount namespace of its own; returns errno, 0 where it worked."""
    try:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            number = errno.EIO
            try:
                number = _in_child(trial, place)
            finally:
                os.write(writing, bytes([number]))
                os._exit(0)
        os.close(writing)
        answer = os.read(reading, 1)
        os.close(reading)
        os.waitpid(pid, 0)
        return answer[0] if answer else errno.EIO
    finally:
        remove_tree(place)


def _in_child(trial: Callable[[Path], None], place: Path) -> int:
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    except OSError:
        return errno.EIO  # no answer to the question: nothing at all can be mounted
    try:
        trial(place)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _condition() -> str:
    """What the answer depends on."""
    fuse = program() is not None and os.access("/dev/fuse", os.R_OK | os.W_OK)
    return f"{os.uname().release} {userns.outer_user()}.{userns.mapped_ids()} {'fuse' if fuse else '-'}"


def _remembered(places: int) -> Answer | None:
    try:
        lines = (data_home() / _FILE).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    start = _condition() + " "
    found = next((line.removeprefix(start) for line in lines if line.startswith(start)), "")
    strategy, _, place = found.partition(" ")
    known = strategy in STRATEGIES and place.isascii() and place.isdigit() and int(place) < places
    return Answer(strategy, int(place), lasting=True) if known else None


def remember(strategy: str, place: int = 0) -> None:
    """Write down what settles the question from now on, for this kernel and user; a directory that refuses is none."""
    path = data_home() / _FILE
    start = _condition() + " "
    try:
        lines = path.read_text().splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError):
        lines = []
    kept = [line for line in lines if not line.startswith(start)]
    temporary = path.with_name(f".{_FILE}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text("\n".join([*kept, f"{start}{strategy} {place}", ""]))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
