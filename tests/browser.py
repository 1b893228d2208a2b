"""A real browser without a screen, for pages that we write: Chromium, driven by the DevTools protocol over two pipes.

Needs the Debian package chromium-headless-shell, or chromium where that does not exist.
https://chromedevtools.github.io/devtools-protocol/ has the methods; messages end with NUL (--remote-debugging-pipe).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANG = 60
"""Seconds; a hang limit."""
PROGRAMS = ("chromium-headless-shell", "chromium")


class Page:
    """One page at one width."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._rest = b""
        self._number = 0
        self._session = ""
        self.errors: list[str] = []
        """What the browser had to complain of: in its console, in scripts, in loading."""

    def show(self, path: Path, width: int, height: int) -> None:
        """Load a file at this size, and return when all of it is there. A narrow page is a phone's."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        phone = width < 600
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self._call("Page.navigate", url=path.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in it, as JSON has it."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if self._session and not method.startswith("Target.") else {}
        message = {"id": self._number, "method": method, "params": params, **session}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + HANG
        while b"\0" not in self._rest:
            assert select.select([self._answers], [], [], end - time.monotonic())[0], "the browser does not answer"
            data = os.read(self._answers, 1 << 16)
            assert data, "the browser has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._look(message.get("method"), message.get("params", {}))
        return message

    def _look(self, method: str | None, params: dict[str, Any]) -> None:
        bad = {"Log.entryAdded": params.get("entry", {}).get("level") in {"error", "warning"},
               "Runtime.consoleAPICalled": params.get("type") in {"error", "warning", "assert"},
               "Runtime.exceptionThrown": True}  # fmt: skip
        if bad.get(method or ""):
            self.errors.append(json.dumps(params))


@contextmanager
def browser() -> Iterator[Page]:
    """A browser with a page; its files and processes go with the block."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    assert program, f"none of {', '.join(PROGRAMS)} is installed"
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as home:
        # Without its sandbox: root cannot have it, and users' machines often forbid it; the page is our own.
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", f"--user-data-dir={home}", "--remote-debugging-pipe"]  # fmt: skip
        # It wants to read descriptor 3 and to write 4.
        script = f'exec "$@" 3<&{read_commands} 4>&{write_answers}'
        process = subprocess.Popen(
            ["bash", "-c", script, "browser", program, *options],
            pass_fds=(read_commands, write_answers), env={**os.environ, "HOME": home},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_commands)
        os.close(write_answers)
        try:
            yield Page(commands, answers)
        finally:
            os.close(commands)  # which ends it
            try:
                process.wait(HANG)
            finally:
                process.kill()
                os.close(answers)
