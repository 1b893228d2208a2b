"""Running a marked test: what the pytest inside says becomes the reports of this one."""

from __future__ import annotations

import base64
import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest

from pytest_containers.errors import ContainerError
from pytest_containers.interrupts import interrupt_at
from pytest_containers.isolation import place as places
from pytest_containers.isolation import settings
from pytest_containers.isolation.warm import TimedOut, Warm
from pytest_containers.missing import skip_reason
from pytest_containers.session import engine_of, number_setting
from pytest_containers.terminal import Terminal

if TYPE_CHECKING:
    from pytest_containers.isolation.place import Place

POOL = pytest.StashKey["dict[Place, Warm]"]()
MOST = 4
"""Warm containers that a process of pytest keeps; the one that was used longest ago makes room."""
Phase = Literal["setup", "call", "teardown"]
_NEXT: dict[str | None, Phase] = {None: "setup", "setup": "call", "call": "teardown"}
_SIGNALS = {signal.SIGSEGV: "segmentation fault", signal.SIGABRT: "abort", signal.SIGBUS: "bus error",
            signal.SIGFPE: "arithmetic error", signal.SIGILL: "illegal instruction"}  # fmt: skip


class _Died(Exception):
    """The test has not come to its end; the words say why. ``sections`` go into its report."""

    def __init__(self, words: str, sections: list[tuple[str, str]]) -> None:
        super().__init__(words)
        self.sections = sections


def run(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The whole of a test: its reports are logged as if it had run here."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    test = _Test(item)
    skipped = ""
    reason: tuple[str, list[tuple[str, str]]] | None = None
    try:
        test.run()
    except (ContainerError, ValueError) as error:
        skipped = skip_reason(error)
        reason = None if skipped else (str(error), [])
    except _Died as error:
        reason = str(error), error.sections
    except KeyboardInterrupt:
        interrupt_at(item)
    if skipped:
        test.fail(skipped, [], skip=True)
    if reason:  # not above: pytest would show what the failure was made of
        test.fail(*reason)
    _end_fixtures(item, nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _end_fixtures(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End what tests before this one, here, have set up and the next does not need."""
    state = item.session._setupstate  # pyright: ignore[reportPrivateUsage]  # as pytest's own runner
    if not state.stack:
        return
    call = pytest.CallInfo.from_call(lambda: state.teardown_exact(nextitem), when="teardown")
    if call.excinfo:
        item.ihook.pytest_runtest_logreport(report=item.ihook.pytest_runtest_makereport(item=item, call=call))


class _Test:
    """One test on its way."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._config = item.config
        self._where = ""
        self._begun = False
        self._complete = False
        """Whether its own process came to its end, or there was none to be had and that was reported."""
        self._terminal = Terminal(self._config)
        self._phase: Phase | None = None
        """The last phase that was reported."""

    def run(self) -> None:
        """Have it run, and log what is reported."""
        place, timeout = places.of(self._item)
        self._where = str(place)
        if not self._attempt(place, timeout):
            self._attempt(place, timeout)

    def _attempt(self, place: Place, timeout: float | None) -> bool:
        """Have it run by the warm interpreter; false where that was used before, and is gone before the test began."""
        warm = _warm(self._item, place)
        startup = number_setting(self._config, "timeout", above=0)
        try:
            for message in warm.request(
                self._item.nodeid, str(self._item.path), startup=startup, timeout=timeout, show=self._show
            ):
                take = _TAKE.get(message["kind"])
                if take:
                    take(self, message, warm)
            if not self._complete:
                if warm.requests > 1 and not self._begun:
                    return False
                raise _Died(f"the interpreter there has ended: the container {warm.ending()}", _sections(warm, []))
        except TimedOut:
            words = f"it took more than {timeout:g} s" if self._begun else f"it had not begun after {startup:g} s"
            raise _Died(f"timed out: {words}", _sections(warm, [])) from None
        finally:
            self._terminal.leave()
            if not warm.usable:
                _forget(self._config, place)
        return True

    def fail(self, words: str, sections: list[tuple[str, str]], *, skip: bool = False) -> None:
        """Log a failure (or a skip) in the phase that it was in, and that the others are over."""
        phase = _NEXT.get(self._phase) or "teardown"
        where = f" in a container ({self._where})" if self._where else ""
        message = f"{self._item.name}{where}: {words}"

        def fails() -> None:
            if skip:
                pytest.skip(words)
            pytest.fail(message, pytrace=False)

        call = pytest.CallInfo.from_call(fails, when=phase)
        if not skip:
            _expect_failure(self._item)
        report: pytest.TestReport = self._item.ihook.pytest_runtest_makereport(item=self._item, call=call)
        report.sections += sections
        self._item.ihook.pytest_runtest_logreport(report=report)
        if phase != "teardown":
            ended = pytest.CallInfo.from_call(lambda: None, when="teardown")
            self._item.ihook.pytest_runtest_logreport(report=pytest.TestReport.from_item_and_call(self._item, ended))

    def _show(self, number: int, data: bytes) -> None:
        """What pytest inside does not capture is shown where this one does not capture either."""
        if self._terminal.entered or self._config.option.capture in {"no", "tee-sys"}:
            stream = sys.stdout if number == 1 else sys.stderr
            stream.write(data.decode(errors="replace"))
            stream.flush()

    # -- messages

    def started(self, _message: dict[str, Any], _warm: Warm) -> None:
        """Its process has begun."""
        self._begun = True

    def debugging(self, _message: dict[str, Any], warm: Warm) -> None:
        """Its debugger is open."""
        self._terminal.enter()
        self._show(1, bytes(warm.uncaptured))
        warm.answer("")

    def ask(self, _message: dict[str, Any], warm: Warm) -> None:
        """Its debugger wants a line."""
        try:
            line = self._terminal.line()
        except KeyboardInterrupt:  # at its prompt: as pdb has it
            line = "\n"
        warm.answer(line)

    def resumed(self, _message: dict[str, Any], _warm: Warm) -> None:
        """Its debugger was left."""
        self._terminal.leave()

    def report(self, message: dict[str, Any], warm: Warm) -> None:
        """A phase is over."""
        report = self._config.hook.pytest_report_from_serializable(config=self._config, data=message["report"])
        _restore(report)
        self._phase = report.when
        if report.failed:
            report.sections.append(("in container", self._where))
        self._item.ihook.pytest_runtest_logreport(report=report)
        shells = self._config.pluginmanager.getplugin("pytest_containers_debug")
        if report.failed and shells is not None:
            cast("Any", shells).look(self._item, report, [(warm.container, "")])

    def warning(self, message: dict[str, Any], _warm: Warm) -> None:
        """A warning was given."""
        category = _category(*message["category"])
        recorded = warnings.WarningMessage(message["text"], category, message["file"], message["line"])
        location = message["location"] and tuple(message["location"])
        self._config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": recorded,
                "when": message["when"],
                "nodeid": message["nodeid"],
                "location": location,
            }
        )

    def problem(self, message: dict[str, Any], _warm: Warm) -> None:
        """Something is not as it is here."""
        warnings.warn_explicit(message["text"], pytest.PytestWarning, str(self._item.path), 1)

    def finished(self, message: dict[str, Any], _warm: Warm) -> None:
        """Its process has come to its end."""
        self._complete = True
        measuring = settings.running_coverage()
        if message["coverage"] and measuring is not None:
            from coverage import CoverageData

            data = CoverageData(no_disk=True)
            data.loads(base64.b64decode(message["coverage"]))
            measuring.get_data().update(data)

    def exit(self, message: dict[str, Any], _warm: Warm) -> None:
        """pytest.exit was called."""
        self._complete = True
        pytest.exit(message["reason"], message["returncode"])

    def fatal(self, message: dict[str, Any], warm: Warm) -> None:
        """The pytest inside cannot go on, or could not begin."""
        warm.usable = False
        raise _Died(message["text"], _sections(warm, []))

    def uncollected(self, message: dict[str, Any], _warm: Warm) -> None:
        """Its file could not be collected there, or was skipped: what was said of it is said of the test."""
        self._complete = True
        found = self._config.hook.pytest_report_from_serializable(config=self._config, data=message["report"])
        _restore(found)
        phases: tuple[tuple[Phase, Any, Any], ...] = (
            ("setup", found.outcome, found.longrepr),
            ("teardown", "passed", None),
        )
        for phase, outcome, words in phases:
            report = pytest.TestReport(
                self._item.nodeid,
                self._item.location,
                dict.fromkeys(self._item.keywords, 1),
                outcome,
                words,
                phase,
                sections=[*found.sections, ("in container", self._where)] if outcome == "failed" else [],
            )
            self._item.ihook.pytest_runtest_logreport(report=report)

    def absent(self, message: dict[str, Any], warm: Warm) -> None:
        """Its file is there, it is not."""
        found = ", ".join(message["found"]) or "nothing"
        raise _Died(f"pytest does not find this test there, in {self._item.path} it finds {found}", _sections(warm, []))

    def ended(self, message: dict[str, Any], warm: Warm) -> None:
        """Its process is no more."""
        if self._complete:
            return
        status: int = message["status"]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if message["oom"] or (killed and warm.out_of_memory()):
            words = "it was killed: out of memory"
        elif os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            words = f"it was ended by signal {number}"
            if number in set(signal.Signals):
                known = signal.Signals(number)
                words = f"it was ended by {known.name}{f' ({_SIGNALS[known]})' if known in _SIGNALS else ''}"
        else:
            words = f"it has ended its process with exit code {os.WEXITSTATUS(status)}"
        raise _Died(words, _sections(warm, message["captured"]))


_KINDS = (
    "started",
    "debugging",
    "ask",
    "resumed",
    "report",
    "warning",
    "problem",
    "finished",
    "exit",
    "fatal",
    "uncollected",
    "absent",
    "ended",
)
_TAKE = {name: getattr(_Test, name) for name in _KINDS}


def _restore(report: pytest.CollectReport | pytest.TestReport) -> None:
    """JSON has no tuples, and pytest tells the place and reason of a skip by one."""
    if report.skipped and isinstance(report.longrepr, list):
        report.longrepr = cast("tuple[str, int, str]", tuple(cast("list[object]", report.longrepr)))
    report.sections = [cast("tuple[str, str]", tuple(section)) for section in report.sections]


def _sections(warm: Warm, captured: list[str]) -> list[tuple[str, str]]:
    """What was written before a test died."""
    titled = zip(("Captured stdout call", "Captured stderr call"), captured, strict=False)
    uncaptured = ("written without being captured", warm.uncaptured.decode(errors="replace"))
    return [section for section in (*titled, uncaptured) if section[1]]


def _expect_failure(item: pytest.Item) -> None:
    """Let a mark xfail count for a test that has died."""
    from _pytest.skipping import evaluate_xfail_marks, xfailed_key

    item.stash[xfailed_key] = evaluate_xfail_marks(item)


def _category(module: str, name: str) -> type[Warning]:
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, Warning) else Warning


# -- warm containers


def _warm(item: pytest.Item, place: Place) -> Warm:
    """The warm container of a place, started where there is none."""
    pool = item.config.stash.setdefault(POOL, {})
    warm = pool.pop(place, None)
    if warm is None:
        for oldest in list(pool)[: len(pool) - MOST + 1]:
            pool.pop(oldest).close()
        warm = Warm(engine_of(item.config), *settings.definition(item, place))
    pool[place] = warm
    return warm


def _forget(config: pytest.Config, place: Place) -> None:
    warm = config.stash[POOL].pop(place, None)
    if warm is not None:
        warm.close()


def close(config: pytest.Config) -> None:
    """Remove all warm containers of this process."""
    pool = config.stash.get(POOL, {})
    while pool:
        pool.popitem()[1].close()
