"""The files of containers: archives in and out, export, changes, commit."""

from __future__ import annotations

import base64
import binascii
import io
import json
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from pytest_containers.client.errors import NotFoundError, ServerError
from pytest_containers.client.http import segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.http import Stream, Transport
    from pytest_containers.client.types import Change, CommitAnswer, PathStat

STAT_HEADER = "X-Docker-Container-Path-Stat"
MODE_DIRECTORY = 1 << 31
"""The bit of a directory in ``PathStat["mode"]``, which is Go's ``fs.FileMode``."""
MODE_LINK = 1 << 27
"""The bit of a symbolic link there."""


class Archive(NamedTuple):
    """A file or directory of a container: its status, and the tar archive that holds it, to be read and closed."""

    stat: PathStat
    stream: Stream


def parse_stat(header: str) -> PathStat:
    """Return what the header ``X-Docker-Container-Path-Stat`` says: base64 of JSON."""
    try:
        value: Any = json.loads(base64.b64decode(header, validate=True))
    except (ValueError, binascii.Error):
        value = None
    if not isinstance(value, dict):
        raise ServerError(500, f"the engine sent no usable {STAT_HEADER}: {header[:80]!r}")
    return cast("PathStat", value)


class ContainerFiles:
    """The part of ``client.containers`` that is about files; containers may run or not."""

    _transport: Transport

    def stat_path(self, name: str, path: str) -> PathStat:
        """Return the status of a path; of a symbolic link its own, with what it leads to in ``linkTarget``."""
        target = f"/containers/{segment(name)}/archive"
        try:
            with self._transport.stream("HEAD", target, query={"path": path}) as stream:
                return parse_stat(stream.headers.get(STAT_HEADER) or "")
        except NotFoundError as error:  # the answer to HEAD has no body, so no words either
            raise NotFoundError(error.status, f"Could not find the file {path} in container {name}") from None

    def get_archive(self, name: str, path: str) -> Archive:
        """Return a file, or a directory with all in it, as a tar archive; see ``Archive``."""
        target = f"/containers/{segment(name)}/archive"
        stream = self._transport.stream("GET", target, query={"path": path})
        try:
            return Archive(parse_stat(stream.headers.get(STAT_HEADER) or ""), stream)
        except BaseException:
            stream.close()
            raise

    def put_archive(
        self,
        name: str,
        path: str,
        archive: bytes | IO[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
    ) -> None:
        """Unpack a tar archive (plain, or packed by gzip, bzip2, xz or zstd) in a directory of the container.

        ``no_overwrite_dir_non_dir``: no directory may replace what is none, nor the other way round.
        ``copy_uid_gid``: the files belong to the container's user, not to the owners that the archive names.
        """
        query = {"path": path, "noOverwriteDirNonDir": no_overwrite_dir_non_dir, "copyUIDGID": copy_uid_gid}
        body = io.BytesIO(archive) if isinstance(archive, bytes) else archive
        self._transport.request("PUT", f"/containers/{segment(name)}/archive", query=query, body=body)

    def export(self, name: str) -> Stream:
        """Return the container's root filesystem as a tar archive, without what is mounted in it."""
        return self._transport.stream("GET", f"/containers/{segment(name)}/export")

    def changes(self, name: str) -> list[Change]:
        """Return what differs from the image: ``Kind`` 0 changed, 1 added, 2 deleted."""
        return self._transport.request("GET", f"/containers/{segment(name)}/changes").json() or []

    def commit(
        self,
        name: str,
        *,
        repository: str | None = None,
        tag: str | None = None,
        comment: str | None = None,
        author: str | None = None,
        pause: bool = True,
        changes: list[str] | None = None,
        config: Mapping[str, object] | None = None,
    ) -> str:
        """Make an image of the container as it is now and return its id.

        ``changes`` are Dockerfile instructions (``CMD ["sh"]``), ``config`` what else the image's configuration says.
        """
        query = {
            "container": name,
            "repo": repository,
            "tag": tag,
            "comment": comment,
            "author": author,
            "pause": str(int(pause)),
            "changes": changes,
        }
        answer: CommitAnswer = self._transport.request("POST", "/commit", query=query, body=dict(config or {})).json()
        return answer["Id"]
