"""Images: requests and answers."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from container_runtime.api.progress import Progress
from container_runtime.engine import filters
from container_runtime.engine import images as actions
from container_runtime.engine.events import announce
from container_runtime.engine.files.transfer import in_thread
from container_runtime.errors import EngineError, InvalidParameter
from container_runtime.images.reference import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.api.server import Request
    from container_runtime.images.model import Image


def _seconds(created: str) -> int:
    import calendar
    import time

    try:
        return calendar.timegm(time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0


def summary(image: Image) -> dict[str, Any]:
    """Its row of ``GET /images/json``."""
    return {
        "Id": image.id,
        "ParentId": "",
        "RepoTags": list(image.repo_tags),
        "RepoDigests": list(image.repo_digests),
        "Created": _seconds(image.created),
        "Size": image.size,
        "SharedSize": -1,
        "VirtualSize": image.size,
        "Labels": image.config.get("Labels") or {},
        "Containers": -1,
    }


async def list_all(request: Request) -> None:
    """GET /images/json."""
    wanted = filters.parse(request.query.get("filters"), ("reference", "label", "dangling", "before", "since", "until"))
    dangling = filters.boolean(wanted.get("dangling"), "dangling")
    in_time = actions.in_time(request.engine, wanted)
    found = [
        summary(image)
        for image in await asyncio.to_thread(request.engine.images.list)
        if filters.labels_match(wanted.get("label", ()), image.config.get("Labels") or {})
        and filters.any_pattern(wanted.get("reference"), image.repo_tags)
        and (dangling is None or dangling is not bool(image.repo_tags))
        and in_time(image)
    ]
    await request.answer(200, sorted(found, key=lambda one: -one["Created"]))


async def inspect(request: Request) -> None:
    """GET /images/{name}/json."""
    image = request.engine.images.get(request.parameters["name"])
    await request.answer(
        200,
        {
            "Id": image.id,
            "RepoTags": list(image.repo_tags),
            "RepoDigests": list(image.repo_digests),
            "Parent": "",
            "Comment": image.comment,
            "Created": image.created,
            "DockerVersion": "",
            "Author": image.author,
            "Config": image.config,
            "Architecture": image.architecture,
            "Variant": image.variant,
            "Os": image.os,
            "Size": image.size,
            "VirtualSize": image.size,
            "GraphDriver": {"Name": "overlay", "Data": None},
            "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
            "Metadata": {"LastTagTime": image.created},
        },
    )


async def history(request: Request) -> None:
    """GET /images/{name}/history."""
    image = request.engine.images.get(request.parameters["name"])
    lines = [
        {
            "Id": image.id if number == 0 else "<missing>",
            "Created": _seconds(str(entry.get("created") or "")),
            "CreatedBy": entry.get("created_by") or "",
            "Tags": list(image.repo_tags) if number == 0 else None,
            "Size": 0,
            "Comment": entry.get("comment") or "",
        }
        for number, entry in enumerate(reversed(image.history))
    ]
    await request.answer(200, lines)


async def tag(request: Request) -> None:
    """POST /images/{name}/tag."""
    repository, name = request.query.get("repo", ""), request.query.get("tag") or "latest"
    if not repository:
        raise InvalidParameter("repo: a repository is expected")
    engine, reference = request.engine, f"{repository}:{name}"
    await asyncio.to_thread(engine.images.tag, request.parameters["name"], reference)
    tagged = engine.images.get(reference)
    announce.image(engine, "tag", tagged.id, parse(reference).familiar, announce.labels_of(tagged))
    await request.answer(201)


async def remove(request: Request) -> None:
    """DELETE /images/{name}."""
    name, force = request.parameters["name"], request.flag("force")
    await request.answer(200, await actions.remove(request.engine, name, force=force))


def _credentials(request: Request) -> dict[str, Any] | None:
    """X-Registry-Auth: base64url of JSON, with or without padding.

    Raises:
        InvalidParameter: it is neither.
    """
    text = request.headers.get("x-registry-auth", "")
    if not text:
        return None
    try:
        value: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        raise InvalidParameter("X-Registry-Auth: base64url of a JSON object is expected") from None
    return value or None if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


async def create(request: Request) -> None:
    """POST /images/create: pull, or import of a root filesystem."""
    if request.query.get("fromSrc"):
        await _import(request)
        return
    name, label = request.query.get("fromImage", ""), request.query.get("tag", "")
    if not name:
        raise InvalidParameter("fromImage: an image is expected")
    separator = "@" if label.startswith("sha256:") else ":"
    reference = f"{name}{separator}{label}" if label else name
    auth = _credentials(request)
    await request.json()
    platform = request.query.get("platform") or None
    images = request.engine.images

    def pull(progress: Any) -> object:
        return images.pull(reference, platform, auth, progress)

    def done(_image: object) -> None:
        announce.pulled(request.engine, reference)

    await _with_progress(request, pull, done)


async def _with_progress(request: Request, work: Any, done: Callable[[object], None]) -> None:
    """Run ``work`` in a thread, send what it reports, and call ``done`` with its result.

    An error before the first line is an ordinary one. Where the client goes the work ends with its next report, as
    Docker ends a pull; the engine's end does not wait for a registry.
    """
    progress = Progress()
    doing = in_thread(lambda: work(progress.report))
    doing.add_done_callback(progress.end)
    try:
        async for line in progress.lines():
            if not request.answered:
                await request.begin_stream("application/json")
            await request.send_line(line)
    finally:
        progress.abandon()
    try:
        result = await doing
    except EngineError as error:
        if not request.answered:
            raise
        await request.send_line({"errorDetail": {"message": str(error)}, "error": str(error)})
    else:
        if not request.answered:
            await request.begin_stream("application/json")
        done(result)
    await request.end_stream()


async def _import(request: Request) -> None:
    """A tar archive in the body, passed to the importer through a pipe so that neither side holds all of it."""
    import os

    if request.query["fromSrc"] != "-":
        raise InvalidParameter("fromSrc: only - (the request's body) is taken")
    repository, label = request.query.get("repo", ""), request.query.get("tag", "")
    reference = (f"{repository}:{label}" if label else repository) or None  # the command leaves a tag in repo
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    images, query, changes = request.engine.images, request.query, request.values("changes")

    def work() -> Any:
        with os.fdopen(read_end, "rb") as stream:
            return images.import_tar(stream, reference, query.get("message", ""), changes, None)

    task = request.engine.behind(asyncio.to_thread(work))
    try:
        async for data in request.body():
            if task.done():
                continue  # it failed; the rest of the body has to be read all the same
            try:
                await asyncio.to_thread(_write_all, write_end, data)
            except BrokenPipeError:
                continue
    finally:
        os.close(write_end)
    image = await task
    announce.image(request.engine, "import", image.id, "", announce.labels_of(image))
    if reference:
        announce.image(request.engine, "tag", image.id, parse(reference).familiar, announce.labels_of(image))
    await request.begin_stream("application/json")
    await request.send_line({"status": image.id})
    await request.end_stream()


def _write_all(descriptor: int, data: bytes) -> None:
    import os

    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
