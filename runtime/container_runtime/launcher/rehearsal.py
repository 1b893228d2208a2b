"""What a child does first is done before in the launcher, where it changes nothing.

The fork makes all memory copy-on-write, and each page that the child writes to costs it some 2 µs. What it does for the
first time writes to many: the interpreter notes where it found each attribute and specializes code that has run a few
times (PEP 659), C functions prepare the parsing of their arguments, the dynamic linker looks up symbols. What the
launcher has gone through, the child finds done.
"""

from __future__ import annotations

import os

from container_runtime.launcher.child import Child
from container_runtime.launcher.entry import Entry, Execution

_TIMES = 20
"""Python 3.11 specializes a function after 8 calls, and each of its instructions after some more."""


def rehearse() -> None:
    """Take such of a child's steps as can leave all as it is."""
    mask = os.umask(0o022)
    child = Child(b"")
    enter = Entry([0, 1, 2], ["/dev/null"])
    execution = Execution({"args": ["/"]})  # a directory: EACCES, execve(2)
    for _ in range(_TIMES):
        child.umask(mask)
        try:
            enter()
            child.bounding(-1)  # all are kept
            os.setresgid(-1, -1, -1)
            os.setresuid(-1, -1, -1)
            child.directory(".")
            execution.start()
        except OSError:
            continue
