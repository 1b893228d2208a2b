"""The routes: one table. Every path exists with and without ``/v1.NN``."""

from __future__ import annotations

import asyncio
import functools
import importlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from container_runtime.api.server import API_VERSION, MIN_API_VERSION, unquote_path
from container_runtime.errors import InvalidParameter, NotFound, NotImplementedHere, Unavailable

if TYPE_CHECKING:
    from container_runtime.api.server import Request

Handler = Callable[["Request"], Awaitable[None]]

# "{name}" is one segment, "{name:path}" may have slashes in it (names of images have).
# A handler is named by its module in this package and its function.
TABLE: tuple[tuple[str, str, str], ...] = (
    ("GET", "/_ping", "system.ping"),
    ("HEAD", "/_ping", "system.ping"),
    ("GET", "/version", "system.version"),
    ("GET", "/info", "system.info"),
    ("GET", "/events", "events.events"),
    ("GET", "/system/df", "usage.system_df"),
    ("POST", "/auth", "system.auth"),
    ("POST", "/build/prune", "usage.prune_builds"),
    ("POST", "/x-pytest-containers/shutdown", "system.shutdown"),
    ("POST", "/x-pytest-containers/keep", "system.keep"),
    ("GET", "/x-pytest-containers/containers/{id}/ports/{port}", "containers.forward"),
    ("POST", "/x-pytest-containers/snapshots/{key}", "snapshots.make"),
    ("POST", "/x-pytest-containers/containers/{id}/checkpoints/{name}", "snapshots.checkpoint"),
    ("POST", "/x-pytest-containers/containers/{id}/checkpoints/{name}/restore", "snapshots.restore"),
    ("GET", "/containers/json", "containers.list_all"),
    ("POST", "/containers/create", "containers.create"),
    ("POST", "/containers/prune", "pruning.containers"),
    ("GET", "/containers/{id}/json", "containers.inspect"),
    ("POST", "/containers/{id}/start", "lifecycle.start"),
    ("POST", "/containers/{id}/stop", "lifecycle.stop"),
    ("POST", "/containers/{id}/restart", "lifecycle.restart"),
    ("POST", "/containers/{id}/kill", "lifecycle.kill"),
    ("POST", "/containers/{id}/pause", "lifecycle.pause"),
    ("POST", "/containers/{id}/unpause", "lifecycle.unpause"),
    ("POST", "/containers/{id}/update", "lifecycle.update"),
    ("POST", "/containers/{id}/rename", "containers.rename"),
    ("POST", "/containers/{id}/wait", "lifecycle.wait"),
    ("POST", "/containers/{id}/resize", "streams.resize"),
    ("POST", "/containers/{id}/attach", "attach.attach"),
    ("GET", "/containers/{id}/attach/ws", "attach.attach_websocket"),
    ("GET", "/containers/{id}/logs", "streams.logs"),
    ("GET", "/containers/{id}/stats", "observation.stats"),
    ("GET", "/containers/{id}/top", "observation.top"),
    ("HEAD", "/containers/{id}/archive", "archive.status"),
    ("GET", "/containers/{id}/archive", "archive.read"),
    ("PUT", "/containers/{id}/archive", "archive.write"),
    ("GET", "/containers/{id}/export", "archive.export"),
    ("GET", "/containers/{id}/changes", "archive.changes"),
    ("POST", "/commit", "archive.commit"),
    ("DELETE", "/containers/{id}", "containers.remove"),
    ("POST", "/containers/{id}/exec", "execs.create"),
    ("POST", "/exec/{id}/start", "execs.start"),
    ("POST", "/exec/{id}/resize", "execs.resize"),
    ("GET", "/exec/{id}/json", "execs.inspect"),
    ("GET", "/images/json", "images.list_all"),
    ("POST", "/images/create", "images.create"),
    ("POST", "/images/prune", "pruning.images"),
    ("GET", "/images/{name:path}/json", "images.inspect"),
    ("GET", "/images/{name:path}/history", "images.history"),
    ("POST", "/images/{name:path}/tag", "images.tag"),
    ("DELETE", "/images/{name:path}", "images.remove"),
    ("GET", "/networks", "networks.list_all"),
    ("POST", "/networks/create", "networks.create"),
    ("POST", "/networks/prune", "pruning.networks"),
    ("GET", "/networks/{id}", "networks.inspect"),
    ("POST", "/networks/{id}/connect", "networks.connect"),
    ("POST", "/networks/{id}/disconnect", "networks.disconnect"),
    ("DELETE", "/networks/{id}", "networks.remove"),
    ("GET", "/volumes", "volumes.list_all"),
    ("POST", "/volumes/create", "volumes.create"),
    ("POST", "/volumes/prune", "volumes.prune"),
    ("GET", "/volumes/{name}", "volumes.inspect"),
    ("DELETE", "/volumes/{name}", "volumes.remove"),
    ("GET", "/plugins/{name:path}/json", "system.no_such_object"),
)

# What Docker has besides: everything of these first segments, and single paths.
_SWARM = re.compile(r"/(swarm|nodes|services|tasks|configs|secrets)(/.*)?")
_DOCKERS = re.compile(
    r"/(build|session|plugins|distribution)(/.*)?|/grpc|/containers/[^/]+/attach/ws"
    r"|/images/(get|load|search)|/images/.+/(push|get)"
)
_VERSION = re.compile(r"/v(\d+)\.(\d+)(?=/)")


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    expression = re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", pattern)
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression))


@functools.cache
def _handler(where: str) -> Handler:
    """A function of a module of this package, by ``module.function``."""
    module, _, name = where.partition(".")
    return getattr(importlib.import_module(f"container_runtime.api.{module}"), name)


async def prepare() -> None:
    """Import what nearly every run asks for, while nobody asks for anything."""
    for module in ("containers", "lifecycle", "networks"):
        importlib.import_module(f"container_runtime.api.{module}")
        await asyncio.sleep(0)  # others first


class Router:
    """Finds the handler of a request. What it needs is imported and compiled by the first request that needs it.

    An engine answers some ten of these requests in a run, and its start is waited for.
    """

    def find(self, request: Request) -> Handler:
        """The handler; the parts of the path that are names are then in ``request.parameters``.

        Raises:
            NotImplementedHere: Docker has such a path, this engine has not.
            InvalidParameter: a version of the API that is not spoken here.
            NotFound: nobody has.
            Unavailable: it is a Swarm manager's.
        """
        _check_version(request.path)
        path = _VERSION.sub("", request.path, count=1)
        for method, pattern, handler in TABLE:
            if method != request.method or not path.startswith(pattern.partition("{")[0]):
                continue
            if match := _compile(pattern).fullmatch(path):
                request.parameters = {name: unquote_path(value) for name, value in match.groupdict().items()}
                return _handler(handler)
        if _SWARM.fullmatch(path):
            raise Unavailable("This node is not a swarm manager. The engine of pytest-containers has no swarm")
        if _DOCKERS.fullmatch(path):
            raise NotImplementedHere(f"{request.method} {request.path} is not implemented by pytest-containers yet")
        raise NotFound("page not found")


def _check_version(path: str) -> None:
    """Refuse versions of the API that this engine does not speak.

    Raises:
        InvalidParameter: too old, or too new.
    """
    found = _VERSION.match(path)
    if found is None:
        return
    asked, version = (int(found[1]), int(found[2])), f"{found[1]}.{found[2]}"
    if asked < _numbers(MIN_API_VERSION):
        raise InvalidParameter(
            f"client version {version} is too old. Minimum supported API version is {MIN_API_VERSION}, "
            "please upgrade your client to a newer version"
        )
    if asked > _numbers(API_VERSION):
        raise InvalidParameter(f"client version {version} is too new. Maximum supported API version is {API_VERSION}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
