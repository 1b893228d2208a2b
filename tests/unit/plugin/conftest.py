from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from tests.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    for descriptor in (made.waiting.read, made.waiting.write):
        if descriptor >= 0:
            os.close(descriptor)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def unused() -> Iterator[int]:
    with socket.socket() as bound:  # bound and not listening: nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
