"""Descriptors of standard streams whose process ended before it had sent its terminal."""

from __future__ import annotations

import os
import pty
import socket

import pytest

from container_runtime.engine.streams.stdio import Ends
from container_runtime.errors import EngineError


def test_a_terminal_that_has_not_come_is_not_waited_for() -> None:
    ends = Ends(tty=True, stdin=True)
    with pytest.raises(EngineError, match="without sending its terminal"):
        ends.connect()  # the other end is still open here, as in the engine
    ends.close()
    ends.sent()


def test_a_terminal_is_not_inherited_by_other_processes() -> None:
    ends = Ends(tty=True, stdin=True)
    master, slave = pty.openpty()
    with socket.socket(fileno=os.dup(ends.stdio[0])) as theirs:
        socket.send_fds(theirs, [b"\0"], [master])
    for descriptor in (master, slave):
        os.close(descriptor)
    ends.connect()
    assert ends.terminal is not None
    assert not os.get_inheritable(ends.outputs[0][0])
    ends.close()
    ends.sent()
