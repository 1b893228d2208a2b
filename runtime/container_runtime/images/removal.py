"""Removing images: which names go, what keeps an image there, and what of it stays for a container that has ended.

Rules and messages are moby's (daemon/images/image_delete.go). An image that is removed by force while containers that
do not run have it is no image any more, but its record stays in the index, marked, and with it layers and blobs; the
end of the last such container, or any later removal, takes them away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.errors import Conflict
from container_runtime.images.content import REMOVED
from container_runtime.images.files import as_list, as_object
from container_runtime.images.model import chain_ids
from container_runtime.images.reference import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from container_runtime.images.content import Content

_SHORT = 12


def present(images: Mapping[str, Any]) -> dict[str, Any]:
    """The records of the index without those that are marked."""
    return {identity: record for identity, record in images.items() if not as_object(record).get(REMOVED)}


class Removal:
    """One removal; to be made and used under the store's lock."""

    def __init__(self, content: Content, identity: str, users: Sequence[tuple[str, bool]], trash: Path) -> None:
        """``users``: the containers of this engine that have the image. ``trash``: where layers are moved to."""
        self._content = content
        self._identity = identity
        self._users = users
        self._trash = trash
        self._images, self._tags = content.index.read()
        self._answers: list[dict[str, str]] = []

    def by_name(self, canonical: str, *, force: bool) -> list[dict[str, str]]:
        """Take the name away, and with the last one the image, if nothing has it.

        Raises:
            Conflict: a container has it, and this is its last name; unless ``force``.
        """
        names = self._names()
        if len(names) == 1 and not force:
            self._check_foreign(canonical)
            for container, _ in self._users:
                raise Conflict(
                    f'conflict: unable to remove repository reference "{parse(canonical).familiar}" (must force) - '
                    f"container {container[:_SHORT]} is using its referenced image {self._short()}"
                )
        del self._tags[canonical]
        self._answers.append({"Untagged": parse(canonical).familiar})
        if len(names) > 1:
            self._content.index.write(self._images, self._tags)
        elif self._is_held() or any(running for _, running in self._users):
            self._drop_digests()
            self._content.index.write(self._images, self._tags)
        else:
            self._delete()
        return self._answers

    def whole(self, *, force: bool, by_id: bool) -> list[dict[str, str]]:
        """Take all names away, and the image; ``by_id``: it was not its only digest that was given.

        Raises:
            Conflict: a container has it, or several repositories name it; with ``force`` only one that runs, or one of
                another engine.
        """
        self._check_foreign(self._short())
        for container, running in self._users:
            if running:
                self._refuse("cannot be forced", f"image is being used by running container {container[:_SHORT]}")
        if len({parse(each).name for each in self._names()}) > 1 and by_id and not force:
            self._refuse("must be forced", "image is referenced in multiple repositories")
        for container, _ in self._users:
            if not force:
                self._refuse("must be forced", f"image is being used by stopped container {container[:_SHORT]}")
        self._delete()
        return self._answers

    def _refuse(self, remedy: str, reason: str) -> None:
        raise Conflict(f"conflict: unable to delete {self._short()} ({remedy}) - {reason}")

    def _check_foreign(self, name: str) -> None:
        if self._is_held():
            raise Conflict(
                f"conflict: unable to delete {name} (cannot be forced) - image is being used by a container of an "
                "engine that is running"
            )

    def _is_held(self) -> bool:
        """Whether a container has it that ``users`` does not know: of another engine, or one that is being made."""
        uses = self._content.uses() if not self._users else self._content.uses_of_others()
        return any(self._identity in one["images"] for one in uses)

    def _short(self) -> str:
        return self._identity.removeprefix("sha256:")[:_SHORT]

    def _names(self) -> list[str]:
        return sorted(each for each, owner in self._tags.items() if owner == self._identity)

    def _drop_digests(self) -> None:
        record = dict(as_object(self._images[self._identity]))
        digests = as_list(record.pop("digests", None))
        self._answers += [{"Untagged": parse(str(each)).familiar} for each in digests]
        self._images[self._identity] = record

    def _delete(self) -> None:
        for each in self._names():
            self._answers.append({"Untagged": parse(each).familiar})
            del self._tags[each]
        self._drop_digests()
        self._answers.append({"Deleted": self._identity})
        if self._users:
            self._images[self._identity] = {**self._images[self._identity], REMOVED: True}
            self._content.index.write(self._images, self._tags)
        else:
            self._answers += _forget(self._content, self._identity, self._images, self._tags, self._trash)


def reap(content: Content, trash: Path) -> None:
    """Take away what is marked, and no container has any more; under the store's lock."""
    images, tags = content.index.read()
    used = {each for uses in content.uses() for each in uses["images"]}
    for identity in images.keys() - present(images).keys() - used:
        _forget(content, identity, images, tags, trash)


def _forget(
    content: Content, identity: str, images: dict[str, Any], tags: dict[str, str], trash: Path
) -> list[dict[str, str]]:
    """Take record, layers and blobs away; returns the layers."""
    image = content.image(identity, as_object(images[identity]), tags)
    record = as_object(images.pop(identity))
    # First the index, then what it named: a kill in between leaves files, never a name without content.
    content.index.write(images, tags)
    needed = {each for uses in content.uses() for each in uses["layers"]}
    blobs: set[str] = set()
    for other, kept in images.items():
        found = content.image(other, as_object(kept), tags)
        needed.update(chain_ids(found.diff_ids) if found else ())
        blobs.update((other, *as_list(as_object(kept).get("blobs"))))
    deleted: list[dict[str, str]] = []
    for chain_id in reversed(chain_ids(image.diff_ids) if image else ()):
        if chain_id not in needed:
            content.layers.discard(chain_id, trash)
            deleted.append({"Deleted": chain_id})
    for blob in (identity, *as_list(record.get("blobs"))):
        if blob not in blobs:
            content.remove_blob(str(blob))
    return deleted
