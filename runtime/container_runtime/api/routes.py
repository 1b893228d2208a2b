"""The routes: one table. Every path exists with and without ``/v1.NN``."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from container_runtime.api import (
    archive,
    containers,
    events,
    execs,
    images,
    lifecycle,
    networks,
    observation,
    streams,
    system,
    usage,
    volumes,
)
from container_runtime.api.server import unquote_path
from container_runtime.errors import NotFound, NotImplementedHere

if TYPE_CHECKING:
    from container_runtime.api.server import Request

Handler = Callable[["Request"], Awaitable[None]]

# "{name}" is one segment, "{name:path}" may have slashes in it (names of images have).
TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/_ping", system.ping),
    ("HEAD", "/_ping", system.ping),
    ("GET", "/version", system.version),
    ("GET", "/info", system.info),
    ("GET", "/events", events.events),
    ("GET", "/system/df", usage.system_df),
    ("POST", "/auth", system.auth),
    ("POST", "/build/prune", usage.prune_builds),
    ("POST", "/x-pytest-containers/shutdown", system.shutdown),
    ("GET", "/x-pytest-containers/containers/{id}/ports/{port}", containers.forward),
    ("GET", "/containers/json", containers.list_all),
    ("POST", "/containers/create", containers.create),
    ("POST", "/containers/prune", containers.prune),
    ("GET", "/containers/{id}/json", containers.inspect),
    ("POST", "/containers/{id}/start", lifecycle.start),
    ("POST", "/containers/{id}/stop", lifecycle.stop),
    ("POST", "/containers/{id}/restart", lifecycle.restart),
    ("POST", "/containers/{id}/kill", lifecycle.kill),
    ("POST", "/containers/{id}/pause", lifecycle.pause),
    ("POST", "/containers/{id}/unpause", lifecycle.unpause),
    ("POST", "/containers/{id}/update", lifecycle.update),
    ("POST", "/containers/{id}/rename", containers.rename),
    ("POST", "/containers/{id}/wait", lifecycle.wait),
    ("POST", "/containers/{id}/resize", streams.resize),
    ("POST", "/containers/{id}/attach", streams.attach),
    ("GET", "/containers/{id}/logs", streams.logs),
    ("GET", "/containers/{id}/stats", observation.stats),
    ("GET", "/containers/{id}/top", observation.top),
    ("HEAD", "/containers/{id}/archive", archive.status),
    ("GET", "/containers/{id}/archive", archive.read),
    ("PUT", "/containers/{id}/archive", archive.write),
    ("GET", "/containers/{id}/export", archive.export),
    ("GET", "/containers/{id}/changes", archive.changes),
    ("POST", "/commit", archive.commit),
    ("DELETE", "/containers/{id}", containers.remove),
    ("POST", "/containers/{id}/exec", execs.create),
    ("POST", "/exec/{id}/start", execs.start),
    ("POST", "/exec/{id}/resize", execs.resize),
    ("GET", "/exec/{id}/json", execs.inspect),
    ("GET", "/images/json", images.list_all),
    ("POST", "/images/create", images.create),
    ("POST", "/images/prune", images.prune),
    ("GET", "/images/{name:path}/json", images.inspect),
    ("GET", "/images/{name:path}/history", images.history),
    ("POST", "/images/{name:path}/tag", images.tag),
    ("DELETE", "/images/{name:path}", images.remove),
    ("GET", "/networks", networks.list_all),
    ("POST", "/networks/create", networks.create),
    ("POST", "/networks/prune", networks.prune),
    ("GET", "/networks/{id}", networks.inspect),
    ("POST", "/networks/{id}/connect", networks.connect),
    ("POST", "/networks/{id}/disconnect", networks.disconnect),
    ("DELETE", "/networks/{id}", networks.remove),
    ("GET", "/volumes", volumes.list_all),
    ("POST", "/volumes/create", volumes.create),
    ("POST", "/volumes/prune", volumes.prune),
    ("GET", "/volumes/{name}", volumes.inspect),
    ("DELETE", "/volumes/{name}", volumes.remove),
    ("GET", "/plugins/{name:path}/json", system.no_such_object),
)

# First segments of the paths that Docker has: what is not in the table is not here yet.
_DOCKERS = frozenset(
    (
        "auth build commit configs containers distribution events exec images info networks nodes plugins secrets "
        "services session swarm system tasks version volumes"
    ).split()
)


def _compile(pattern: str) -> re.Pattern[str]:
    expression = re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", pattern)
    expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression)
    return re.compile(rf"(?:/v1\.\d+)?{expression}")


class Router:
    """Finds the handler of a request."""

    def __init__(self) -> None:
        self._routes = [(method, _compile(pattern), handler) for method, pattern, handler in TABLE]

    def find(self, request: Request) -> Handler:
        """The handler; the parts of the path that are names are then in ``request.parameters``.

        Raises:
            NotImplementedHere: Docker has such a path, this engine has not.
            NotFound: nobody has.
        """
        for method, pattern, handler in self._routes:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                request.parameters = {name: unquote_path(value) for name, value in match.groupdict().items()}
                return handler
        first = re.sub(r"^/v1\.\d+", "", request.path).strip("/").partition("/")[0]
        if first in _DOCKERS:
            raise NotImplementedHere(f"{request.method} {request.path} is not implemented by pytest-containers yet")
        raise NotFound("page not found")
