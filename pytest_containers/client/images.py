"""Images."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from pytest_containers.client.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from pytest_containers.client.http import Transport
    from pytest_containers.client.types import HistoryEntry, ImageDeletion, ImageDetails, ImageSummary, Progress, Pruned


def split_reference(reference: str) -> tuple[str, str]:
    """Return ``(name, tag or digest)`` of ``[registry[:port]/]name[:tag][@digest]``; no tag means ``latest``."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:  # else the colon is a registry's port
        return head, tag
    return name, "latest"


class Images:
    """``client.images``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def pull(
        self,
        reference: str,
        progress: Callable[[Progress], None] | None = None,
        *,
        platform: str | None = None,
        auth: Mapping[str, str] | None = None,
    ) -> None:
        """Fetch an image from its registry; ``progress`` is called with each line that the engine reports."""
        name, tag = split_reference(reference)
        headers: dict[str, str] = {}
        if auth:
            headers["X-Registry-Auth"] = base64.urlsafe_b64encode(json.dumps(dict(auth)).encode()).decode()
        query = {"fromImage": name, "tag": tag, "platform": platform}
        with self._transport.stream("POST", "/images/create", query=query, headers=headers) as stream:
            for line in stream.lines():
                if progress:
                    progress(line)

    def import_(
        self,
        file: IO[bytes] | str | PathLike[str],
        reference: str,
        *,
        message: str | None = None,
        changes: list[str] | None = None,
    ) -> str:
        """Make an image of the tarball of a root filesystem (a path or an open file) and return its id.

        ``changes`` are Dockerfile instructions (``CMD ["sh"]``).
        """
        if not hasattr(file, "read"):
            with Path(file).open("rb") as opened:  # pyright: ignore[reportArgumentType]
                return self.import_(opened, reference, message=message, changes=changes)
        name, tag = split_reference(reference)
        query = {"fromSrc": "-", "repo": name, "tag": tag, "message": message, "changes": changes}
        status = ""
        with self._transport.stream("POST", "/images/create", query=query, body=file) as stream:
            for line in stream.lines():
                status = str(line.get("status", ""))
        if not status.startswith("sha256:"):
            raise ServerError(500, f"import of {reference}: the engine named no image, but said {status!r}")
        return status

    def build(self, context: IO[bytes], reference: str) -> None:
        """Build an image of a tar archive with a ``Dockerfile`` in it."""
        query = {"t": reference, "rm": True, "version": "1"}
        with self._transport.stream("POST", "/build", query=query, body=context) as stream:
            for _ in stream.lines():
                pass

    def list(
        self,
        *,
        all: bool = False,  # noqa: A002  # Docker's word
        filters: Mapping[str, list[str]] | None = None,
    ) -> list[ImageSummary]:
        """Return the images of the store."""
        query = {"all": all, "filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("GET", "/images/json", query=query).json()

    def inspect(self, name: str) -> ImageDetails:
        """Return all about one image."""
        return self._transport.request("GET", f"/images/{_quote(name)}/json").json()

    def remove(self, name: str, *, force: bool = False) -> list[ImageDeletion]:
        """Remove a tag, and the image with its last tag."""
        return self._transport.request("DELETE", f"/images/{_quote(name)}", query={"force": force}).json()

    def history(self, name: str) -> list[HistoryEntry]:
        """Return the steps that made an image, the last one first."""
        return self._transport.request("GET", f"/images/{_quote(name)}/history").json()

    def prune(self, filters: Mapping[str, list[str]] | None = None) -> Pruned:
        """Remove images without a tag, or with the filter ``dangling=false`` all that no container uses."""
        query = {"filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("POST", "/images/prune", query=query).json()

    def tag(self, name: str, reference: str) -> None:
        """Give an image another name."""
        repository, tag = split_reference(reference)
        self._transport.request("POST", f"/images/{_quote(name)}/tag", query={"repo": repository, "tag": tag})


def _quote(name: str) -> str:
    """Quote a reference for a path; its slashes stay, as Docker's clients do it."""
    return quote(name, safe="/:@")
