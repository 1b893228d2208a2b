"""The files of containers: requests and answers."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from container_runtime.api.params import check_image_config
from container_runtime.api.server import Null
from container_runtime.engine.files import archive
from container_runtime.engine.files import changes as different
from container_runtime.engine.files import commit as committing
from container_runtime.engine.files.commit import Wish
from container_runtime.engine.files.session import kept
from container_runtime.engine.files.transfer import in_thread
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from container_runtime.api.server import Request
    from container_runtime.engine.container import Container

_TAR = "application/x-tar"
_STAT = b"X-Docker-Container-Path-Stat"


def _of(request: Request) -> tuple[Container, str, str]:
    """The container, the path, and what the client calls the container.

    Raises:
        InvalidParameter: no path.
    """
    path = request.query.get("path") or ""
    if not path:
        raise InvalidParameter("bad parameter: path cannot be empty")
    if "\0" in path:
        raise InvalidParameter("bad parameter: path has a zero byte in it")
    name = request.parameters["id"]
    return request.engine.find(name), path, name


def _header(status: dict[str, Any]) -> tuple[bytes, bytes]:
    return _STAT, base64.b64encode(json.dumps(status, separators=(",", ":")).encode())


async def status(request: Request) -> None:
    """HEAD /containers/{id}/archive."""
    found = await archive.stat_path(request.engine, *_of(request))
    await request.answer(200, extra=[_header(found)])


async def read(request: Request) -> None:
    """GET /containers/{id}/archive."""
    async with archive.read(request.engine, *_of(request)) as (found, pieces):
        await _send(request, pieces, _TAR, [_header(found)])


async def write(request: Request) -> None:
    """PUT /containers/{id}/archive."""
    await archive.write(
        request.engine,
        *_of(request),
        request.body(),
        keep_kinds=request.flag("noOverwriteDirNonDir"),
        to_user=request.flag("copyUIDGID"),
    )
    await request.answer(200)


async def export(request: Request) -> None:
    """GET /containers/{id}/export."""
    async with archive.export(request.engine, request.engine.find(request.parameters["id"])) as pieces:
        await _send(request, pieces, "application/octet-stream", [])


async def changes(request: Request) -> None:
    """GET /containers/{id}/changes; where there are none it is null, as Docker has it."""
    engine, one = request.engine, request.engine.find(request.parameters["id"])
    chosen = different.parts(engine, one)
    with kept(one):
        found = await in_thread(lambda: different.compare(chosen))
    await request.answer(200, [{"Path": change.path, "Kind": change.kind} for change in found] or Null())


async def commit(request: Request) -> None:
    """POST /commit."""
    name = request.query.get("container") or ""
    if not name:
        raise InvalidParameter('invalid name or ID supplied: ""')
    config = check_image_config(await request.json())
    one = request.engine.find(name)
    repository, tag = request.query.get("repo") or "", request.query.get("tag") or ""
    wish = Wish(
        reference=f"{repository}:{tag}" if repository and tag else repository or None,
        comment=request.query.get("comment") or "",
        author=request.query.get("author") or "",
        changes=request.values("changes"),
        config=config,
        pause=request.flag("pause", default=True),
    )
    image = await committing.commit(request.engine, one, wish)
    await request.answer(201, {"Id": image.id})


async def _send(
    request: Request, pieces: AsyncIterator[bytes], content_type: str, extra: list[tuple[bytes, bytes]]
) -> None:
    """Send an archive; what goes wrong before its first piece is an ordinary error."""
    async for piece in pieces:
        if not request.answered:
            await request.begin_stream(content_type, extra=extra)
        await request.send(piece)
    await request.end_stream()
