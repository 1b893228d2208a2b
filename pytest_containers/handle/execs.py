"""Commands inside a running container."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_containers.definition import split
from pytest_containers.errors import ContainerError, translated
from pytest_containers.handle.base import Handle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.request_types import ExecBody
    from pytest_containers.definition import Command


class ExecResult(NamedTuple):
    """How a command inside a container ended, and what it wrote (UTF-8; other bytes are replaced)."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it wrote, standard output first."""
        return self.stdout + self.stderr


class Execs(Handle):
    """Runs commands in it."""

    def exec(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        stdin: str | bytes | None = None,
        check: bool = False,
    ) -> ExecResult:
        """Run a command inside it and wait for its end.

        A string is split into words as a shell would, without a shell. ``check``: a command that fails is an error.
        """
        __tracebackhide__ = True
        words = split(command)
        body: ExecBody = {"AttachStdin": stdin is not None, "AttachStdout": True, "AttachStderr": True, "Cmd": words}
        if env:
            body["Env"] = [f"{name}={value}" for name, value in env.items()]
        if user:
            body["User"] = user
        if workdir:
            body["WorkingDir"] = workdir
        with translated(f"cannot run {words[0]} in container {self._what}"):
            exec_id = self._client.execs.create(self.id, body)
            code, *output = self._client.execs.start(exec_id, stdin.encode() if isinstance(stdin, str) else stdin)
        result = ExecResult(code, *(stream.decode(errors="replace") for stream in output))
        if check and code:
            raise ContainerError(f"{words[0]} in container {self._what} ended with exit code {code}: {result.text}")
        return result
