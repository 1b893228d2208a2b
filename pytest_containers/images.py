"""The image that a test holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.client.errors import NotFoundError
from pytest_containers.errors import ContainerError, translated

if TYPE_CHECKING:
    import os

    from pytest_containers.client.types import ImageDetails
    from pytest_containers.engine import Engine

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Image:
    """An image that the engine has.

    Attributes:
        id: its id, ``sha256:…``.
        reference: the name that it was had by.
        details: all that the engine knows about it, as Docker's API has it.
    """

    id: str
    reference: str
    details: ImageDetails


def _fingerprint(archive: str | os.PathLike[str], changes: tuple[str, ...]) -> str:
    """A name for what an import gives: the same archive is imported once."""
    digest = hashlib.sha256("\0".join(changes).encode())
    with Path(archive).open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()[:16]


def obtain(
    engine: Engine,
    name: str,
    reference: str | None,
    archive: str | os.PathLike[str] | None,
    changes: tuple[str, ...],
) -> Image:
    """Pull, import or find an image.

    Raises:
        ContainerError: it cannot be had.
    """
    __tracebackhide__ = True
    client = engine.client
    if archive is None:
        wanted = reference or ""
        with translated(f"cannot have image {wanted}"):
            try:
                details = client.images.inspect(wanted)
            except NotFoundError:
                client.images.pull(wanted)
                details = client.images.inspect(wanted)
        return Image(details.get("Id", ""), wanted, details)
    try:
        repository = f"pytest-containers/{name.lower().strip('_-.') or 'image'}"
        wanted = reference or f"{repository}:{_fingerprint(archive, changes)}"
    except OSError as error:
        raise ContainerError(f"cannot import image {name}: {archive}: {error.strerror}") from None
    with translated(f"cannot import image {name} from {archive}"):
        try:
            if reference:  # the name says nothing about the content
                raise NotFoundError(404, wanted)
            details = client.images.inspect(wanted)
        except NotFoundError:
            client.images.import_(archive, wanted, changes=list(changes))
            details = client.images.inspect(wanted)
    return Image(details.get("Id", ""), wanted, details)
