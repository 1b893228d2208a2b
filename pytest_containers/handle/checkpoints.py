"""Its files as they were: kept under a name, and returned to, within a test."""

from __future__ import annotations

from dataclasses import replace

from pytest_containers.errors import ContainerError, translated
from pytest_containers.handle.life import Life

STOP_LIMIT = 60
"""Seconds that it gets to end by itself before its files are kept."""


class Checkpoints(Life):
    """What it is made to do with its files as a whole. Processes are not kept: they are ended, and start anew."""

    _kept: dict[str, bool]

    def checkpoint(self, name: str = "checkpoint") -> None:
        """Keep its files under a name, with those of its anonymous volumes; a name that was used is used anew.

        A running container is stopped for it (its stop signal, up to 60 s) and started again; it returns when that is
        ready. Named volumes, binds and tmpfs are not kept. Only the embedded engine can do it.
        """
        __tracebackhide__ = True
        self._need_checkpoints()
        running = self.status == "running"
        if running:
            self.stop(STOP_LIMIT)
        with translated(f"cannot keep the files of container {self._what}"):
            self._client.containers.checkpoint(self.id, name)
        self.__dict__.setdefault("_kept", {})[name] = running
        if running:
            self._start_again()

    def restore(self, name: str = "checkpoint") -> None:
        """Have its files as they were at the checkpoint; what was written since is lost.

        Its processes are killed; it is started again where it ran at the checkpoint, and returns when it is ready.
        """
        __tracebackhide__ = True
        self._need_checkpoints()
        if self.status in {"running", "paused"}:
            self.stop(0)
        with translated(f"cannot restore the files of container {self._what}"):
            self._client.containers.restore(self.id, name)
        if self.__dict__.get("_kept", {}).get(name):
            self._start_again()

    def _start_again(self) -> None:
        from pytest_containers.snapshots.making import resumed

        self._spec = replace(self._spec, wait=resumed(self._spec.wait))
        self.start()

    def _need_checkpoints(self) -> None:
        __tracebackhide__ = True
        if not self._engine.snapshots:
            raise ContainerError(
                f"container {self._what} can have no checkpoints: only the embedded engine has them (on Docker and "
                "Podman, files that a container starts with cannot be changed; snapshot=True works there)"
            )
