"""The warm pytest: configured once, each file collected once, each test a fork of it.

Requests are JSON lines with ``nodeid``, ``path`` and ``number``. What comes back for each: ``started``, then warnings
and reports, then ``finished`` from the test's own process, then ``ended`` with its wait status, whatever it died of.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.config import get_config

from pytest_containers.inside import measured, processes
from pytest_containers.inside.debugger import Debugger
from pytest_containers.inside.messages import Messages
from pytest_containers.plugin import INSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO


def serve(settings: Mapping[str, Any], requests: IO[bytes], descriptor: int) -> None:
    """Answer requests until there are no more."""
    measuring, problem = None, ""
    try:
        measuring = measured.begin(settings["coverage"])
    except ImportError as error:
        problem = f"coverage is not measured in the container of {settings['where']}: {error}"
    try:
        warm = Warm(settings, descriptor, measuring, requests)
    except BaseException as error:  # noqa: BLE001  whatever a conftest.py raises is told
        text = str(error) if isinstance(error, pytest.UsageError) else traceback.format_exc()
        os.write(
            descriptor, json.dumps({"kind": "fatal", "text": f"pytest cannot start there: {text}"}).encode() + b"\n"
        )
        return
    if problem:
        warm.messages.send("problem", text=problem)
    for line in requests:
        warm.run(json.loads(line))


def _config(settings: Mapping[str, Any]) -> pytest.Config:
    os.chdir(settings["directory"])
    args: list[str] = [*settings["args"], "-p", "no:terminal"]
    if not _announced():
        args += ["-p", "pytest_containers.plugin"]
    config = get_config(args)
    config.stash[INSIDE] = True
    # What there is to say about the configuration was said outside, where it may be an error (filterwarnings).
    config.issue_config_time_warning = _unsaid
    config.option.__dict__.update(settings["options"])
    config.parse(args, addopts=False)
    return config


def _unsaid(warning: Warning, stacklevel: int) -> None:
    """In place of Config.issue_config_time_warning."""


def _announced() -> bool:
    """Whether pytest finds our plugin by itself here."""
    from importlib.metadata import entry_points

    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return False
    return any(each.value == "pytest_containers.plugin" for each in entry_points(group="pytest11"))


class Warm:
    """One pytest session that never ends by itself."""

    def __init__(self, settings: Mapping[str, Any], descriptor: int, measuring: Any, requests: IO[bytes]) -> None:
        self._measuring = measuring
        self._config = config = _config(settings)
        self.messages: Messages = Messages(descriptor, config)
        config.pluginmanager.register(self.messages, "pytest_containers_messages")
        config.pluginmanager.register(Debugger(self.messages, requests, config), "pytest_containers_debugger")
        config._do_configure()  # pyright: ignore[reportPrivateUsage]  # what pytest.main does, without its end
        self._session = pytest.Session.from_config(config)
        config.hook.pytest_sessionstart(session=self._session)
        self._items: dict[str, pytest.Item] = {}
        self._files: dict[str, list[pytest.CollectReport]] = {}

    def run(self, request: Mapping[str, Any]) -> None:
        """Run one test in a process of its own."""
        nodeid, path = request["nodeid"], request["path"]
        if path not in self._files:
            self._collect(path)
        item = self._items.get(nodeid)
        if item is None:
            self._missing(nodeid, path)
            return
        before = processes.kills()
        self.messages.send("started")
        process = os.fork()
        if process == 0:
            self._test(item)
        _, status = os.waitpid(process, 0)
        processes.end_others({1, os.getpid()})
        died = not os.WIFEXITED(status) or os.WEXITSTATUS(status)
        captured = self._captured() if died else []
        oom = processes.kills() > before
        self.messages.send("ended", number=request["number"], status=status, oom=oom, captured=captured)

    def _collect(self, path: str) -> None:
        self.messages.collected = self._files[path] = []
        try:
            items = self._session.perform_collect([path])
        except pytest.UsageError:  # tells of what is in self._files, too
            items = []
        self._items.update({item.nodeid: item for item in items})
        gc.collect()
        gc.freeze()  # a collection in a fork would otherwise copy what is shared (gc.freeze's documentation)

    def _missing(self, nodeid: str, path: str) -> None:
        reports = self._files[path]
        if reports:
            self.messages.send("uncollected", report=self.messages.serialized(reports[-1]))
        else:
            file = nodeid.partition("::")[0]
            found = [each for each in self._items if each.startswith(file)]
            self.messages.send("absent", found=found[:10])

    def _captured(self) -> list[str]:
        """What the test has written before it died: it is in files that were opened before the fork."""
        manager: Any = self._config.pluginmanager.getplugin("capturemanager")
        try:
            return list(manager.read_global_capture())
        except (AssertionError, AttributeError):  # -s
            return []

    def _test(self, item: pytest.Item) -> None:
        """Never returns."""
        code = 1
        try:
            os.setsid()
            processes.offer()
            self._config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            self.messages.send("finished", coverage=measured.end(self._measuring))
            code = 0
        except pytest.exit.Exception as error:
            self.messages.send("exit", reason=error.msg, returncode=error.returncode)
            code = 0
        except BaseException:  # noqa: BLE001  an error of a plugin; outside it would end the run
            self.messages.send("fatal", text=traceback.format_exc())
        finally:
            os._exit(code)
