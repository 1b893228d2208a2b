"""What can go wrong, as classes; ``api/`` maps each class to one HTTP status in one place.

A message is for the person at the terminal: what failed, on which object, why, and what to do. It begins as
Docker's does where Docker has one, because clients match on it ("No such container: x").
"""

from __future__ import annotations

import os


class EngineError(Exception):
    """Base of all errors that reach a client as a message (HTTP 500 unless a subclass says otherwise)."""


class NotFound(EngineError):
    """The named object does not exist (HTTP 404)."""


class Conflict(EngineError):
    """The object exists already, is in use, or is in the wrong state (HTTP 409)."""


class NotModified(EngineError):
    """The object is already as asked (HTTP 304, no body)."""


class InvalidParameter(EngineError):
    """A value of the request is wrong; the message names the field (HTTP 400)."""


class Forbidden(EngineError):
    """The operation is not allowed here (HTTP 403)."""


class Unauthorized(EngineError):
    """A registry refused the credentials (HTTP 401)."""


class Unavailable(EngineError):
    """Not now: the engine is ending, or what the operation needs is not there (HTTP 503)."""


class NotImplementedHere(EngineError):
    """Docker has it, this engine has not (HTTP 501)."""


class KernelError(EngineError):
    """The kernel refused a step: ``step`` names it, ``path`` what it was done to, ``errno`` why."""

    def __init__(self, step: str, path: str, errno: int, hint: str = "") -> None:
        self.step = step
        self.path = path
        self.errno = errno
        self.hint = hint
        what = f"{step} {path}" if path else step
        super().__init__(f"{what}: {os.strerror(errno)}" + (f" ({hint})" if hint else ""))


class StartError(EngineError):
    """The container's program could not be started.

    ``exit_code`` is Docker's: 127 program not found, 126 not executable, 128 any other reason (HTTP 400 for the
    first two, 500 else).
    """

    def __init__(self, message: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(message)
