"""Ctrl-C and debuggers: the run ends soon and leaves nothing, whatever its containers do; or its time limits rest.

The first one is pytest's: a KeyboardInterrupt in the test. What comes after it is taken by a handler of our own, since
in the midst of pytest's reports it would end all with a traceback through pytest.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_containers import resting
from pytest_containers.session import existing_engine

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType, TracebackType

GRACE = 1.0
"""Seconds that all containers together get to end by themselves once the run is interrupted; then they are killed."""
AGAIN = "containers: interrupted again: no more fixtures are torn down, and all containers are killed"
_OWN = Path(__file__).parent
_INTERRUPTS = pytest.StashKey["Interrupts"]()


class Interrupts:
    """Registered as a plugin as soon as a run has an engine."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._begun = False
        self._breakable = False
        """Whether what is done now is to be ended by another Ctrl-C."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """From the first Ctrl-C on containers end quickly."""
        try:
            return (yield)
        except KeyboardInterrupt as error:
            self._begin(error)
            raise

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Another Ctrl-C ends the teardown of fixtures, and not the reports."""
        try:
            with self.breakable():
                resting.go()
                result = yield
                engine = existing_engine(self._config)
                if engine is not None:
                    engine.removals.finish()  # what goes wrong at an end in a hurry is nobody's concern
                return result
        except KeyboardInterrupt:
            if not self._begun:
                raise
            reporter = cast("Any", self._config.pluginmanager.getplugin("terminalreporter"))
            if reporter is not None:
                reporter.write_line("")
                reporter.write_line(AGAIN)

    @pytest.hookimpl
    def pytest_enter_pdb(self) -> None:
        """Time limits rest while somebody looks around."""
        resting.stop()

    @pytest.hookimpl
    def pytest_leave_pdb(self) -> None:
        """See ``pytest_enter_pdb``."""
        resting.go()

    @pytest.hookimpl
    def pytest_runtest_logreport(self) -> None:
        """A debugger that was quit, and not left, is over with the phase that it was opened in."""
        resting.go()

    @contextlib.contextmanager
    def breakable(self) -> Generator[None]:
        """What is done in it can be left, for our engine and the kernel see to the rest."""
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False

    @contextlib.contextmanager
    def end(self) -> Generator[None]:
        """The end of the run's engine, which one need not wait for."""
        try:
            with self.breakable():
                yield
        except KeyboardInterrupt:
            if not self._begun:
                raise

    def _begin(self, error: KeyboardInterrupt) -> None:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._again)
            self._config.add_cleanup(_as_before)
        self._begun = True
        self._hurry(GRACE)
        if not self._config.getoption("fulltrace"):
            _cut(error.__traceback__, self._config.rootpath)

    def _again(self, _number: int, _frame: FrameType | None) -> None:
        self._hurry(0)
        if self._breakable:
            self._breakable = False
            raise KeyboardInterrupt

    def _hurry(self, seconds: float) -> None:
        engine = existing_engine(self._config)
        if engine is not None:
            engine.hurry(seconds)


def interrupt_at(item: pytest.Item) -> None:
    """Raise KeyboardInterrupt in the line of a test that runs elsewhere: pytest shows where it was raised."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    path, line, _ = item.reportinfo()
    # The line of ``raise`` is the one after the first, and pytest counts from 0.
    interrupted.__code__ = interrupted.__code__.replace(co_filename=str(path), co_firstlineno=line or 0)
    interrupted()


def _as_before() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def register(config: pytest.Config) -> None:
    """Look after the run's interrupts from now on."""
    config.stash[_INTERRUPTS] = interrupts = Interrupts(config)
    config.pluginmanager.register(interrupts, "pytest_containers_interrupts")


def end(config: pytest.Config) -> contextlib.AbstractContextManager[None]:
    """See ``Interrupts.end``."""
    interrupts = config.stash.get(_INTERRUPTS, None)
    return interrupts.end() if interrupts else contextlib.nullcontext()


def _cut(traceback: TracebackType | None, root: Path) -> None:
    """Drop what the last line of the project has called: pytest shows the innermost frame."""
    last = None
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if path.is_relative_to(root) and not path.is_relative_to(_OWN) and "site-packages" not in path.parts:
            last = traceback
        traceback = traceback.tb_next
    if last is not None:
        last.tb_next = None
