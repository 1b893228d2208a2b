"""``--containers-report``: the run on one page that needs nothing else; what it shows is text and cannot act."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from pytest_containers.reports.failure import definition, peaks, timeline
from pytest_containers.reports.record import Record
from pytest_containers.reports.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

TEXT_LIMIT = 100_000
"""Characters of one failure or one stream that the page shows, from the end."""
_SEQUENCE = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])"
)  # ECMA-48: colours and the like
# What HTML forbids as characters: controls, surrogates, noncharacters (HTML, 13.2.3.5 Preprocessing the input stream).
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)


@dataclass
class Test:
    """One test: when it ran (seconds since 1970), and how it ended."""

    nodeid: str
    worker: str
    start: float
    stop: float
    outcome: str = "passed"
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def text(value: object) -> str:
    """Anything as text of an HTML document."""
    return escape(_FORBIDDEN.sub("\ufffd", _SEQUENCE.sub("", str(value))))


class Page:
    """Takes reports of tests and records of containers, gives the page."""

    def __init__(self) -> None:
        self._tests: dict[tuple[str, str], Test] = {}
        self._records: list[Record] = []

    def add_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Records of containers as ``Record.plain`` gives them."""
        self._records += [Record(**one) for one in records]

    def add_report(self, report: pytest.TestReport, records: Iterable[Mapping[str, Any]]) -> None:
        """A part of a test, with the records of what has ended since the last one."""
        self.add_records(records)
        # Of a worker that is lost, xdist tells itself: without the worker's own mark, and without times.
        lost: Any = getattr(getattr(report, "node", None), "gateway", None)
        worker = str(getattr(report, "worker_id", "") or getattr(lost, "id", "") or "")
        start = report.start or time.time()
        key = (report.nodeid, worker)
        test = self._tests.setdefault(key, Test(report.nodeid, worker, start, start))
        test.stop = max(test.stop, report.stop)
        if report.outcome == "skipped" and test.outcome == "passed":
            test.outcome = "skipped"
        if report.failed:
            test.outcome = "failed"
            test.failures.append((report.when or "", report.longreprtext))

    def html(self) -> str:
        """The document."""
        begin, end = self._span()
        failed = [test for test in self._tests.values() if test.outcome == "failed"]
        title = f"{_count(len(self._tests), 'test')}, {len(failed)} failed, {_count(len(self._records), 'container')}"
        parts = [_HEAD.format(title=text(title), style=STYLE), f"<h1>{text(title)}</h1>", _LEGEND]
        workers = sorted({*(test.worker for test in self._tests.values()), *(one.worker for one in self._records)})
        for worker in workers:
            parts += self._worker(worker, begin, end, several=len(workers) > 1)
        if failed:
            parts += ["<section><h2>Failed tests</h2>", *(self._failure(test) for test in failed), "</section>"]
        return "\n".join([*parts, "</main></body></html>", ""])

    def _span(self) -> tuple[float, float]:
        begins = [*(test.start for test in self._tests.values()), *(one.created for one in self._records)]
        ends = [test.stop for test in self._tests.values()]
        ends += [one.created + (one.ended or 0.0) for one in self._records]
        begin = min(begins, default=0.0)
        return begin, max([*ends, begin + 0.001])

    def _worker(self, worker: str, begin: float, end: float, *, several: bool) -> list[str]:
        heading = f"Worker {worker}" if worker else "The run" if not several else "Outside of the workers"
        tests = sorted((test for test in self._tests.values() if test.worker == worker), key=lambda one: one.start)
        records = sorted((one for one in self._records if one.worker == worker), key=lambda one: one.created)
        bars = [
            _bar(test.outcome, test.start, test.stop, begin, end, f"{test.nodeid}: {test.outcome}") for test in tests
        ]
        parts = [
            f"<section><h2>{text(heading)}</h2>",
            f'<p class="scale"><span>0 s</span><span>{end - begin:.2f} s</span></p>',
        ]
        if tests:
            who = f'<p class="who">{_count(len(tests), "test")}</p>'
            parts.append(f'<div class="row">{who}<div class="line">{"".join(bars)}</div></div>')
        return [*parts, *(_row(record, begin, end) for record in records), "</section>"]

    def _failure(self, test: Test) -> str:
        shown = [f"<h4>{text(when)}</h4><pre>{text(words[-TEXT_LIMIT:])}</pre>" for when, words in test.failures]
        where = f" ({test.worker})" if test.worker else ""
        return f"<details open><summary>{text(test.nodeid + where)}</summary>{''.join(shown)}</details>"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _bar(kind: str, start: float, stop: float, begin: float, end: float, title: str) -> str:
    left = 100 * (start - begin) / (end - begin)
    width = 100 * max(0.0, stop - start) / (end - begin)
    return f'<i class="{kind}" style="left:{left:.3f}%;width:{width:.3f}%" title="{text(title)}"></i>'


def _row(record: Record, begin: float, end: float) -> str:
    """A container: its bars, and what is known of it behind a click."""
    bad = record.failed or record.oom_killed
    ended = record.ended or 0.0
    started = ended if record.started is None else record.started
    ready = started if record.ready is None and record.started is not None else record.ready or ended
    phases = (("created", 0.0, started), ("started", started, ready), ("bad" if bad else "ready", ready, ended))
    bars = "".join(
        _bar(kind, record.created + first, record.created + last, begin, end, f"{kind} {first:.3f}–{last:.3f} s")
        for kind, first, last in phases
        if last > first
    )
    facts = [("definition", definition(record)), ("for", record.owner or "session"), ("timeline", timeline(record))]
    facts += [("used", peaks(record.peaks))] if record.peaks else []
    rows = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in facts)
    streams = "".join(
        f"<h4>last lines of {name}</h4><pre>{text(words[-TEXT_LIMIT:])}</pre>"
        for name, words in (("stdout", record.stdout), ("stderr", record.stderr))
        if words
    )
    kept = ", kept" if record.kept else ""
    return (
        f'<details class="row{" failed" if bad else ""}"><summary><span class="who">{text(record.label)} '
        f"<small>{text(record.image)}, {text(record.ending)}{kept}</small></span>"
        f'<span class="line">{bars}</span></summary><dl>{rows}</dl>{streams}</details>'
    )


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><main>"""
_LEGEND = """<p class="legend"><i class="created"></i> created <i class="started"></i> started, not ready
<i class="ready"></i> ready <i class="bad"></i> of a failed test, or out of memory</p>"""
