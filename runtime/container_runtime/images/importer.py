"""A root filesystem's tar archive becomes an image of one layer, as ``docker import`` does it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter
from container_runtime.images.changes import apply_changes
from container_runtime.images.extract import extract_layer
from container_runtime.images.files import remove_tree, storage_errors
from container_runtime.images.platforms import parse_platform
from container_runtime.images.tarstream import BadArchive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from container_runtime.images.content import Content
    from container_runtime.images.reference import Reference


def import_tar(
    content: Content,
    stream: IO[bytes],
    reference: Reference | None,
    *,
    message: str = "",
    changes: Sequence[str] = (),
    platform: str | None = None,
) -> str:
    """Read ``stream`` (a tar archive, plain or packed by gzip, bzip2, xz or zstd) to its end; the new image's id.

    Raises:
        InvalidParameter: it is no archive, or an instruction of ``changes`` is wrong.
        EngineError: it could not be stored; nothing is left behind.
    """
    target = parse_platform(platform)
    config: dict[str, Any] = {}
    apply_changes(config, changes)
    work = content.new_directory()
    try:
        with storage_errors("the imported image", content.home):
            tree = work / "layer" / "fs"
            tree.mkdir(mode=0o755, parents=True)
            diff_id, size = extract_layer(stream, tree)
            with content.pinned((diff_id,)):
                content.layers.add(diff_id, work / "layer", diff_id=diff_id, size=size)
                document = _document(config, diff_id, message, target)
                return content.add_image(document, reference)[0]
    except BadArchive as error:
        raise InvalidParameter(f"cannot import {reference.familiar if reference else 'the archive'}: {error}") from None
    finally:
        remove_tree(work)


def _document(config: dict[str, Any], diff_id: str, message: str, platform: tuple[str, str, str]) -> bytes:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    system, architecture, variant = platform
    document = {
        "created": now,
        "os": system,
        "architecture": architecture,
        **({"variant": variant} if variant else {}),
        **({"comment": message} if message else {}),
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": now, "comment": message or "imported"}],
    }
    return json.dumps(document, sort_keys=True).encode()
