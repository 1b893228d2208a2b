"""The one assertion of the differential tests: what a case returns from Docker 28.5, it returns from ours."""

from __future__ import annotations

import functools
import inspect
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.differential.client import Api
from tests.differential.known import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pytest

AT_ONCE = 3
"""Cases that Docker is given at a time: it takes about 200 ms for a container, of which it waits some."""


def same(case: Callable[..., Any]) -> Callable[..., None]:
    """Make a test of a case: a function that does something with an engine (``api``) and returns what came of it.

    Other parameters of the case are those of ``pytest.mark.parametrize``. Differences on purpose are in ``known.py``.
    """

    def test(docker: Ahead, ours: Path, request: pytest.FixtureRequest, **_: Any) -> None:
        mine, expected = run(ours, request.node), docker.result(request.node)
        name = identify(request.node)
        if name in KNOWN:
            assert mine == KNOWN[name].ours, KNOWN[name].reason
            assert expected != KNOWN[name].ours, "this is no difference any more: take it off the list"
        else:
            # On a busy machine Docker now and then has no output of a container that ends at once.
            assert mine == expected or mine == docker.again(request.node)  # ours == Docker's

    functools.update_wrapper(test, case)
    del test.__wrapped__
    keyword = inspect.Parameter.KEYWORD_ONLY
    given = [one.replace(kind=keyword) for one in inspect.signature(case).parameters.values() if one.name != "api"]
    fixtures = [inspect.Parameter(name, keyword) for name in ("docker", "ours", "request")]
    test.__signature__ = inspect.Signature([*fixtures, *given])  # type: ignore[attr-defined]
    test.case = case  # type: ignore[attr-defined]
    return test


def identify(item: pytest.Item) -> str:
    """A case's name: the subject and what is tried, "create: names[3]"."""
    return f"{item.path.stem.removeprefix('test_')}: {item.name.removeprefix('test_')}"


def run(path: Path, item: Any) -> Any:
    """What a case returns from the engine at ``path``; what it made there is removed."""
    api = Api(path, identify(item))
    try:
        return item.function.case(api, **(item.callspec.params if hasattr(item, "callspec") else {}))
    finally:
        api.clean()


class Ahead:
    """Docker's answers, several cases at a time and ahead of the tests that ask for them: it is the slower one."""

    def __init__(self, path: Path, items: Iterable[pytest.Item]) -> None:
        """``items``: what is going to be asked for; another is run when it is."""
        self._path = path
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._answers: dict[str, Future[Any]] = {}
        for item in items:
            if hasattr(getattr(item, "function", None), "case"):
                self._begin(item)

    def _begin(self, item: pytest.Item) -> None:
        self._answers[item.nodeid] = self._pool.submit(run, self._path, item)

    def result(self, item: pytest.Item) -> Any:
        """What a case returned."""
        if item.nodeid not in self._answers:
            self._begin(item)
        return self._answers[item.nodeid].result()

    def again(self, item: pytest.Item) -> Any:
        """What a case returns when it is tried once more."""
        return run(self._path, item)

    def close(self) -> None:
        """Begin no more, and wait for what runs."""
        self._pool.shutdown(cancel_futures=True)
