"""What was changed above an image becomes a layer, and the two an image: ``docker commit``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from container_runtime.errors import EngineError
from container_runtime.images.extract import extract_layer
from container_runtime.images.files import remove_tree, storage_errors
from container_runtime.images.model import chain_ids
from container_runtime.images.tarstream import BadArchive

if TYPE_CHECKING:
    from container_runtime.images.content import Content
    from container_runtime.images.model import Image
    from container_runtime.images.reference import Reference


class Origin(NamedTuple):
    """What an image says of how it came to be."""

    author: str
    comment: str
    created_by: str


def commit(
    content: Content,
    base: Image,
    stream: IO[bytes] | None,
    config: dict[str, Any],
    origin: Origin,
    reference: Reference | None,
) -> str:
    """Make an image of ``base``, in use by the caller, and the layer ``stream`` (None: no layer); the new image's id.

    ``config`` is the new image's own: Env, Cmd ….

    Raises:
        EngineError: it could not be stored; nothing is left behind.
    """
    if stream is None:
        return content.add_image(_document(base, base.diff_ids, config, origin, empty=True), reference)[0]
    work = content.new_directory()
    try:
        with storage_errors("the committed image", content.home):
            tree = work / "layer" / "fs"
            tree.mkdir(mode=0o755, parents=True)
            diff_id, size = extract_layer(stream, tree)
            diff_ids = (*base.diff_ids, diff_id)
            chain = chain_ids(diff_ids)
            with content.pinned(chain):
                content.layers.add(chain[-1], work / "layer", diff_id=diff_id, size=size)
                return content.add_image(_document(base, diff_ids, config, origin, empty=False), reference)[0]
    except BadArchive as error:
        raise EngineError(f"cannot commit: {error}") from None
    finally:
        remove_tree(work)


def _document(base: Image, diff_ids: tuple[str, ...], config: dict[str, Any], origin: Origin, *, empty: bool) -> bytes:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    step: dict[str, Any] = {"created": now, "created_by": origin.created_by}
    step |= {key: text for key, text in (("author", origin.author), ("comment", origin.comment)) if text}
    if empty:
        step["empty_layer"] = True
    document = {
        "created": now,
        "os": base.os,
        "architecture": base.architecture,
        **({"variant": base.variant} if base.variant else {}),
        **({"author": origin.author} if origin.author else {}),
        **({"comment": origin.comment} if origin.comment else {}),
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [*base.history, step],
    }
    return json.dumps(document, sort_keys=True).encode()
