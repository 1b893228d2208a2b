"""A tar archive read from a stream that nobody trusts: decompressed, counted, hashed, all that it declares bounded."""

from __future__ import annotations

import hashlib
import io
import tarfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from container_runtime.errors import EngineError, InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAX_LAYER_BYTES = 64 << 30
"""Bytes of one layer when unpacked. The largest public images (machine learning) have layers of about 20 GB."""
MAX_ENTRIES = 5_000_000
"""Entries of one layer: some three times what the largest public images have in all."""
_MAX_HEADER_BYTES = 1 << 20
"""Bytes of one extended header: a path has at most 4096, an attribute 64 KiB (xattr(7)), and there may be several."""
_EXTENDED = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
                       tarfile.GNUTYPE_LONGLINK})  # fmt: skip
_BLOCK = 1 << 16
_MAGIC_BYTES = 6
_ZSTD_WINDOW = 1 << 27
"""128 MiB, the largest window that zstd(1) accepts without being asked (--long)."""


class BadArchive(InvalidParameter):
    """The stream is not an archive that can be unpacked; the message says why."""


class _Member(tarfile.TarInfo):
    """A header whose declared sizes are looked at before the library reads that much into memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0 or (self.type in _EXTENDED and self.size > _MAX_HEADER_BYTES):
            raise BadArchive(f"the archive has a header of {self.size} bytes")
        # The hook where TarInfo hands over a parsed header, the same since Python 2.6.
        return super()._proc_member(archive)  # type: ignore[misc]


class CountingReader(io.RawIOBase):
    """Counts what is read through it, and stops at ``limit`` bytes."""

    def __init__(self, source: IO[bytes], limit: int = MAX_LAYER_BYTES) -> None:
        self._source = source
        self._limit = limit
        self.size = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; BadArchive beyond the limit or where the compressed data is damaged."""
        try:
            data = self._source.read(_BLOCK if size < 0 else size)
        except (EOFError, ValueError, RuntimeError) as error:
            raise BadArchive(f"the compressed data is damaged: {error}") from None
        except OSError as error:
            if error.errno:
                raise
            raise BadArchive(f"the compressed data is damaged: {error}") from None  # gzip.BadGzipFile
        except Exception as error:
            if type(error).__module__.split(".")[0] in {"zlib", "_lzma", "lzma", "zstandard", "zstd"}:
                raise BadArchive(f"the compressed data is damaged: {error}") from None
            raise
        self.size += len(data)
        if self.size > self._limit:
            raise BadArchive(f"it has more than {self._limit >> 30} GiB when unpacked")
        return data


class HashingReader(CountingReader):
    """Counts and hashes (SHA-256) what is read through it."""

    def __init__(self, source: IO[bytes], limit: int = MAX_LAYER_BYTES) -> None:
        super().__init__(source, limit)
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """As CountingReader's."""
        data = super().read(size)
        self._hash.update(data)
        return data

    def finish(self) -> str:
        """Read what is left (padding after the archive belongs to the digest); the digest, ``sha256:…``."""
        while self.read(_BLOCK):
            pass
        return "sha256:" + self._hash.hexdigest()


class Prefixed(io.RawIOBase):
    """A stream of which the first bytes, ``head``, have been read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            head, self._head = self._head, b""
            return head + self._rest.read()
        head, self._head = self._head[:size], self._head[size:]
        return head


def decompress(stream: IO[bytes]) -> IO[bytes]:
    """``stream`` unpacked where it begins as gzip, zstd, xz or bzip2 data does, else as it is.

    The first bytes decide, not the media type: registries are known to mislabel.
    """
    head = b""
    while len(head) < _MAGIC_BYTES and (more := stream.read(_MAGIC_BYTES - len(head))):
        head += more
    whole = cast("IO[bytes]", Prefixed(head, stream))
    if head.startswith(b"\x1f\x8b"):
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=whole, mode="rb"))
    if head.startswith(b"\xfd7zXZ\x00"):
        import lzma

        return cast("IO[bytes]", lzma.LZMAFile(whole))
    if head.startswith(b"BZh"):
        import bz2

        return cast("IO[bytes]", bz2.BZ2File(whole))
    # A frame, or a skippable frame (RFC 8878, 3.1.2), which zstd:chunked and pzstd begin with.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        import zstandard

        unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return cast("IO[bytes]", unpacker.stream_reader(whole, read_across_frames=True))
    return whole


@contextmanager
def open_archive(reader: CountingReader) -> Generator[Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    """The entries of the archive, in order; the content of each can be read only before the next is asked for.

    Raises:
        BadArchive: for anything that the tar format does not allow, or above the bounds of this module.
    """
    try:
        # ignore_zeros stays off: what follows the end of the archive is no entry.
        with tarfile.open(
            fileobj=cast("IO[bytes]", reader),
            mode="r|",
            tarinfo=_Member,
            encoding="utf-8",
            errors="surrogateescape",
            bufsize=_BLOCK,
        ) as archive:
            yield _members(archive)
    except EngineError:
        raise
    except (tarfile.TarError, UnicodeError, ValueError, OverflowError, EOFError) as error:
        raise BadArchive(f"it is not a tar archive, or a damaged one: {error}") from None


def _members(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    total = 0
    for number, member in enumerate(archive):
        # The library keeps every member for its own lookups; a stream needs none.
        archive.members.clear()  # type: ignore[attr-defined]
        total += member.size
        if number >= MAX_ENTRIES or total > MAX_LAYER_BYTES:
            raise BadArchive(f"it has more than {MAX_ENTRIES} entries or {MAX_LAYER_BYTES >> 30} GiB")
        yield archive, member
