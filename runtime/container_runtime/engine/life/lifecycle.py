"""Which operation is allowed in which state: one table, and nothing else decides it.

States are Docker's words, and ``starting``, the moment between a start and its success. A client never sees it: what
ends, removes or changes a container waits until that is over (``Container.settle``, ``Container.lock``).
The refusals are those of moby, folder daemon (start.go, stop.go, kill.go, pause.go, unpause.go, exec.go, delete.go).
"""

from __future__ import annotations

from container_runtime.errors import Conflict, EngineError, NotModified

CREATED, STARTING, RUNNING, PAUSED = "created", "starting", "running", "paused"
RESTARTING, EXITED, REMOVING, DEAD = "restarting", "exited", "removing", "dead"
STATES = (CREATED, STARTING, RUNNING, PAUSED, RESTARTING, EXITED, REMOVING, DEAD)

ALIVE = frozenset((STARTING, RUNNING, PAUSED))
"""It has a process, or is about to."""
ACTIVE = frozenset((RUNNING, PAUSED, RESTARTING))
"""What Docker calls running: ``docker ps`` shows it."""
ENDED = frozenset((CREATED, EXITED, DEAD))

Refusal = tuple[type[EngineError], str]


def _conflict(message: str) -> Refusal:
    return Conflict, message


_ = None  # allowed
_SO: Refusal = (NotModified, "container {id} is already so")
_IDLE = _conflict("container {id} is not running")
_WAITS = _conflict("Container {id} is restarting, wait until the container is running")
_GOING = _conflict("container {id} is being removed: it cannot be used any more")
_MARKED = _conflict("container is marked for removal and cannot be started")
_FROZEN = _conflict("cannot start a paused container, try unpause instead")
_NO_KILL = _conflict("cannot kill container: {name}: container {id} is not running")
_PAUSED_ALREADY = _conflict("Container {id} is already paused")
_NOT_PAUSED: Refusal = (EngineError, "Container {id} is not paused")  # HTTP 500, as Docker answers
_NO_EXEC = _conflict("Container {id} is paused, unpause the container before exec")
_NO_ATTACH = _conflict("container {id} is paused, unpause the container before attach")
_STOPPED = _conflict("you cannot attach to a stopped container, start it first")
_TWICE = _conflict("removal of container {id} is already in progress")
_IN_USE = 'cannot remove container "{name}": container is '
_RUNS = _conflict(_IN_USE + "running: stop the container before removing or force remove")
_RUNS_AGAIN = _conflict(_IN_USE + "restarting: stop the container before removing or force remove")
_RUNS_PAUSED = _conflict(_IN_USE + "paused and must be unpaused first")

_ROWS: tuple[tuple[str, tuple[Refusal | None, ...]], ...] = (
    # operation       created   starting   running   paused           restarting   exited    removing  dead
    ("start",        (_,        _SO,       _SO,      _FROZEN,         _SO,         _,        _MARKED,  _MARKED)),
    ("stop",         (_SO,      _,         _,        _,               _,           _SO,      _SO,      _SO)),
    ("kill",         (_NO_KILL, _NO_KILL,  _,        _,               _,           _NO_KILL, _NO_KILL, _NO_KILL)),
    ("restart",      (_,        _,         _,        _,               _,           _,        _MARKED,  _MARKED)),
    ("pause",        (_IDLE,    _IDLE,     _,        _PAUSED_ALREADY, _WAITS,      _IDLE,    _IDLE,    _IDLE)),
    ("unpause",      (_NOT_PAUSED, _NOT_PAUSED, _NOT_PAUSED, _,       _NOT_PAUSED, _NOT_PAUSED, _NOT_PAUSED,
                      _NOT_PAUSED)),
    ("exec",         (_IDLE,    _IDLE,     _,        _NO_EXEC,        _WAITS,      _IDLE,    _IDLE,    _IDLE)),
    ("attach",       (_,        _,         _,        _NO_ATTACH,      _WAITS,      _,        _GOING,   _STOPPED)),
    ("resize",       (_IDLE,    _,         _,        _,               _IDLE,       _IDLE,    _IDLE,    _IDLE)),
    ("top",          (_IDLE,    _IDLE,     _,        _,               _WAITS,      _IDLE,    _IDLE,    _IDLE)),
    ("update",       (_,        _,         _,        _,               _,           _,        _GOING,   _GOING)),
    ("rename",       (_,        _,         _,        _,               _,           _,        _GOING,   _GOING)),
    ("connect",      (_,        _,         _,        _,               _,           _,        _GOING,   _GOING)),
    ("remove",       (_,        _RUNS,     _RUNS,    _RUNS_PAUSED,    _RUNS_AGAIN, _,        _TWICE,   _)),
    ("force-remove", (_,        _,         _,        _,               _,           _,        _TWICE,   _)),
)  # fmt: skip

TABLE: dict[str, dict[str, Refusal | None]] = {
    operation: dict(zip(STATES, row, strict=True)) for operation, row in _ROWS
}
"""Operation -> state -> None where allowed, else the error's class and message."""


def check(operation: str, state: str, *, identity: str, name: str) -> None:
    """Return where ``operation`` may be done in ``state``; ``identity`` and ``name`` go into the message.

    Raises:
        Conflict: not in this state.
        NotModified: the container is already as asked.
    """
    refusal = TABLE[operation][state]
    if refusal is not None:
        kind, message = refusal
        raise kind(message.format(id=identity, name=name))
