"""Which operation is allowed in which state: one table, and nothing else decides it.

States are Docker's words, and ``starting``, the moment between a start and its success. A client never sees it.
"""

from __future__ import annotations

from container_runtime.errors import Conflict, EngineError, NotModified

CREATED, STARTING, RUNNING, EXITED, REMOVING = "created", "starting", "running", "exited", "removing"
STATES = (CREATED, STARTING, RUNNING, EXITED, REMOVING)

Refusal = tuple[type[EngineError], str]

_NOT_RUNNING: Refusal = (Conflict, "container {id} is not running")
_REMOVING: Refusal = (Conflict, "container {id} is being removed: it cannot be used any more")
_ALREADY: Refusal = (NotModified, "container {id} is already so")
_BUSY: Refusal = (Conflict, "container {id} is being started: try again")

TABLE: dict[str, dict[str, Refusal | None]] = {
    "start": {CREATED: None, STARTING: _ALREADY, RUNNING: _ALREADY, EXITED: None, REMOVING: _REMOVING},
    "stop": {CREATED: _ALREADY, STARTING: _BUSY, RUNNING: None, EXITED: _ALREADY, REMOVING: _ALREADY},
    "kill": {
        state: None if state == RUNNING else (Conflict, "cannot kill container {name}: container {id} is not running")
        for state in STATES
    },
    "restart": {CREATED: None, STARTING: _BUSY, RUNNING: None, EXITED: None, REMOVING: _REMOVING},
    "rename": {state: _REMOVING if state == REMOVING else None for state in STATES},
    "exec": {
        CREATED: _NOT_RUNNING,
        STARTING: _NOT_RUNNING,
        RUNNING: None,
        EXITED: _NOT_RUNNING,
        REMOVING: _NOT_RUNNING,
    },
    "attach": {
        CREATED: None,
        STARTING: None,
        RUNNING: None,
        EXITED: (Conflict, "you cannot attach to a stopped container, start it first"),
        REMOVING: _REMOVING,
    },
    "resize": {CREATED: _NOT_RUNNING, STARTING: None, RUNNING: None, EXITED: _NOT_RUNNING, REMOVING: _NOT_RUNNING},
    "connect": {state: _REMOVING if state == REMOVING else None for state in STATES},
    "remove": {
        CREATED: None,
        STARTING: _BUSY,
        RUNNING: (
            Conflict,
            (
                'cannot remove container "/{name}": container is running: '
                "stop the container before removing or force remove"
            ),
        ),
        EXITED: None,
        REMOVING: (Conflict, "removal of container {id} is already in progress"),
    },
    "force-remove": {
        CREATED: None,
        STARTING: None,
        RUNNING: None,
        EXITED: None,
        REMOVING: (Conflict, "removal of container {id} is already in progress"),
    },
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
