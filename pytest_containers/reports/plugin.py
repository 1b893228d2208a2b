"""The hooks behind the options of reports; registered only where one of them is given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers.reports.part import Observer, Part
from pytest_containers.session import KEPT, OBSERVER, existing_engine

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from pytest_containers.reports.page import Page

RECORDS = "pytest_containers_records"
"""The attribute of a test's report, and the key of a worker's output, in which records of containers travel."""


def register(config: pytest.Config, wanted: Mapping[str, str]) -> None:
    """Make what the settings ask for: names without ``containers_``, and what they say.

    Raises:
        UsageError: one of them cannot be had.
    """
    _check(wanted)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "") if hasattr(config, "workerinput") else ""
    parts: list[Part] = []
    if wanted["report"]:
        from pytest_containers.reports.collector import Collector

        parts.append(Collector(worker))
        if not worker:
            config.pluginmanager.register(PageHooks(config.invocation_params.dir / wanted["report"]))
    if wanted["logs"]:
        from pytest_containers.reports.files import Files

        # After the records are taken down: it ends what runs.
        parts.append(Files(config.invocation_params.dir / wanted["logs"]))
    if wanted["follow"] == "always":
        from pytest_containers.reports.follow import Follow

        # A worker's standard output leads nowhere; its standard error is the run's.
        parts.append(Follow(os.dup(2 if worker else 1)))
    if wanted["keep"] != "none":
        from pytest_containers.reports.keep import Keep

        parts.append(Keep(everything=wanted["keep"] == "all"))
        if not worker:
            config.pluginmanager.register(KeptHooks(), "containers-kept")
    if parts:
        observer = config.stash[OBSERVER] = Observer(parts)
        config.pluginmanager.register(Hooks(observer), "containers-reports")


_CHOICES = {"keep": ("failed", "all", "none"), "follow": ("auto", "always", "never")}


def _check(wanted: Mapping[str, str]) -> None:
    for name, choices in _CHOICES.items():
        if wanted[name] not in choices:
            words = f"{', '.join(choices[:-1])} or {choices[-1]}"
            raise pytest.UsageError(f"containers_{name} must be {words}, not {wanted[name]!r}")


class Hooks:
    """What the parts need to hear of tests; in xdist, each worker has its own."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    @pytest.hookimpl(wrapper=True, trylast=True)  # after the sections have been added, which look for errors
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell of failing tests; send the records of containers that have gone along with a report."""
        report = yield
        engine = existing_engine(item.config)
        if report.failed and engine is not None:
            from pytest_containers.reports.failure import in_use

            self._observer.failed(item, [container for container, _ in in_use(item, engine)])
        if taken := self._take():
            setattr(report, RECORDS, taken)  # xdist sends attributes that are plain data
        return report

    def _take(self) -> list[dict[str, Any]]:
        from pytest_containers.reports.collector import Collector

        return [one for part in self._observer.parts if isinstance(part, Collector) for one in part.take()]

    @pytest.hookimpl(wrapper=True, trylast=True)  # inside of xdist's, which sends the output
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """The containers of the session have gone by now: send their records."""
        yield
        engine = existing_engine(session.config)
        if engine is not None and engine.left:
            from pytest_containers.reports.keep import let_go

            session.config.stash[KEPT_HERE] = kept = let_go(engine)
            if hasattr(session.config, "workeroutput"):
                vars(session.config)["workeroutput"][KEPT_KEY] = kept
        if taken := self._take():
            session.config.stash[PENDING] = taken
            if hasattr(session.config, "workeroutput"):
                vars(session.config)["workeroutput"][RECORDS] = taken

    def pytest_unconfigure(self) -> None:
        """Nothing is followed any more."""
        from pytest_containers.reports.follow import Follow

        for part in self._observer.parts:
            if isinstance(part, Follow):
                part.close()


PENDING = pytest.StashKey[list[dict[str, Any]]]()
"""Records that no report of a test could take along."""


KEPT_HERE = pytest.StashKey[list[dict[str, Any]]]()
KEPT_KEY = "pytest_containers_kept"


class KeptHooks:
    """Tells what was kept, here and by xdist's workers."""

    def __init__(self) -> None:
        self._kept: list[dict[str, Any]] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended, and left its containers in the run's engine."""
        kept: list[dict[str, Any]] = getattr(node, "workeroutput", {}).get(KEPT_KEY, [])
        self._kept += kept
        if any(one["own"] for one in kept):
            node.config.stash[KEPT] = True

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Say how to look inside."""
        from pytest_containers.reports.keep import lines

        if kept := [*self._kept, *config.stash.get(KEPT_HERE, ())]:
            terminalreporter.write_sep("=", "containers kept")
            for line in lines(kept):
                terminalreporter.write_line(line)


class PageHooks:
    """Gathers what the page shows, in the process that pytest was called as."""

    def __init__(self, path: Path) -> None:
        from pytest_containers.reports.page import Page

        self._path = path
        self._page: Page = Page()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test has ended, here or in a worker."""
        self._page.add_report(report, getattr(report, RECORDS, ()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended; one that crashed has no output."""
        self._page.add_records(getattr(node, "workeroutput", {}).get(RECORDS, ()))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Write it, and say where it is."""
        self._page.add_records(config.stash.get(PENDING, ()))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(self._page.html(), encoding="utf-8", errors="replace")
        except OSError as error:
            terminalreporter.write_line(f"containers: the report cannot be written: {error}", red=True)
        else:
            terminalreporter.write_sep("-", f"containers: report in {self._path}")
