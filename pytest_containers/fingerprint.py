"""A name for what a definition leads to: equal where everything that counts is equal, in this run and in the next."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import marshal
import os
import textwrap
import types
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, cast

_CHUNK = 1 << 20  # bytes
_PLAIN = (str, int, float, bool, type(None))


class _Writer:
    """Feeds values into a digest, each with its kind and length, so that no two read the same."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._seen: set[int] = set()  # functions and objects that are being written: they may refer to themselves

    def name(self) -> str:
        """32 hexadecimal digits."""
        return self._digest.hexdigest()[:32]

    def _put(self, kind: str, text: str | bytes = b"") -> None:
        data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        self._digest.update(f"{kind}:{len(data)}:".encode())
        self._digest.update(data)

    def write(self, value: object) -> None:
        """Add a value, whatever it is."""
        if isinstance(value, _PLAIN):
            self._put(type(value).__name__, repr(value))
        elif isinstance(value, bytes | bytearray | memoryview):
            self._put("bytes", bytes(value))
        elif isinstance(value, os.PathLike):
            self._path(Path(cast("os.PathLike[str]", value)))
        elif isinstance(value, Mapping):
            items = cast("Mapping[object, object]", value)
            self._put("mapping", str(len(items)))
            for key in sorted(items, key=repr):
                self.write(key)
                self.write(items[key])
        elif isinstance(value, AbstractSet):
            self.write(sorted(map(repr, cast("AbstractSet[object]", value))))
        elif isinstance(value, list | tuple):
            items = cast("list[object]", value)
            self._put("sequence", str(len(items)))
            for item in items:
                self.write(item)
        else:
            self._other(value)

    def _other(self, value: object) -> None:
        if id(value) in self._seen:
            self._put("again")
            return
        self._seen.add(id(value))
        if isinstance(value, functools.partial):
            self.write(["partial", value.func, value.args, value.keywords])
        elif isinstance(value, types.MethodType):
            self.write(["method", value.__func__, value.__self__])
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, type):
            self._put("class", f"{value.__module__}.{value.__qualname__}")
            self._put("source", _source(value) or b"")
        elif dataclasses.is_dataclass(value):
            self._put("data", f"{type(value).__module__}.{type(value).__qualname__}")
            for field in dataclasses.fields(value):
                self.write(field.name)
                self.write(getattr(value, field.name))
        else:
            self._put("object", f"{type(value).__module__}.{type(value).__qualname__}")
            if type(value).__repr__ is not object.__repr__:
                self._put("repr", repr(value))

    def _function(self, function: types.FunctionType) -> None:
        """Its source, what it encloses, and what it uses of its own module: constants and other functions."""
        self._put("function", function.__qualname__)
        self._put("source", _source(function) or marshal.dumps(function.__code__))
        self.write([function.__defaults__, function.__kwdefaults__])
        for cell in function.__closure__ or ():
            self.write(_content(cell))
        for name in sorted(_names(function.__code__)):
            value = function.__globals__.get(name)
            own = getattr(value, "__module__", None) == function.__module__ and isinstance(value, types.FunctionType)
            if own or (value is not None and isinstance(value, (*_PLAIN, bytes, tuple))):
                self.write([name, value])

    def _path(self, path: Path) -> None:
        """What is there: the content of a file, of a directory all names, modes and contents."""
        if path.is_symlink():
            self._put("link", os.fsencode(path.readlink()))
        elif path.is_dir():
            names = sorted(entry.name for entry in path.iterdir())
            self._put("directory", str(len(names)))
            for name in names:
                self.write(name)
                self._path(path / name)
        elif path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(_CHUNK):
                    digest.update(block)
            self._put("file", f"{path.stat().st_mode & 0o7777:o} {digest.hexdigest()}")
        else:
            self._put("missing")


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return None


def _names(code: types.CodeType) -> set[str]:
    """The global names of a function and of those inside it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _source(value: type | Callable[..., Any]) -> str | None:
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        return None


def fingerprint(*values: object) -> str:
    """32 hexadecimal digits for these values. A path counts by what it names, a function by its source.

    Raises:
        OSError: a file that a path names cannot be read.
    """
    writer = _Writer()
    writer.write(values)
    return writer.name()
