"""Of this project's own tests: what an ordinary user has not got is left out. A suite of yours needs no such file."""

import os

import pytest

NEEDS = {
    "examples/database/": "other-users",  # postgres does not run as the container's root, and needs a second user
    "examples/web/": "other-users",  # the same
    "examples/limits/": "limits",  # control groups that were delegated
    "examples/hostile/test_hostile.py::test_fork_bomb": "limits",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {item: need for item in items for place, need in NEEDS.items() if item.nodeid.startswith(place)}
    if not wanted or "PYTEST_IN_CONTAINER" in os.environ:
        return
    from tests import rights

    left_out = [item for item, need in wanted.items() if not rights.has(need)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
