"""Files that are put into containers and volumes before anything runs there: as a tar archive, which engines take."""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast


@dataclass(frozen=True)
class File:
    """Content with a mode and an owner; ``content`` is bytes, text, or the path of a file or directory."""

    content: bytes | str | os.PathLike[str]
    mode: int | None = None
    """Permission bits; without it 0o644, or those of the file that a path names."""
    uid: int = 0
    gid: int = 0


Content = bytes | str | os.PathLike[str] | File
"""Bytes, text (UTF-8), a ``pathlib.Path`` whose content is taken, or a ``File``."""


def check_files(files: object, *, absolute: bool = False) -> None:
    """Raise TypeError or ValueError for what ``pack`` could not do."""
    if not isinstance(files, Mapping):
        raise TypeError(f"files must map paths to contents, not be {files!r}")
    for path, content in cast("Mapping[object, object]", files).items():
        if not isinstance(path, str) or not path.strip("/") or ".." in path.split("/") or "\0" in path:
            raise ValueError(f"files: {path!r} is not the path of a file")
        if absolute and not path.startswith("/"):
            raise ValueError(f"files: {path!r} must be absolute")
        plain = content.content if isinstance(content, File) else content
        if not isinstance(plain, bytes | str | os.PathLike):
            raise TypeError(f"files: {path} must be bytes, text, a path or a File, not {content!r}")


def pack(files: Mapping[str, Content], below: str = "/") -> bytes:
    """A tar archive of ``files``, to be unpacked at ``/``; ``below``: the directory that their paths begin at.

    Raises:
        OSError: a file that a path names cannot be read.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            name = posixpath.normpath(posixpath.join(below, path.lstrip("/"))).lstrip("/")
            _add(archive, name, content if isinstance(content, File) else File(content))
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, file: File) -> None:
    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid, member.gid, member.uname, member.gname = file.uid, file.gid, "", ""
        if file.mode is not None and not member.isdir():
            member.mode = file.mode
        return member

    if isinstance(file.content, os.PathLike):
        archive.add(Path(file.content), name, filter=owned)
        return
    data = file.content.encode() if isinstance(file.content, str) else file.content
    member = owned(tarfile.TarInfo(name))
    member.size, member.mode = len(data), 0o644 if file.mode is None else file.mode
    archive.addfile(member, io.BytesIO(data))
