"""``user[:group]`` of a container looked up in its own passwd and group files: pure, on bytes that nobody trusts.

The rules are Docker's (moby/sys ``user.GetExecUser``): a number needs no entry; without a group the user's own group
and its supplementary groups count; with one, only that.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HIGHEST_ID = 2**31 - 1  # as Docker: ids are int there, -1 means "no change" to the kernel


class ResolvedUser(NamedTuple):
    """Numeric ids and the home directory."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


class _Passwd(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class _Group(NamedTuple):
    name: str
    gid: int
    members: tuple[str, ...]


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    number = int(text)
    return number if number <= _HIGHEST_ID else None


def _lines(content: bytes | None) -> Iterator[list[str]]:
    for line in (content or b"").decode(errors="replace").split("\n"):
        if line and not line.startswith("#"):
            yield line.strip().split(":")


def _passwd(content: bytes | None) -> Iterator[_Passwd]:
    for fields in _lines(content):
        if len(fields) >= 6 and (uid := _number(fields[2])) is not None and (gid := _number(fields[3])) is not None:
            yield _Passwd(fields[0], uid, gid, fields[5])


def _groups(content: bytes | None) -> Iterator[_Group]:
    for fields in _lines(content):
        if len(fields) >= 4 and (gid := _number(fields[2])) is not None:
            yield _Group(fields[0], gid, tuple(name for name in fields[3].split(",") if name))


def _find_user(text: str, content: bytes | None) -> _Passwd:
    number = _number(text)
    by_number: _Passwd | None = None
    for entry in _passwd(content):
        if entry.name == text:
            return entry
        if by_number is None and entry.uid == number:
            by_number = entry
    if by_number is not None:
        return by_number
    if number is None:
        raise InvalidParameter(f"unable to find user {text}: no matching entries in passwd file")
    return _Passwd("", number, 0, "/")


def _find_group(text: str, groups: Sequence[_Group]) -> int:
    for entry in groups:
        if entry.name == text:
            return entry.gid
    number = _number(text)
    if number is None:
        raise InvalidParameter(f"unable to find group {text}: no matching entries in group file")
    return number


@functools.lru_cache(maxsize=256)
def resolve(user: str, passwd: bytes | None, group: bytes | None, extra: tuple[str, ...] = ()) -> ResolvedUser:
    """The ids that ``user`` ("", "name", "uid", "user:group") stands for; ``extra`` is Docker's GroupAdd.

    Raises:
        InvalidParameter: a name that the files do not have.
    """
    name, colon, group_name = user.partition(":")
    entry = _find_user(name or "0", passwd)
    groups = list(_groups(group))
    gid = entry.gid
    more: list[int] = []
    # Docker puts the primary group among the supplementary ones.
    if colon and group_name:
        gid = _find_group(group_name, groups)
    elif entry.name:
        more = [found.gid for found in groups if entry.name in found.members]
    more.insert(0, gid)
    more += [_find_group(text, groups) for text in extra]
    return ResolvedUser(entry.uid, gid, tuple(dict.fromkeys(more)), entry.home or "/")
