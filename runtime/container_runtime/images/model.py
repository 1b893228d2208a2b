"""An image as the engine sees it, and the names of its layers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from container_runtime.images.files import as_list, as_object

MACHINES = {"x86_64": ("amd64", ""), "aarch64": ("arm64", "v8")}
"""GOARCH and variant of the machine names that uname(2) gives (OCI image specification, "Platform Variants")."""


_TEXT, _TEXTS, _OBJECT = "text", "texts", "object"
_SHAPES = {
    "Env": _TEXTS, "Cmd": _TEXTS, "Entrypoint": _TEXTS, "User": _TEXT, "WorkingDir": _TEXT, "StopSignal": _TEXT,
    "ExposedPorts": _OBJECT, "Volumes": _OBJECT, "Labels": _OBJECT,
}  # fmt: skip


@dataclass(frozen=True)
class Image:
    """An image of the store; the fields are those of Docker's ``ImageInspect``.

    ``config`` is the execution part of the image's configuration ("config": Env, Cmd, …), with nothing filled in; the
    members of the specification have the types that it says.
    """

    id: str
    repo_tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    created: str
    size: int
    architecture: str
    os: str
    variant: str
    author: str
    comment: str
    config: dict[str, Any]
    diff_ids: tuple[str, ...]
    history: tuple[dict[str, Any], ...]
    parent: str = field(default="")


def sha256(data: bytes) -> str:
    """The digest of ``data``, with its algorithm: ``sha256:…``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def chain_ids(diff_ids: tuple[str, ...]) -> tuple[str, ...]:
    """For each layer, lowest first, a name for it and all below it (OCI image specification, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(sha256(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


def _has_shape(value: Any, shape: str) -> bool:
    if shape == _TEXT:
        return isinstance(value, str)
    if shape == _OBJECT:
        return isinstance(value, dict)
    return isinstance(value, list) and all(isinstance(each, str) for each in as_list(value))


def _execution(declared: Any) -> dict[str, Any]:
    """The "config" of an image without members that are not what the specification says: nobody has checked them."""
    return {
        key: value
        for key, value in as_object(declared).items()
        if value is not None and (key not in _SHAPES or _has_shape(value, _SHAPES[key]))
    }


def image_of(identity: str, config: dict[str, Any], *, tags: list[str], digests: list[str], size: int) -> Image:
    """The image with the configuration ``config`` (OCI image specification, "Image Configuration")."""
    return Image(
        id=identity,
        repo_tags=tuple(sorted(tags)),
        repo_digests=tuple(sorted(digests)),
        created=str(config.get("created") or "0001-01-01T00:00:00Z"),
        size=size,
        architecture=str(config.get("architecture") or ""),
        os=str(config.get("os") or "linux"),
        variant=str(config.get("variant") or ""),
        author=str(config.get("author") or ""),
        comment=str(config.get("comment") or ""),
        config=_execution(config.get("config")),
        diff_ids=tuple(str(each) for each in as_list(as_object(config.get("rootfs")).get("diff_ids"))),
        history=tuple(as_object(each) for each in as_list(config.get("history"))),
    )
