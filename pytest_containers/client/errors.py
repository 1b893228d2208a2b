"""What can go wrong between a client and an engine."""

from __future__ import annotations


class ClientError(Exception):
    """Base of all errors of this package; the message is for people."""


class EngineUnreachable(ClientError):
    """No engine answers at the address, or it went away in the middle of an answer."""


class APIError(ClientError):
    """The engine answered with an error.

    ``status`` is the HTTP status, ``message`` the engine's own words, which is also what ``str()`` gives.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


class BadRequestError(APIError):
    """A value of the request is wrong (400)."""


class NotFoundError(APIError):
    """The named object does not exist (404)."""


class ConflictError(APIError):
    """The object exists already, is in use, or is in the wrong state (409)."""


class ServerError(APIError):
    """The engine could not do it (500 and above, and failures reported inside a stream)."""


_BY_STATUS: dict[int, type[APIError]] = {400: BadRequestError, 404: NotFoundError, 409: ConflictError}


def api_error(status: int, message: str) -> APIError:
    """Return the error of the class that fits the status."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else APIError)(status, message)
