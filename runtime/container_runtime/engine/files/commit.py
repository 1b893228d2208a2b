"""``docker commit``: the container's changes become a layer, its configuration that of a new image."""

from __future__ import annotations

import io
import os
import threading
from contextlib import asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from container_runtime.engine.events import announce
from container_runtime.engine.files import changes
from container_runtime.engine.files.packing import Packer
from container_runtime.engine.files.session import opened
from container_runtime.engine.files.transfer import in_thread, uncancelled
from container_runtime.engine.life import lifecycle, pausing
from container_runtime.errors import EngineError, NotImplementedHere
from container_runtime.images.changes import apply_changes
from container_runtime.images.commit import Origin
from container_runtime.images.reference import parse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.files.changes import Change
    from container_runtime.images.model import Image

_MEMBERS = ("User", "ExposedPorts", "Env", "Labels", "Entrypoint", "Cmd", "Healthcheck", "WorkingDir", "Volumes",
            "StopSignal", "OnBuild", "Shell", "ArgsEscaped")  # fmt: skip
_CHUNK = 1 << 18


class Wish(NamedTuple):
    """What a client wants of the new image."""

    reference: str | None
    comment: str
    author: str
    changes: Sequence[str]
    """Dockerfile instructions."""
    config: Mapping[str, Any]
    """Members of the image's configuration, types already checked."""
    pause: bool = True
    """Whether its processes stand still meanwhile, where they can be made to."""


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """``first`` completed by ``second`` as moby's daemon/commit.go does it: maps and environment by their keys."""
    found = {key: first[key] for key in _MEMBERS if first.get(key)}
    for key in ("ExposedPorts", "Labels", "Volumes"):
        if joined := {**(second.get(key) or {}), **(first.get(key) or {})}:
            found[key] = joined
    environment = [*(first.get("Env") or ())]
    known = {line.partition("=")[0] for line in environment}
    environment += [line for line in second.get("Env") or () if line.partition("=")[0] not in known]
    if environment:
        found["Env"] = environment
    if second.get("Healthcheck"):
        own = {key: value for key, value in (found.get("Healthcheck") or {}).items() if value}
        found["Healthcheck"] = {**second["Healthcheck"], **own}
    found |= {key: second[key] for key in ("User", "WorkingDir", "StopSignal") if second.get(key) and key not in found}
    return found | _command(first, second)


def _command(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """What entrypoint and command take over: a command belongs to the entrypoint that it was written for."""
    if first.get("Entrypoint"):
        return {}
    taken: dict[str, Any] = {}
    if not first.get("Cmd") and second.get("Cmd"):
        taken["Cmd"] = second["Cmd"]
    if first.get("Entrypoint") is None and second.get("Entrypoint"):
        taken["Entrypoint"] = second["Entrypoint"]
    return taken


def configuration(container: Container, wish: Wish) -> dict[str, Any]:
    """The "config" of the new image.

    Raises:
        InvalidParameter: an instruction of ``wish.changes`` is none, or is wrong.
    """
    wanted = {key: value for key, value in wish.config.items() if key in _MEMBERS}
    apply_changes(wanted, wish.changes)
    return merge(wanted, merge(container.body, container.image.config))


async def commit(engine: Engine, container: Container, wish: Wish) -> Image:
    """Make the image; a client that goes does not stop it, as with Docker.

    Raises:
        InvalidParameter: see ``configuration``; or the name is none.
        Conflict: the container is being removed.
        NotImplementedHere: it has frozen layers (``freezing``) above its image.
        EngineError: it could not be stored.
    """
    if container.bases:
        raise NotImplementedHere(
            f"container {container.name} starts from a snapshot or has checkpoints: it cannot be committed; use docker "
            "export"
        )
    config = configuration(container, wish)
    origin = Origin(
        wish.author, wish.comment, " ".join(container.body.get("Cmd") or container.image.config.get("Cmd") or [])
    )
    async with _paused(engine, container, wanted=wish.pause), opened(engine, container, bare=True) as found:
        chosen = changes.parts(engine, container)

        def work() -> Image:
            different = changes.compare(chosen)

            def store(stream: IO[bytes] | None) -> Image:
                return engine.images.commit(container.image, stream, config, origin, wish.reference)

            if not different:
                return store(None)
            return _piped(lambda packer: _pack(packer, found.root.descriptor, different), store)

        making = in_thread(work)
        await uncancelled(making)
        image = making.result()
    labels = announce.labels_of(image)
    announce.image(engine, "create", image.id, "", labels)
    name = parse(wish.reference).familiar if wish.reference else ""
    if name:
        announce.image(engine, "tag", image.id, name, labels)
    container.publish(engine.events, "commit", comment=wish.comment, imageID=image.id, imageRef=name)
    return image


@asynccontextmanager
async def _paused(engine: Engine, container: Container, *, wanted: bool) -> AsyncGenerator[None]:
    """Where a user has no freezer, or the container ends meanwhile, it is done without: so does moby."""
    paused = False
    if wanted and container.state == lifecycle.RUNNING:
        with suppress(EngineError):
            await pausing.pause(engine, container)
            paused = True
    try:
        yield
    finally:
        if paused:
            with suppress(EngineError):
                await pausing.unpause(engine, container)


def _pack(packer: Packer, root: int, different: Sequence[Change]) -> None:
    for change in different:
        path = change.path[1:]
        if change.kind == changes.DELETED:
            packer.whiteout(path)
        else:
            try:
                packer.entry(root, path, path)
            except FileNotFoundError:
                continue  # gone since it was looked at: the container runs


class _Checked(io.RawIOBase):
    """The reading end of a pipe, whose end counts only if the writer has not failed."""

    def __init__(self, descriptor: int, finish: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._finish = finish

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = os.read(self._descriptor, _CHUNK if size < 0 else size)
        if not data:
            self._finish()
        return data


def _piped(pack: Callable[[Packer], None], store: Callable[[IO[bytes]], Image]) -> Image:
    """Give ``store`` the archive that ``pack`` makes in another thread; the error of either is raised."""
    read, write = os.pipe2(os.O_CLOEXEC)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(write, "wb", buffering=_CHUNK) as file:
                packer = Packer(file.write)
                pack(packer)
                packer.finish()
        except BaseException as error:  # noqa: BLE001  it is the reader's
            failures.append(error)

    def finish() -> None:
        thread.join()
        if failures:
            raise EngineError(f"cannot read what is to be committed: {failures[0]}")

    thread = threading.Thread(target=run, name="commit", daemon=True)
    thread.start()
    try:
        return store(cast("IO[bytes]", _Checked(read, finish)))
    finally:
        os.close(read)
        thread.join()
