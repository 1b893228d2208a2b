"""Error classes as HTTP status codes: the one place."""

from __future__ import annotations

from container_runtime import errors

_STATUS: tuple[tuple[type[errors.EngineError], int], ...] = (
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.NotModified, 304),
    (errors.InvalidParameter, 400),
    (errors.Forbidden, 403),
    (errors.Unauthorized, 401),
    (errors.Unavailable, 503),
    (errors.NotImplementedHere, 501),
)


def status_of(error: errors.EngineError) -> int:
    """The status for an error; 500 for what has none of its own."""
    if isinstance(error, errors.StartError):
        return 400 if error.exit_code in {126, 127} else 500
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
