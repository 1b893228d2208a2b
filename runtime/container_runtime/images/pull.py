"""Pulling an image: from a name to layers on disk and an entry of the index, or nothing at all.

Layers are downloaded side by side and unpacked in order, because what an archive does not say about a parent directory
comes from the layers below. Two pulls that share layers, in one process or in several, fetch each of them once.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.errors import EngineError, NotFound, Unavailable
from container_runtime.images.extract import extract_layer
from container_runtime.images.files import as_list, as_object, parse_object, remove_tree, storage_errors
from container_runtime.images.merged import MergedView
from container_runtime.images.model import chain_ids
from container_runtime.images.platforms import Platform, choose, parse_platform
from container_runtime.images.reference import is_digest
from container_runtime.images.registry import INDEX_TYPES, MANIFEST_TYPES, Repository, TransferError, endpoints
from container_runtime.images.tarstream import MAX_LAYER_BYTES, BadArchive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from container_runtime.images.content import Content
    from container_runtime.images.lock import FileLock
    from container_runtime.images.reference import Reference

    Progress = Callable[[dict[str, Any]], None]

_AT_ONCE = 4  # downloads; dockerd has 3
_ATTEMPTS = 3  # of one download
_MAX_CONFIG = 8 << 20
_MAX_LAYERS = 500  # overlayfs, OVL_MAX_STACK
_PROGRESS_EVERY = 0.1  # seconds between two progress lines of a layer


class _Layer(NamedTuple):
    digest: str
    size: int
    diff_id: str
    chain_id: str

    @property
    def short(self) -> str:
        return self.digest[7:19]


class _Stopped(EngineError):
    """Another layer of the same pull has failed."""


def pull(
    content: Content, reference: Reference, platform: str | None, auth: dict[str, Any] | None, progress: Progress
) -> str:
    """Fetch what ``reference`` names and write it into the index; returns the image's id.

    ``progress`` gets Docker's JSON progress messages, one call at a time, from several threads.

    Raises:
        NotFound: the registry does not have it, or not for this platform.
        Unauthorized: the credentials are refused.
        Unavailable: the registry cannot be reached.
        EngineError: any other reason; nothing is left behind.
    """
    wanted = parse_platform(platform)
    addresses = endpoints(reference.registry)
    for number, address in enumerate(addresses):
        last = number == len(addresses) - 1
        # A mirror is not who the credentials are for.
        repository = Repository(address, reference, auth if last else None)
        try:
            return _Pull(content, repository, reference, wanted, progress, strict=bool(platform)).run()
        except (NotFound, Unavailable):
            if last:
                raise
        finally:
            repository.close()
    raise AssertionError("there is always an address")


class _Pull:
    def __init__(
        self,
        content: Content,
        repository: Repository,
        reference: Reference,
        platform: Platform,
        progress: Progress,
        *,
        strict: bool,
    ) -> None:
        self._content = content
        self._repository = repository
        self._reference = reference
        self._platform = platform
        self._strict = strict
        self._report = progress
        self._report_lock = Lock()
        self._failed = Event()

    def run(self) -> str:
        data, kind, top_digest = self._repository.manifest(self._reference.wanted)
        self._progress(f"Pulling from {self._familiar_path()}", self._reference.wanted)
        if kind in INDEX_TYPES:
            data, kind = self._for_platform(data)
        if kind not in MANIFEST_TYPES:
            raise EngineError(f"{self._reference.familiar}: the registry sent a {kind!r}, which is no image manifest")
        manifest = _document(data, "the manifest")
        config = self._config(as_object(manifest.get("config")))
        layers = self._layers(manifest, _document(config, "the image's configuration"))
        with self._content.pinned(tuple(layer.chain_id for layer in layers)):
            self._fetch(layers)
            canonical = f"{self._reference.name}@{top_digest}"
            identity, new = self._content.add_image(config, self._reference, (canonical, data))
        self._progress(f"Digest: {top_digest}")
        news = "Downloaded newer image for" if new else "Image is up to date for"
        self._progress(f"Status: {news} {self._reference.familiar}")
        return identity

    def _familiar_path(self) -> str:
        return self._reference.repository

    def _progress(self, status: str, identity: str | None = None, **more: Any) -> None:
        with self._report_lock:
            self._report({"status": status, **({"id": identity} if identity else {}), **more})

    # What is to be fetched

    def _for_platform(self, data: bytes) -> tuple[bytes, str]:
        entries = [as_object(entry) for entry in as_list(_document(data, "the image index").get("manifests"))]
        chosen = choose(self._platform, entries)
        if chosen is None:
            names = (_platform_name(as_object(entry.get("platform"))) for entry in entries)
            there = ", ".join(sorted({name for name in names if not name.startswith("unknown")}))
            raise NotFound(
                f"no matching manifest for {self._platform} in the manifest list entries of "
                f"{self._reference.familiar}; it has {there or 'none'}"
            )
        digest = self._digest(chosen)
        fetched, kind, _ = self._repository.manifest(digest)
        return fetched, kind

    def _digest(self, descriptor: dict[str, Any]) -> str:
        digest = descriptor.get("digest")
        if not isinstance(digest, str) or not is_digest(digest):
            raise EngineError(f"{self._reference.familiar}: the registry names content by {digest!r}, not by sha256")
        return digest

    def _size(self, descriptor: dict[str, Any], limit: int) -> int:
        size = descriptor.get("size")
        if not isinstance(size, int) or not 0 <= size <= limit:
            raise EngineError(f"{self._reference.familiar}: content of {size!r} bytes is refused, {limit} is the most")
        return size

    def _config(self, descriptor: dict[str, Any]) -> bytes:
        import io

        digest, target = self._digest(descriptor), io.BytesIO()
        known = self._content.read_blob(digest)
        if known is not None:
            return known
        self._repository.blob(digest, self._size(descriptor, _MAX_CONFIG), target, lambda _: None)
        return target.getvalue()

    def _layers(self, manifest: dict[str, Any], config: dict[str, Any]) -> list[_Layer]:
        name = self._reference.familiar
        diff_ids = tuple(str(each) for each in as_list(as_object(config.get("rootfs")).get("diff_ids")))
        descriptors = [as_object(each) for each in as_list(manifest.get("layers"))]
        if len(diff_ids) != len(descriptors) or not all(map(is_digest, diff_ids)) or len(diff_ids) > _MAX_LAYERS:
            raise EngineError(f"{name} is not a container image: its configuration does not list the layers it has")
        own = Platform(str(config.get("os") or ""), str(config.get("architecture") or ""))
        if self._strict and own[:2] != self._platform[:2]:
            raise NotFound(
                f"image with reference {name} was found but its platform ({own}) does not match the specified "
                f"platform ({self._platform})"
            )
        return [
            _Layer(self._digest(descriptor), self._size(descriptor, MAX_LAYER_BYTES), diff_id, chain_id)
            for descriptor, diff_id, chain_id in zip(descriptors, diff_ids, chain_ids(diff_ids), strict=True)
        ]

    # Layers

    def _fetch(self, layers: list[_Layer]) -> None:
        """Make the layers that are not there, lowest first."""
        locks: dict[str, FileLock] = {}
        work = self._content.new_directory()
        try:
            with storage_errors(f"image {self._reference.familiar}", self._content.home):
                missing = [layer for layer in layers if self._claim(layer, locks)]
                if missing:
                    self._fetch_missing(layers, missing, locks, work)
        finally:
            for lock in locks.values():
                lock.release()
            remove_tree(work)

    def _claim(self, layer: _Layer, locks: dict[str, FileLock]) -> bool:
        """Take the layer's lock, where it has to be made. Everybody takes them lowest first: no two wait in a ring."""
        if not self._content.layers.has(layer.chain_id):
            lock = self._content.layer_lock(layer.chain_id)
            lock.acquire()
            if not self._content.layers.has(layer.chain_id):
                locks[layer.chain_id] = lock
                self._progress("Pulling fs layer", layer.short, progressDetail={})
                return True
            lock.release(remove=True)  # made by another while we waited
        self._progress("Already exists", layer.short, progressDetail={})
        return False

    def _fetch_missing(
        self, layers: list[_Layer], missing: list[_Layer], locks: dict[str, FileLock], work: Path
    ) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pull") as pool:
            downloads: dict[str, Future[Path]] = {
                layer.chain_id: pool.submit(self._download, layer, work / layer.chain_id[7:]) for layer in missing
            }
            try:
                for position, layer in enumerate(layers):
                    if layer.chain_id in downloads:
                        blob = downloads[layer.chain_id].result()
                        self._unpack(layer, layers[:position], blob, work)
                        locks.pop(layer.chain_id).release(remove=True)
            except BaseException as error:
                self._failed.set()
                pool.shutdown(cancel_futures=True)
                if isinstance(error, _Stopped):
                    raise _first_failure(downloads) from None
                raise

    def _download(self, layer: _Layer, path: Path) -> Path:
        last = 0.0

        def progress(done: int) -> None:
            nonlocal last
            if self._failed.is_set():
                raise _Stopped("stopped")
            now = time.monotonic()
            if now - last >= _PROGRESS_EVERY:
                last = now
                detail = {"current": done, "total": layer.size}
                self._progress("Downloading", layer.short, progressDetail=detail, progress=_bar(done, layer.size))

        try:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    with path.open("wb") as file:
                        self._repository.blob(layer.digest, layer.size, file, progress)
                    break
                except TransferError:
                    if attempt == _ATTEMPTS:
                        raise
                    self._progress(f"Retrying, attempt {attempt + 1}", layer.short, progressDetail={})
        except BaseException:
            self._failed.set()  # the others need not finish
            raise
        self._progress("Download complete", layer.short, progressDetail={})
        return path

    def _unpack(self, layer: _Layer, below: list[_Layer], blob: Path, work: Path) -> None:
        self._progress("Extracting", layer.short, progressDetail={})
        made = work / f"layer-{layer.chain_id[7:]}"
        tree = made / "fs"
        tree.mkdir(mode=0o755, parents=True)
        view = MergedView(tuple(str(self._content.layers.path(each.chain_id)) for each in reversed(below)))

        def stop() -> None:
            if self._failed.is_set():
                raise _Stopped("stopped")

        try:
            with blob.open("rb") as file:
                diff_id, size = extract_layer(file, tree, lower=view.lstat if below else lambda _: None, stop=stop)
        except BadArchive as error:
            raise EngineError(
                f"layer {layer.digest} of {self._reference.familiar} cannot be unpacked: {error}"
            ) from None
        if diff_id != layer.diff_id:
            raise EngineError(
                f"layer {layer.digest} of {self._reference.familiar} is corrupt: unpacked it is {diff_id}, its "
                f"configuration says {layer.diff_id}"
            )
        blob.unlink()
        self._content.layers.add(layer.chain_id, made, diff_id=diff_id, size=size)
        self._progress("Pull complete", layer.short, progressDetail={})


def _first_failure(downloads: dict[str, Future[Path]]) -> BaseException:
    """The failure that made the others stop."""
    failures = [each.exception() for each in downloads.values() if each.done() and not each.cancelled()]
    real = [each for each in failures if each is not None and not isinstance(each, _Stopped)]
    return real[0] if real else EngineError("the pull was stopped")


def _document(data: bytes, what: str) -> dict[str, Any]:
    document = parse_object(data)
    if document is None:
        raise EngineError(f"{what} that the registry sent is no JSON document")
    return document


def _platform_name(declared: dict[str, Any]) -> str:
    return str(Platform(*(str(declared.get(key) or "") for key in ("os", "architecture", "variant"))))


def _bar(done: int, total: int) -> str:
    width = 50 * done // max(total, 1)
    return f"[{'=' * width}>{' ' * (50 - width)}] {done / 1e6:.1f}MB/{total / 1e6:.1f}MB"
