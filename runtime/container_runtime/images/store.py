"""The images of a user: what all engines share, and the image ``host``, which is always there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from container_runtime.errors import Conflict, EngineError, InvalidParameter, NotFound, NotImplementedHere
from container_runtime.images import host, host_parts
from container_runtime.images.content import Content
from container_runtime.images.files import as_list, as_object, remove_tree, storage_errors
from container_runtime.images.held import Held
from container_runtime.images.merged import MergedView
from container_runtime.images.model import Image, chain_ids
from container_runtime.images.reference import Reference, parse
from container_runtime.images.removal import Removal, present, reap
from container_runtime.kernel import userns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from container_runtime.images.commit import Origin

    _Answers: TypeAlias = list[dict[str, str]]  # the class has a method of that name

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")


def _ignore(_: dict[str, Any]) -> None:
    pass


class ImageStore:
    """The store below ``root``/images. Safe for several threads and many processes at once.

    A process takes part in it with a session (``session.py``), which ends with ``close`` or with the process.
    """

    def __init__(self, root: Path) -> None:
        """Nothing is made or read until it is needed; ``root`` is ``state.paths.data_home()``."""
        self._root = root
        self._content = Content(root / "images")
        self._host = host.image(os.environ.get("PATH", ""))
        self._host_layer: Path | None = None
        self._host_parts: list[host_parts.Part] | None = None
        self._host_lock = Lock()
        self._held = Held()
        self.has_removed = False
        """Whether there may be something for ``reap``."""

    def close(self) -> None:
        """Release all leases and remove what is half made."""
        self._held.release()
        self._content.close()

    # Looking

    def list(self) -> list[Image]:
        """All images, ``host`` first."""
        images, tags = self._content.index.read()
        found = (self._content.image(each, as_object(record), tags) for each, record in present(images).items())
        return [self._host, *(image for image in found if image is not None)]

    def get(self, name: str) -> Image:
        """The image with this reference, id, or beginning of an id.

        Raises:
            NotFound: there is none ("No such image: x").
            InvalidParameter: the beginning fits several, or it can be no image's name.
        """
        images, tags = self._content.index.read()
        identity = self._find(name, present(images), tags)
        if identity == self._host.id:
            return self._host
        image = self._content.image(identity, as_object(images[identity]), tags) if identity else None
        if image is None:
            raise NotFound(f"No such image: {name}")
        return image

    def _find(self, name: str, images: dict[str, Any], tags: dict[str, str]) -> str | None:
        match = _ID.fullmatch(name)
        if match and len(match[1]) == 64:
            identity = f"sha256:{match[1]}"
            return identity if identity in images or identity == self._host.id else None
        if not name.startswith("sha256:"):
            found = self._by_reference(parse(name), images, tags)
            if found is not None:
                return found
        if match is None:
            return None
        fitting = [each for each in (self._host.id, *images) if each.startswith(f"sha256:{match[1]}")]
        if len(fitting) > 1:
            raise InvalidParameter(f"image id {name} is ambiguous: {len(fitting)} images begin with it")
        return fitting[0] if fitting else None

    def _by_reference(self, reference: Reference, images: dict[str, Any], tags: dict[str, str]) -> str | None:
        if reference.digest:
            wanted = f"{reference.name}@{reference.digest}"
            for identity, record in images.items():
                if wanted in as_list(as_object(record).get("digests")):
                    return identity
            return None
        return self._host.id if reference.canonical == host.NAME else tags.get(reference.canonical)

    def lower_directories(self, image: Image) -> tuple[str, ...]:
        """The image's layers, top first, as one stack; of ``host``, the layer that hides, and ``/``.

        Raises:
            EngineError: a layer is missing, or could not be made.
        """
        if image.id == self._host.id:
            return self._host_directories()
        layers = self._content.layers
        with storage_errors("the names of layers", self._content.home):
            found = tuple(layers.lower_directory(each) for each in reversed(chain_ids(image.diff_ids)))
            return found or (str(self._empty_layer()),)

    def layer_sizes(self, image: Image) -> dict[str, int]:
        """The sizes of the image's layers in bytes, by their chain ids; ``host`` has none."""
        return {each: self._content.layers.size(each) for each in chain_ids(image.diff_ids)}

    def read_file(self, image: Image, path: str, limit: int) -> bytes | None:
        """A regular file of the image, looked up as a container would see it; None where there is none.

        Raises:
            EngineError: it has more than ``limit`` bytes, or cannot be read.
        """
        try:
            return MergedView(self.lower_directories(image)).read(path, limit)
        except (ValueError, OSError) as error:
            raise EngineError(f"cannot read {path} of image {image.id[7:19]}: {error}") from None

    # Changing

    def pull(
        self,
        reference: str,
        platform: str | None = None,
        auth: dict[str, Any] | None = None,
        progress: Callable[[dict[str, Any]], None] = _ignore,
    ) -> Image:
        """Fetch an image from its registry; see ``pull.pull``. ``host`` and content fixed by digest need no network."""
        wanted = parse(reference)
        if wanted.canonical == host.NAME:
            progress({"status": "Status: Image is up to date for host:latest"})
            return self._host
        if wanted.digest and not platform:
            images, tags = self._content.index.read()
            identity = self._by_reference(wanted, images, tags)
            if identity is not None:
                progress({"status": f"Status: Image is up to date for {wanted.familiar}"})
                return self.get(identity)
        from container_runtime.images.pull import pull

        return self.get(pull(self._content, wanted, platform, auth, progress))

    def import_tar(
        self,
        stream: IO[bytes],
        reference: str | None = None,
        message: str = "",
        changes: Sequence[str] = (),
        platform: str | None = None,
    ) -> Image:
        """Make an image of a root filesystem's archive; see ``importer.import_tar``."""
        from container_runtime.images.importer import import_tar

        name = self._new_name(reference) if reference else None
        return self.get(import_tar(self._content, stream, name, message=message, changes=changes, platform=platform))

    def commit(
        self, base: Image, stream: IO[bytes] | None, config: dict[str, Any], origin: Origin, reference: str | None
    ) -> Image:
        """Make an image of ``base`` and what was changed above it; see ``commit.commit``."""
        from container_runtime.images.commit import commit

        if base.id == self._host.id:
            raise NotImplementedHere(
                "a container of image host cannot be committed: its base is this machine itself, which no layer can "
                "be stored above; use docker export, or an image of another base"
            )
        name = self._new_name(reference) if reference else None
        return self.get(commit(self._content, base, stream, config, origin, name))

    def tag(self, source: str, reference: str) -> None:
        """Give the image ``source`` the further name ``reference``, taking it from whatever had it.

        Raises:
            NotFound: there is no such image.
            InvalidParameter: it cannot be a name, or is that of ``host``.
        """
        name = self._new_name(reference)
        image = self.get(source)
        if image.id == self._host.id:
            raise InvalidParameter("the image host is this machine and has only that name")
        with self._content.locked():
            images, tags = self._content.index.read()
            if image.id not in images:
                raise NotFound(f"No such image: {source}")
            tags[name.canonical] = image.id
            self._content.index.write(images, tags)

    def _new_name(self, text: str) -> Reference:
        name = parse(text)
        if name.digest:
            raise InvalidParameter(f"refusing to create a tag with a digest reference: {text}")
        if name.canonical == host.NAME:
            raise InvalidParameter("the name host:latest is that of this machine's own root filesystem")
        return name

    def remove(
        self, name: str, force: bool = False, users: Mapping[str, Sequence[tuple[str, bool]]] | None = None
    ) -> _Answers:
        """Remove a name, and with the last one the image and the layers that no other image has.

        ``force``: by id, also where several repositories name it, or containers that do not run have it. ``users``: by
        image id, the containers of this engine: their ids, and whether they run. Returns Docker's list of Untagged and
        Deleted.

        Raises:
            NotFound: there is no such image.
            Conflict: a container uses it, or several repositories name it (``removal``).
        """
        trash = self._content.new_directory()
        try:
            with self._content.locked():
                images, tags = self._content.index.read()
                identity = self._find(name, present(images), tags)
                if identity is None:
                    raise NotFound(f"No such image: {name}")
                if identity == self._host.id:
                    raise Conflict("conflict: unable to delete host (cannot be forced) - it is this machine itself")
                reap(self._content, trash)
                self.has_removed = self.has_removed or bool(users)
                removal = Removal(self._content, identity, (users or {}).get(identity, ()), trash)
                by_id = identity.removeprefix("sha256:").startswith(name.removeprefix("sha256:"))
                if not by_id and tags.get(parse(name).canonical) == identity:
                    return removal.by_name(parse(name).canonical, force=force)
                return removal.whole(force=force, by_id=by_id)
        finally:
            remove_tree(trash)  # without the lock: it may take a while

    def reap(self) -> None:
        """Remove what was removed by force while containers had it, where none has any more."""
        images = self._content.index.read()[0]
        if len(present(images)) < len(images):
            trash = self._content.new_directory()
            try:
                with self._content.locked():
                    reap(self._content, trash)
            finally:
                remove_tree(trash)

    # Leases

    def lease(self, image_id: str, owner: str) -> None:
        """``owner`` (a container) uses the image until ``release``: no engine of this user removes it.

        Raises:
            NotFound: it has been removed.
        """
        if image_id == self._host.id:
            return
        with self._content.locked() as session:
            if image_id not in present(self._content.index.read()[0]):
                raise NotFound(f"No such image: {image_id}")
            session.use_image(image_id, owner)

    def release(self, owner: str) -> None:
        """``owner`` uses no image any more; nothing happens where it used none."""
        if self._content.has_session:
            with self._content.locked() as session:
                session.release(owner)

    # Layers that come from no registry

    def is_host(self, image: Image) -> bool:
        """Whether it is the machine's own root filesystem."""
        return image.id == self._host.id

    def parts(self, image: Image) -> list[tuple[str, tuple[str, ...]]]:
        """Where in the container which lower directories are laid, in the order of mounting; the first is "/"."""
        if self.is_host(image) and userns.active():
            return [*self._parts_of_host()]
        return [("/", self.lower_directories(image))]

    def _parts_of_host(self) -> Sequence[host_parts.Part]:
        with self._host_lock:
            while self._host_parts is None or not Path(self._host_parts[0].lower[0]).is_dir():
                found = host_parts.parts((self._root.resolve(),))
                if self._held.hold(Path(found[0].lower[0]).parent):  # else `clean` was faster: once more
                    self._host_parts = found
            return self._host_parts

    def _host_directories(self) -> tuple[str, ...]:
        if userns.active():
            return host_parts.whole(self._parts_of_host())
        with self._host_lock:
            while self._host_layer is None or not self._host_layer.is_dir():
                found = host.layer((self._root.resolve(),))
                if self._held.hold(found):
                    self._host_layer = found
            return (str(self._host_layer), "/")

    def _empty_layer(self) -> Path:
        path = self._content.home / "empty"
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        return path
