"""What the processes of a run tell each other: files below a directory of the run, each with a lock of its own.

Whoever needs a thing takes its lock (flock(2), which the kernel frees with the process), and either finds what another
wrote about it, or makes the thing and writes. So others wait in the kernel for as long as it is made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_containers.errors import ContainerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

Record = dict[str, Any]
"""What is written about a thing: ``kind``, ``key``, and ``id`` and ``name`` or the ``error`` that there was."""
_DONE = "done."


def temporary(run: Path) -> Path:
    """The directory of a run on an engine that is not its own."""
    return Path(tempfile.gettempdir()) / f"pytest-containers-{run.name}"


class Board:
    """The directory; it is made when something is first written to it, readable by its user only."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextlib.contextmanager
    def locked(self, name: str) -> Generator[None]:
        """Hold the lock ``name``; waits for whoever holds it."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        status = self.directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise ContainerError(f"{self.directory} is not a directory of user {os.geteuid()}")
        descriptor = os.open(self.directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def once(
        self, kind: str, key: str, fields: Mapping[str, str], who: str, make: Callable[[bool], Record]
    ) -> tuple[Record, bool]:
        """What is written about a thing, which is made where nothing is; and whether this process made it.

        ``fields``: what the thing is made of, by name; ``who``: the process and the place, for messages. ``make`` is
        told whether somebody began before and did not come to an end.

        Raises:
            ContainerError: it is made of something else elsewhere, or it could not be made, here or elsewhere.
        """
        __tracebackhide__ = True
        name = hashlib.sha256(f"{kind} {key}".encode()).hexdigest()[:32]
        record, begun = self.directory / f"{name}.json", self.directory / f"{name}.begun"
        with self.locked(name):
            if record.exists():
                return _checked(cast("Record", json.loads(record.read_text())), fields, who), False
            again = begun.exists()
            begun.touch(mode=0o600)
            written: Record = {"kind": kind, "key": key, "fields": dict(fields), "who": who}
            try:
                written |= make(again)
            except (Exception, pytest.fail.Exception) as error:
                self._write(record, written | {"error": str(error) or type(error).__name__})
                raise
            self._write(record, written)
            return written, True

    @contextlib.contextmanager
    def first(self, name: str) -> Generator[bool]:
        """Whether nobody has done a thing yet; whoever is the first has until the end of the block, others wait."""
        done = self.directory / f"{name}.done"
        with self.locked(name):
            yield not done.exists()
            done.touch(mode=0o600)

    @staticmethod
    def _write(path: Path, record: Record) -> None:
        partial = path.with_suffix(".new")
        partial.write_text(json.dumps(record))
        partial.rename(path)

    def records(self) -> list[Record]:
        """What was made, the last first."""
        files = sorted(self.directory.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        found = [cast("Record", json.loads(path.read_text())) for path in files]
        return [record for record in found if "error" not in record]

    def forget(self) -> None:
        """Nothing of what is written exists any more."""
        for path in self.directory.glob("*.json"):
            path.unlink(missing_ok=True)

    def finished(self, worker: str) -> int:
        """Write down that a worker has ended, and return how many have."""
        (self.directory / f"{_DONE}{worker}").touch(mode=0o600)
        return len(list(self.directory.glob(f"{_DONE}*")))


def _checked(record: Record, fields: Mapping[str, str], who: str) -> Record:
    """The record, where it is of the same thing.

    Raises:
        ContainerError: it is of another, or tells of an error.
    """
    __tracebackhide__ = True
    theirs = cast("Mapping[str, str]", record["fields"])
    names = sorted(name for name in {*theirs, *fields} if theirs.get(name) != fields.get(name))
    if names:
        raise ContainerError(
            f"shared {record['kind']} {record['key']} is defined differently in two places, which differ in "
            f"{', '.join(names)}: {record['who']} and {who}; what is shared must not depend on what each worker has "
            "for itself"
        )
    if "error" in record:
        raise ContainerError(record["error"])
    return record
