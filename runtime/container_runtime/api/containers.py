"""Containers: requests and answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from container_runtime.api.params import check_create, parse_moment
from container_runtime.api.system import unless_gone
from container_runtime.engine import containers as actions
from container_runtime.engine import filters, lifecycle, sandboxes, streams
from container_runtime.engine.logs import Selection, read_log
from container_runtime.engine.names import check_name
from container_runtime.errors import Conflict, InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import RawConnection, Request
    from container_runtime.engine.container import Container

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"
_FILTERS = ("id", "name", "label", "status", "ancestor", "network", "exited", "health", "volume", "before", "since")


def _of(request: Request) -> Container:
    return request.engine.find(request.parameters["id"])


async def list_all(request: Request) -> None:
    """GET /containers/json."""
    wanted = filters.parse(request.query.get("filters"), _FILTERS)
    limit = request.number("limit")
    everything = request.flag("all") or bool(wanted.get("status")) or limit is not None
    found = [one for one in request.engine.containers.values() if (everything or one.running) and _matches(one, wanted)]
    found.sort(key=lambda one: one.created, reverse=True)
    await request.answer(200, [one.summary() for one in (found if not limit else found[:limit])])


def _matches(one: Container, wanted: filters.Filters) -> bool:
    networks = {name for network, _ in one.endpoints.values() for name in (network.name, network.id)}
    return (
        filters.any_prefix(wanted.get("id"), one.id)
        and filters.any_pattern(wanted.get("name"), (one.name, f"/{one.name}"))
        and filters.labels_match(wanted.get("label", ()), one.labels)
        and filters.any_equal(wanted.get("status"), one.visible_state())
        and (not wanted.get("ancestor") or bool({one.body["Image"], one.image.id} & {*wanted["ancestor"]}))
        and (not wanted.get("network") or bool(networks & {*wanted["network"]}))
        and filters.any_equal(wanted.get("exited"), str(one.exit_code))
    )


async def create(request: Request) -> None:
    """POST /containers/create."""
    body = check_create(await request.json())
    made = actions.create(request.engine, body, request.query.get("name") or None)
    await request.answer(201, {"Id": made.id, "Warnings": []})


async def inspect(request: Request) -> None:
    """GET /containers/{id}/json."""
    await request.answer(200, _of(request).details())


async def forward(request: Request) -> None:
    """GET /x-pytest-containers/containers/{id}/ports/{port}: where the machine reaches it; ``probe``: is it open."""
    one, text = _of(request), request.parameters["port"]
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise InvalidParameter(f"invalid port {text!r}: a number from 0 to 65535 is expected")
    host, port = sandboxes.forward(request.engine, one, int(text))
    answer: dict[str, object] = {"Host": host, "Port": port, "Open": False}
    if request.flag("probe"):
        answer["Open"] = await sandboxes.is_open(request.engine, one, int(text))
    await request.answer(200, answer)


async def start(request: Request) -> None:
    """POST /containers/{id}/start."""
    one = _of(request)
    async with one.lock:
        await actions.start(request.engine, one)
    await request.answer(204)


async def stop(request: Request) -> None:
    """POST /containers/{id}/stop."""
    await actions.stop(request.engine, _of(request), request.number("t"), request.query.get("signal"))
    await request.answer(204)


async def restart(request: Request) -> None:
    """POST /containers/{id}/restart."""
    one = _of(request)
    one.check("restart")
    async with one.lock:
        if one.running:
            await actions.stop(request.engine, one, request.number("t"), request.query.get("signal"))
        await actions.start(request.engine, one)
    await request.answer(204)


async def kill(request: Request) -> None:
    """POST /containers/{id}/kill."""
    await actions.kill(request.engine, _of(request), request.query.get("signal") or "SIGKILL")
    await request.answer(204)


async def rename(request: Request) -> None:
    """POST /containers/{id}/rename."""
    one, engine = _of(request), request.engine
    one.check("rename")
    name = check_name(request.query.get("name") or "")
    if engine.names.get(name, one.id) != one.id:
        raise Conflict(f'Conflict. The container name "/{name}" is already in use by container "{engine.names[name]}"')
    del engine.names[one.name]
    sandboxes.rename(one, name)
    one.name = name
    engine.names[name] = one.id
    await request.answer(204)


async def wait(request: Request) -> None:
    """POST /containers/{id}/wait: the headers come at once, the exit code when the condition holds."""
    one = _of(request)
    condition = request.query.get("condition", "")
    if condition not in {"", "not-running", "next-exit", "removed"}:
        raise InvalidParameter(f'invalid condition: "{condition}"')
    waiting = asyncio.ensure_future(actions.wait(one, condition))
    await asyncio.sleep(0)  # from here on it waits: a start that follows cannot be missed
    await request.begin_stream("application/json")
    await unless_gone(request, waiting)
    if not waiting.cancelled():
        await request.send_line({"StatusCode": waiting.result()})
        await request.end_stream()


async def resize(request: Request) -> None:
    """POST /containers/{id}/resize."""
    one = _of(request)
    one.check("resize")
    rows, columns = request.number("h") or 0, request.number("w") or 0
    if one.terminal >= 0 and 0 < rows < 65536 and 0 < columns < 65536:
        streams.resize_terminal(one.terminal, rows, columns)
    await request.answer(200)


async def remove(request: Request) -> None:
    """DELETE /containers/{id}."""
    await actions.remove(request.engine, _of(request), force=request.flag("force"))
    await request.answer(204)


async def prune(request: Request) -> None:
    """POST /containers/prune."""
    wanted = filters.parse(request.query.get("filters"), ("label", "until"))
    engine = request.engine
    removed: list[str] = []
    for one in [*engine.containers.values()]:
        stopped = one.state in {lifecycle.CREATED, lifecycle.EXITED}
        if stopped and filters.labels_match(wanted.get("label", ()), one.labels):
            await actions.remove(engine, one, force=False)
            removed.append(one.id)
    await request.answer(200, {"ContainersDeleted": removed, "SpaceReclaimed": 0})


def _streams(request: Request) -> frozenset[int]:
    chosen = {1 for _ in "x" if request.flag("stdout")} | {2 for _ in "x" if request.flag("stderr")}
    if not chosen:
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    return frozenset(chosen)


async def logs(request: Request) -> None:
    """GET /containers/{id}/logs."""
    one = _of(request)
    tail = request.query.get("tail", "all")
    if tail not in {"all", ""} and not tail.removeprefix("-").isdigit():
        raise InvalidParameter(f"invalid value {tail!r} for tail: a number of lines or 'all' is expected")
    selection = Selection(
        streams=_streams(request),
        since=parse_moment(request.query.get("since"), "since"),
        until=parse_moment(request.query.get("until"), "until"),
        tail=None if tail in {"all", ""} or tail.startswith("-") else int(tail),
        timestamps=request.flag("timestamps"),
        follow=request.flag("follow") and one.state in {lifecycle.RUNNING, lifecycle.STARTING},
        framed=not one.tty,
    )
    await request.begin_stream(RAW if one.tty else MULTIPLEXED)

    async def send() -> None:
        async for block in read_log(one.log, selection):
            await request.send(block)

    if selection.follow:
        await unless_gone(request, send())
    else:
        await send()
    await request.end_stream()


async def attach(request: Request) -> None:
    """POST /containers/{id}/attach."""
    one = _of(request)
    one.check("attach")
    chosen = {1 for _ in "x" if request.flag("stdout")} | {2 for _ in "x" if request.flag("stderr")}
    offset = 0 if request.flag("logs") else one.log.size
    raw = await request.hijack(RAW if one.tty else MULTIPLEXED)
    work: list[asyncio.Future[Any]] = []
    if request.flag("stdin"):
        work.append(asyncio.ensure_future(_feed(one, raw)))
    if not request.flag("stream"):
        return
    selection = Selection(streams=frozenset(chosen), follow=True, framed=not one.tty)
    try:
        async for block in read_log(one.log, selection, offset):
            raw.write(block)
            await raw.drain()
    finally:
        for task in work:
            task.cancel()


async def _feed(one: Container, raw: RawConnection) -> None:
    """What the client types; its end of file is the container's, where it was asked for once."""
    async for data in raw.incoming():
        await _given(one)
        if one.terminal >= 0:
            await _type(one.terminal, data)
        elif one.stdin is not None:
            try:
                await one.stdin.write(data)
            except BrokenPipeError:
                return
    await _given(one)
    if one.stdin is not None and one.body.get("StdinOnce"):
        one.stdin.close()


async def _given(one: Container) -> None:
    """Attached before the start: nothing is read by anybody yet."""
    if one.stdin is None and one.terminal < 0 and one.state in {lifecycle.CREATED, lifecycle.STARTING}:
        await one.begun.wait()


async def _type(terminal: int, data: bytes) -> None:
    import os

    view = memoryview(data)
    while view:
        try:
            view = view[os.write(terminal, view) :]
        except BlockingIOError:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().add_writer(terminal, lambda: future.done() or future.set_result(None))  # noqa: B023
            try:
                await future
            finally:
                asyncio.get_running_loop().remove_writer(terminal)
