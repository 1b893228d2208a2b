"""The nearest thing to a snapshot on engines that have none (Docker, Podman): an image that is committed.

A commit leaves volumes out, so their content is added to the image at their places, by a build without RUN steps; the
engine fills each new container's volumes from there, which takes as long as copying them does.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from dataclasses import replace
from typing import IO, TYPE_CHECKING, cast

from pytest_containers.client.errors import NotFoundError
from pytest_containers.errors import NoSnapshot, translated

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

REPOSITORY = "pytest-containers/snapshot"


def image_id(engine: Engine, image: str) -> str:
    """The id of an image, which is pulled where it is not there."""
    with translated(f"cannot have image {image}"):
        try:
            return engine.client.images.inspect(image).get("Id", "")
        except NotFoundError:
            engine.client.images.pull(image)
            return engine.client.images.inspect(image).get("Id", "")


def check(engine: Engine, key: str) -> None:
    """Raise NoSnapshot where it has not been made."""
    with translated("cannot look for a snapshot"):
        try:
            engine.client.images.inspect(f"{REPOSITORY}:{key}")
        except NotFoundError:
            raise NoSnapshot(key) from None


def based_on(spec: ContainerSpec, key: str) -> ContainerSpec:
    """The definition with the snapshot's image in the place of its own."""
    return replace(spec, docker={**spec.docker, "Image": f"{REPOSITORY}:{key}"})


def make(engine: Engine, container: Container, key: str) -> None:
    """Make the image of a container that has ended."""
    from pytest_containers.engine import RUN_LABEL

    client = engine.client
    places = _anonymous(container)
    committed = client.containers.commit(
        container.id, repository=REPOSITORY, tag=f"{key}-base" if places else key, config={"Labels": {RUN_LABEL: ""}}
    )
    if not places:
        return
    try:
        with tempfile.TemporaryFile() as context:
            _pack(engine, container, committed, sorted(places, key=len), context)
            context.seek(0)
            client.images.build(context, f"{REPOSITORY}:{key}")
    finally:
        client.images.remove(f"{REPOSITORY}:{key}-base")


def _anonymous(container: Container) -> list[str]:
    """Where its anonymous volumes are: their names are 64 hexadecimal digits."""
    mounts = cast("list[dict[str, str]]", container.inspect().get("Mounts") or [])
    return [one["Destination"] for one in mounts if one.get("Type") == "volume" and len(one.get("Name", "")) == 64]


def _pack(engine: Engine, container: Container, base: str, places: list[str], context: IO[bytes]) -> None:
    """The context of the build: for each volume an archive, which ADD unpacks with owners and modes."""
    steps = [f"FROM {base}"]
    with tarfile.open(fileobj=context, mode="w") as packed:
        for number, place in enumerate(places):
            with (
                tempfile.TemporaryFile() as file,
                engine.client.containers.get_archive(container.id, place).stream as archive,
            ):
                for piece in archive:
                    file.write(piece)
                parent, _, name = place.rstrip("/").rpartition("/")
                with named(file, name) as content:
                    member = tarfile.TarInfo(f"{number}.tar")
                    member.size = content.seek(0, io.SEEK_END)
                    content.seek(0)
                    packed.addfile(member, content)
            steps.append(f'ADD ["{number}.tar", "{parent}/"]')
        text = "\n".join(steps).encode()
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        packed.addfile(member, io.BytesIO(text))


@contextlib.contextmanager
def named(archive: IO[bytes], base: str) -> Generator[IO[bytes]]:
    """The archive of a directory with ``base`` as that directory's name: of a volume Podman's has none."""
    archive.seek(0)
    with tarfile.open(fileobj=archive) as source, tempfile.TemporaryFile() as file:
        first = source.next()
        if first is None or first.name.strip("/") == base:
            yield archive
            return
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as renamed:
            for member in source:
                member.name = f"{base}/{member.name.strip('/')}".rstrip("/")
                if member.islnk():
                    member.linkname = f"{base}/{member.linkname.strip('/')}"
                member.pax_headers = {
                    key: value for key, value in member.pax_headers.items() if key not in {"path", "linkpath"}
                }
                renamed.addfile(member, source.extractfile(member) if member.isreg() else None)
        yield file
