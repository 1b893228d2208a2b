"""The life of a container: started and ready, ended, removed."""

from __future__ import annotations

import contextlib
import math
import select
import time
from typing import TYPE_CHECKING

from pytest_containers.client.errors import APIError, NotFoundError
from pytest_containers.errors import ContainerError, WaitTimeout, translated
from pytest_containers.handle.readiness import Readiness
from pytest_containers.resting import Limit

if TYPE_CHECKING:
    from pytest_containers.files import Content

DOCKERS_PATIENCE = 10.0
"""Seconds before a container that is asked to end is killed (Docker's API, POST /containers/{id}/stop)."""
NOT_MODIFIED = 304  # Docker's answer where there was nothing to do


class Life(Readiness):
    """What it is made to do, and waiting for it."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code; WaitTimeout after ``timeout`` seconds (the definition's)."""
        __tracebackhide__ = True
        limit = self._patience if timeout is None else timeout
        with self.open_wait() as waiting:
            poll = select.poll()
            poll.register(waiting.fileno(), select.POLLIN)
            if Limit(limit).poll(poll):
                with translated(f"cannot wait for container {self._what}"):
                    code = waiting.result()
                self._end_forwarding()
                return code
        raise WaitTimeout(f"container {self._what} still runs after {limit:g} s{self.last_lines()}")

    def _change(self, verb: str, *arguments: object) -> None:
        __tracebackhide__ = True
        with translated(f"cannot {verb} container {self._what}"):
            try:
                getattr(self._client.containers, verb)(self.id, *arguments)
            except APIError as error:
                if error.status != NOT_MODIFIED:
                    raise
        self._forget_addresses()

    def start(self) -> None:
        """Start it, and return when it is ready (``wait`` of its definition).

        Raises:
            ContainerExited: it ended before.
            WaitTimeout: it was not ready in time.
        """
        __tracebackhide__ = True
        self.begin()
        self.complete()

    def begin(self) -> None:
        """The first half of ``start``: what returns at once."""
        __tracebackhide__ = True
        self._since = time.time() if self._started else None
        self._started = True
        self.moments.pop("ready", None)
        self._change("start")
        self.moments["started"] = time.time()
        self._engine.tell("started", self)
        self._begin_forwarding()
        if self._spec.after_start:
            self._spec.after_start(self)

    def complete(self) -> None:
        """The second half of ``start``: waiting."""
        __tracebackhide__ = True
        self.await_ready()
        self.moments["ready"] = time.time()
        if self._spec.after_ready:
            self._spec.after_ready(self)

    def attached(self) -> None:
        """Another process has started it, and it is ready."""
        self.moments.pop("created", None)
        self._started = True

    def ending(self) -> str:
        """Whether it runs, or how it ended, in words."""
        if self._removed:
            return "removed"
        state = self.inspect().get("State", {})
        if state.get("Status") not in {"exited", "dead"}:
            return state.get("Status", "unknown")
        code = state.get("ExitCode")
        return f"{self._out_of_memory()}, exit code {code}" if state.get("OOMKilled") else f"exited with code {code}"

    def stop(self, timeout: int | None = None) -> None:
        """Ask it to end (SIGTERM, or its image's signal), and kill it after ``timeout`` seconds (10)."""
        __tracebackhide__ = True
        self._change("stop", self._time_to_end(timeout))

    def _time_to_end(self, seconds: float | None) -> int | None:
        """Whole seconds that it gets to end by itself (None: the engine's 10), less where the run is interrupted."""
        wanted = DOCKERS_PATIENCE if seconds is None else seconds
        left = self._engine.patience(wanted)
        if left < wanted:
            return round(left)
        return None if seconds is None else math.ceil(seconds)

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal to its first process."""
        __tracebackhide__ = True
        self._change("kill", signal)

    def restart(self, timeout: int | None = None) -> None:
        """Stop it and start it again; its files stay. Returns when it is ready."""
        __tracebackhide__ = True
        self.stop(timeout)
        self.start()

    def fill(self) -> None:
        """Put its files where they belong, before it is started: the definition's, and those of new volumes."""
        from pathlib import Path

        from pytest_containers.files import pack

        __tracebackhide__ = True
        files: dict[str, Content] = {target: Path(source) for source, target in self._spec.copies.items()}
        files |= self._spec.files
        with contextlib.ExitStack() as stack:
            for path, volume in self._spec.volumes.items():
                if not isinstance(volume, str):
                    filling = stack.enter_context(volume.filling())
                    files |= {f"{path}/{name.lstrip('/')}": content for name, content in filling.items()}
            if not files:
                return
            with translated(f"cannot put files into container {self._what}"):
                try:
                    archive = pack(files)
                except OSError as error:
                    raise ContainerError(f"container {self._what}: {error.filename}: {error.strerror}") from None
                self._client.containers.put_archive(self.id, "/", archive)

    def let_end(self) -> None:
        """What its definition wants before it is removed: ``before_stop``, and time to stop by itself."""
        __tracebackhide__ = True
        if self._removed or not self._started:
            return
        if self._spec.before_stop and self.status == "running":
            self._spec.before_stop(self)
        # Without any time its removal kills it, which is one request.
        if self._spec.stop_timeout and (seconds := self._time_to_end(self._spec.stop_timeout)):
            self._change("stop", seconds)

    def remove(self) -> None:
        """Kill and remove it; one that is gone is no error."""
        __tracebackhide__ = True
        if self._removed:
            return
        self._engine.tell("leaving", self)
        with translated(f"cannot remove container {self._what}"), contextlib.suppress(NotFoundError):
            if self._engine.kill_first:
                with contextlib.suppress(APIError):  # it does not run
                    self._client.containers.kill(self.id, "SIGKILL")
            self._client.containers.remove(self.id, force=True, volumes=True)
        self._removed = True
        for call in self._at_removal:
            call()
        self._end_forwarding()
        self._engine.tell("left", self)
