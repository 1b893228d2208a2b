"""``stats``: what containers use, once or every second.

The figures are calculated as docker's command does (cli/command/container/stats_helpers.go).
"""

from __future__ import annotations

import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pytest_containers.cli import engine, output
from pytest_containers.client.errors import APIError, ClientError

if TYPE_CHECKING:
    import argparse

    from pytest_containers.client import Client
    from pytest_containers.client.observation import EventStream, StatsStream

COLUMNS = {"CONTAINER ID": "ID", "NAME": "Name", "CPU %": "CPUPerc", "MEM USAGE / LIMIT": "MemUsage",
           "MEM %": "MemPerc", "NET I/O": "NetIO", "BLOCK I/O": "BlockIO", "PIDS": "PIDs"}  # fmt: skip
_HOME, _REST, _REST_OF_SCREEN = "\033[H", "\033[K", "\033[J"  # ECMA-48: CUP, EL, ED
_CLEAR = "\033[2J"
_AT_ONCE = 32
"""Containers that are asked at the same time."""


def add_stats(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``stats``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="show all, not only those that run")
    add("--no-stream", action="store_true", help="print once")
    add("--no-trunc", action="store_true", help="do not shorten ids")
    output.format_option(parser)
    add("containers", metavar="CONTAINER", nargs="*")
    parser.set_defaults(handler=stats)


def stats(args: argparse.Namespace) -> int:
    """Print the table once, or until interrupted."""
    with engine.connect(args) as client:
        if args.no_stream:
            return _once(client, args)
        return _Live(client, args).run()


def _named(client: Client, args: argparse.Namespace) -> list[str]:
    if args.containers:
        return args.containers
    return [output.short_id(one.get("Id", "")) for one in client.containers.list(all=args.all)]


def _once(client: Client, args: argparse.Namespace) -> int:
    """Ask all at once: an answer takes a second."""
    names = _named(client, args)
    rows: dict[str, dict[str, str]] = {}

    def ask(name: str) -> dict[str, Any] | APIError:
        try:
            return client.containers.stats(name)
        except APIError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, answer in zip(names, pool.map(ask, names), strict=True):
            if isinstance(answer, APIError):
                output.error(str(answer))
            else:
                rows[name] = stats_row(answer, name, whole=args.no_trunc)
    output.listing(rows.values(), COLUMNS, args.format)
    return 0 if len(rows) == len(names) or not args.containers else 1


class _Live:
    """A thread for each container and one for the engine's events put what they read in a queue."""

    def __init__(self, client: Client, args: argparse.Namespace) -> None:
        self._client = client
        self._args = args
        self._queue: queue.SimpleQueue[tuple[str, dict[str, Any] | ClientError | None]] = queue.SimpleQueue()
        self._streams: dict[str, StatsStream] = {}
        self._rows: dict[str, dict[str, str]] = {}
        self._fresh: set[str] = set()
        self._events: EventStream | None = None
        self._terminal = sys.stdout.isatty() and args.format != "json"

    def run(self) -> int:
        """Print until interrupted, or until the last of the named containers has gone."""
        try:
            if not self._args.containers:
                self._events = self._client.system.events(filters={"type": ["container"], "event": ["start", "die"]})
                threading.Thread(target=self._watch, args=(self._events,), name="events", daemon=True).start()
            for name in _named(self._client, self._args):
                self._follow(name)
            if self._terminal:
                sys.stdout.write(_CLEAR)
            self._draw()
            while self._streams or self._events:
                self._take(*self._queue.get())
        finally:
            for stream in self._streams.values():
                stream.close()
            if self._events:
                self._events.close()
        return 0

    def _follow(self, name: str) -> None:
        stream = self._streams[name] = self._client.containers.stats_stream(name)
        threading.Thread(target=self._read, args=(name, stream), name=name, daemon=True).start()

    def _read(self, name: str, stream: StatsStream) -> None:
        try:
            for sample in stream:
                self._queue.put((name, sample))
        except ClientError:
            pass  # the container, or the engine, has gone
        self._queue.put((name, None))

    def _watch(self, stream: EventStream) -> None:
        try:
            for event in stream:
                self._queue.put(("", {"id": event["Actor"]["ID"], "start": event["Action"] == "start"}))
        except ClientError as error:
            self._queue.put(("", error))

    def _take(self, name: str, news: dict[str, Any] | ClientError | None) -> None:
        if isinstance(news, ClientError):
            raise news
        if news is None:
            self._forget(name)
        elif not name:
            identifier = output.short_id(news["id"])
            if news["start"] and identifier not in self._streams:
                self._follow(identifier)
            elif not news["start"] and not self._args.all:
                self._forget(identifier)
        else:
            self._show(name, news)

    def _forget(self, name: str) -> None:
        if stream := self._streams.pop(name, None):
            stream.close()
        self._rows.pop(name, None)
        if self._terminal:
            self._draw()

    def _show(self, name: str, sample: dict[str, Any]) -> None:
        if name not in self._streams:
            return
        row = stats_row(sample, name, whole=self._args.no_trunc)
        if self._args.format == "json":
            output.line(output.as_json(row))
            output.flush()
            return
        if name in self._fresh and not self._terminal:  # it is the next second: all had their turn
            self._draw()
            self._fresh.clear()
        self._fresh.add(name)
        self._rows[name] = row
        if self._terminal:
            self._draw()

    def _draw(self) -> None:
        if self._args.format == "json":
            return
        cells = ([row[field] for field in COLUMNS.values()] for row in self._rows.values())
        lines = output.table(list(COLUMNS), cells).splitlines()
        if self._terminal:
            sys.stdout.write(_HOME + "".join(f"{line}{_REST}\n" for line in lines) + _REST_OF_SCREEN)
        else:
            output.line("\n".join(lines))
        output.flush()


def stats_row(sample: dict[str, Any], name: str, *, whole: bool) -> dict[str, str]:
    """Return a container's sample in the words of docker's ``--format json``."""
    memory = sample.get("memory_stats") or {}
    used, limit = used_memory(memory), memory.get("limit", 0)
    networks = (sample.get("networks") or {}).values()
    received = sum(network["rx_bytes"] for network in networks)
    sent = sum(network["tx_bytes"] for network in networks)
    read, written = (_block_bytes(sample, letter) for letter in "rw")
    return {
        "BlockIO": f"{output.size(read)} / {output.size(written)}",
        "CPUPerc": f"{processors(sample):.2f}%",
        "Container": name,
        "ID": output.short_id(sample.get("id", ""), whole=whole),
        "MemPerc": f"{used / limit * 100 if limit else 0:.2f}%",
        "MemUsage": f"{output.binary_size(used)} / {output.binary_size(limit)}",
        "Name": sample.get("name", "").removeprefix("/"),
        "NetIO": f"{output.size(received)} / {output.size(sent)}",
        "PIDs": str((sample.get("pids_stats") or {}).get("current", 0)),
    }


def used_memory(memory: dict[str, Any]) -> int:
    """Return bytes without the page cache that could be dropped (v1: total_inactive_file, v2: inactive_file)."""
    usage, figures = memory.get("usage", 0), memory.get("stats") or {}
    for name in ("total_inactive_file", "inactive_file"):
        if name in figures and figures[name] < usage:
            return usage - figures[name]
    return usage


def processors(sample: dict[str, Any]) -> float:
    """Return percent of one processor since the sample before."""
    now, before = sample.get("cpu_stats") or {}, sample.get("precpu_stats") or {}
    own = now.get("cpu_usage", {}).get("total_usage", 0) - before.get("cpu_usage", {}).get("total_usage", 0)
    all_ = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    count = now.get("online_cpus", 0) or len(now.get("cpu_usage", {}).get("percpu_usage") or ())
    return own / all_ * count * 100 if own > 0 and all_ > 0 else 0.0


def _block_bytes(sample: dict[str, Any], letter: str) -> int:
    entries = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return sum(entry["value"] for entry in entries if entry["op"][:1].lower() == letter)
