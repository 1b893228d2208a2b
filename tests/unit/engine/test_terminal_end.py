"""A terminal whose program has closed it, and one that has ended between the question and the answer."""

from __future__ import annotations

import os
import pty

import pytest

from container_runtime.engine.streams.terminal import Terminal


def test_a_master_is_not_hung_up_as_long_as_the_terminal_is_held():
    master, slave = pty.openpty()
    terminal = Terminal(master)
    name = os.ttyname(slave)
    os.close(slave)
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):  # and not EIO
        os.read(master, 1)
    again = os.open(name, os.O_RDWR | os.O_NOCTTY)
    os.write(again, b"x")
    assert os.read(master, 10) == b"x"
    terminal.resize(10, 20)
    assert os.get_terminal_size(again) == (20, 10)
    os.close(again)
    terminal.close()
    with pytest.raises(OSError, match="Input/output error"):
        os.read(master, 1)
    os.close(master)


def test_the_size_of_a_terminal_that_has_ended_is_nobodys_concern():
    master, slave = pty.openpty()
    terminal = Terminal(master)
    os.close(slave)
    os.close(master)
    terminal.resize(10, 20)  # hung up
    terminal.close()
    terminal.close()
    terminal.resize(10, 20)


def test_what_is_no_terminal_is_refused():
    read, write = os.pipe()
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        Terminal(read)
    os.close(read)
    os.close(write)
