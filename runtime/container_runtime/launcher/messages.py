"""Messages between the launcher and the processes beside it, in ``marshal`` form, with descriptors (unix(7))."""

from __future__ import annotations

import _socket
import array
import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

LIMIT = 1 << 20
"""Bytes of one message; a config.json above it is refused by the client."""

_ANCILLARY = 128  # bytes: some 25 descriptors


def pair() -> tuple[_socket.socket, _socket.socket]:
    """Two ends that take a message of any size allowed."""
    ends = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, LIMIT)
    return ends


def send(channel: _socket.socket, message: object, descriptors: Sequence[int] = ()) -> None:
    """One message.

    Raises:
        OSError: the other end has gone, or it is too long.
    """
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    channel.sendmsg([marshal.dumps(message)], rights)  # pyright: ignore[reportArgumentType]  what marshal takes


def receive(channel: _socket.socket) -> tuple[Any, list[int]]:
    """One message and its descriptors, which are close-on-exec; None where the other end has gone.

    Raises:
        BlockingIOError: there is none, and the socket does not block.
    """
    try:
        data, ancillary, _, _ = channel.recvmsg(LIMIT, _ANCILLARY, _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # it went without reading our last message
        return None, []
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    # From our own processes, over a socket pair.
    return (marshal.loads(data) if data else None), [*descriptors]  # noqa: S302
