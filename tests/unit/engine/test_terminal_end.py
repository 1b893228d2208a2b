"""A terminal that has ended between the question and the answer."""

from __future__ import annotations

import os

from container_runtime.engine.streams.streams import resize_terminal


def test_the_size_of_a_terminal_that_has_ended_is_nobodys_concern():
    read, write = os.pipe()
    resize_terminal(read, 10, 20)  # no terminal any more: the number is somebody else's
    os.close(read)
    os.close(write)
    resize_terminal(read, 10, 20)
