"""What containers are made of, in a form that processes and runs can compare."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_containers.definition import create_body

if TYPE_CHECKING:
    from pytest_containers.definition import ContainerSpec


def digest(value: object) -> str:
    """64 hexadecimal digits for what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()


def fields_of(spec: ContainerSpec, name: str, *, publish: bool) -> dict[str, str]:
    """What a container is made of, each field as a digest: the values may be secrets.

    Raises:
        OSError: a file that is to be put into it cannot be read.
    """
    body = cast("dict[str, Any]", create_body(spec, {}, [name] if name.isidentifier() else [], publish=publish))
    host: dict[str, Any] = body.pop("HostConfig")
    files = {path: content_of(content) for path, content in spec.files.items()}
    copies = {target: content_of(Path(source)) for source, target in spec.copies.items()}
    parts = body | {f"HostConfig.{field}": value for field, value in host.items()}
    parts |= {"files": files, "copies": copies, "name": spec.name}
    return {field: digest(value) for field, value in parts.items()}


def content_of(content: object) -> object:
    """A file's or a directory's content for comparison; where it lies does not count."""
    inner = getattr(content, "content", content)
    rest = [getattr(content, field, None) for field in ("mode", "uid", "gid")] if inner is not content else []
    if isinstance(inner, os.PathLike):
        return [_tree(Path(cast("os.PathLike[str]", inner))), *rest]
    data = inner.encode() if isinstance(inner, str) else inner
    return [hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else repr(data), *rest]


def _tree(path: Path) -> object:
    """What is there, with modes: a digest of a file, a mapping for a directory."""
    mode = path.lstat().st_mode
    if path.is_symlink():
        return [mode, os.fspath(path.readlink())]
    if path.is_dir():
        return [mode, {entry.name: _tree(entry) for entry in path.iterdir()}]
    if not path.is_file():
        return [mode]
    with path.open("rb") as file:
        return [mode, hashlib.file_digest(file, "sha256").hexdigest()]
