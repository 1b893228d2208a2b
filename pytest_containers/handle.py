"""The container that a test holds."""

from __future__ import annotations

import contextlib
import functools
import select
import time
from typing import TYPE_CHECKING, NamedTuple

from pytest_containers.client.errors import APIError, ClientError, EngineUnreachable, NotFoundError
from pytest_containers.definition import ContainerSpec, split
from pytest_containers.errors import ContainerError, ContainerExited, WaitTimeout, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.containers import LogStream, Waiting
    from pytest_containers.client.request_types import ExecBody
    from pytest_containers.client.types import ContainerDetails, Endpoint, Forward
    from pytest_containers.definition import Command
    from pytest_containers.engine import Engine
    from pytest_containers.networks import Network

NOT_MODIFIED = 304  # Docker's answer where there was nothing to do


class ExecResult(NamedTuple):
    """How a command inside a container ended, and what it wrote (UTF-8; other bytes are replaced)."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it wrote, standard output first."""
        return self.stdout + self.stderr


class Container:
    """One container, real and isolated.

    ``host``, ``port`` and ``url`` serve the test process, ``address`` serves other containers. Every method raises
    ContainerError where the engine cannot do it.
    """

    def __init__(
        self, engine: Engine, container_id: str, spec: ContainerSpec, network: Network | None, label: str
    ) -> None:
        self._engine = engine
        self._client = engine.client
        self._spec = spec
        self._label = label
        self._removed = False
        self._started = False
        self._since: float | None = None
        self.id = container_id
        self.network = network
        """The private network that it is in, where it was given one."""

    def __repr__(self) -> str:
        return f"<Container {self._what}>"

    @property
    def _what(self) -> str:
        return f"{self._label} ({self._spec.image})" if self._label else f"{self._spec.image} {self.id[:12]}"

    # -- what it is

    @property
    def image(self) -> str:
        """The image that it was made of, as it was asked for."""
        return self._spec.image

    @functools.cached_property
    def name(self) -> str:
        """Its name in the engine."""
        return self.inspect().get("Name", "").lstrip("/")

    @property
    def removed(self) -> bool:
        """Whether ``remove`` was called."""
        return self._removed

    def inspect(self) -> ContainerDetails:
        """All that the engine knows about it, as Docker's API has it."""
        __tracebackhide__ = True
        with translated(f"cannot inspect container {self._what}"):
            return self._client.containers.inspect(self.id)

    @property
    def status(self) -> str:
        """What it does: ``created``, ``running``, ``paused`` or ``exited``."""
        __tracebackhide__ = True
        return self.inspect().get("State", {}).get("Status", "unknown")

    @property
    def exit_code(self) -> int | None:
        """The exit code, 128 + n for signal n; None while it has not ended."""
        __tracebackhide__ = True
        state = self.inspect().get("State", {})
        return state.get("ExitCode") if state.get("Status") in {"exited", "dead"} else None

    # -- where it is

    @functools.cached_property
    def _details(self) -> ContainerDetails:
        """Its addresses, which hold until it is stopped."""
        return self.inspect()

    def _forget_addresses(self) -> None:
        self.__dict__.pop("_details", None)

    @property
    def own_address(self) -> bool:
        """Whether the test process reaches it at an address of its own, and not through published ports."""
        return self._engine.own_addresses

    @property
    def _endpoint(self) -> Endpoint:
        __tracebackhide__ = True
        networks = self._details.get("NetworkSettings", {}).get("Networks") or {}
        endpoint = next((each for each in networks.values() if each.get("IPAddress")), None)
        if endpoint is None:
            self._forget_addresses()
            raise ContainerError(f"container {self._what} has no address: is it running, and in a network?")
        return endpoint

    @property
    def host(self) -> str:
        """The address at which the test process reaches it."""
        __tracebackhide__ = True
        if self._spec.network_name == "host":
            return "127.0.0.1"
        if not self._engine.own_addresses:
            return self._engine.published_host
        if self._engine.forwards:
            return self._forward(0)["Host"]
        return self._endpoint.get("IPAddress", "")

    def port(self, number: int) -> int:
        """The port at ``host`` that leads to the container's port ``number``."""
        __tracebackhide__ = True
        if self._engine.forwards and self._spec.network_name != "host":
            return self._forward(number)["Port"]
        if self._engine.own_addresses or self._spec.network_name == "host":
            return number
        ports = self._details.get("NetworkSettings", {}).get("Ports") or {}
        bindings = ports.get(f"{number}/tcp") or []
        if not bindings:
            self._forget_addresses()
            raise ContainerError(
                f"port {number} of container {self._what} is not published by this engine: name it in ports=[{number}]"
            )
        return int(bindings[0]["HostPort"])

    def listens(self, number: int) -> bool | None:
        """Whether something inside takes connections at a port; None where the test process can see that itself."""
        __tracebackhide__ = True
        if not self._engine.forwards or self._spec.network_name == "host":
            return None
        with translated(f"cannot reach port {number} of container {self._what}"):
            return self._client.containers.forward(self.id, number, probe=True)["Open"]

    def _forward(self, number: int) -> Forward:
        __tracebackhide__ = True
        with translated(f"cannot reach port {number} of container {self._what}"):
            return self._client.containers.forward(self.id, number)

    def url(self, port: int = 80, scheme: str = "http") -> str:
        """``scheme://host:port`` for the test process; ``port`` is the container's own."""
        __tracebackhide__ = True
        return f"{scheme}://{self.host}:{self.port(port)}"

    def address(self, port: int) -> str:
        """``host:port`` for other containers of its network."""
        __tracebackhide__ = True
        return f"{self._endpoint.get('IPAddress', '')}:{port}"

    # -- what it does

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

    def logs(self, *, stdout: bool = True, stderr: bool = True, tail: int | None = None) -> str:
        """What it wrote so far, in the order of writing; ``tail``: only the last lines."""
        __tracebackhide__ = True
        parts: list[bytes] = []
        with (
            translated(f"cannot read the output of container {self._what}"),
            self._client.containers.follow(
                self.id, stdout=stdout, stderr=stderr, tail="all" if tail is None else tail, follow=False
            ) as stream,
        ):
            parts.extend(data for _, data in stream)
        return b"".join(parts).decode(errors="replace")

    def log_streams(self, *, tail: int | None = None) -> tuple[str, str]:
        """What it wrote so far to standard output and standard error; ``tail``: only the last lines of each."""
        __tracebackhide__ = True
        with translated(f"cannot read the output of container {self._what}"):
            logs, lines = self._client.containers.logs, "all" if tail is None else tail
            # One after the other, so that a talkative stream does not crowd out the last words of the other.
            out, err = logs(self.id, stderr=False, tail=lines)[0], logs(self.id, stdout=False, tail=lines)[1]
        return out.decode(errors="replace"), err.decode(errors="replace")

    def follow(self) -> LogStream:
        """Its output from the beginning and as it comes: iterate for ``(1 or 2, bytes)``, and close it."""
        __tracebackhide__ = True
        with translated(f"cannot follow the output of container {self._what}"):
            return self._client.containers.follow(self.id)

    def output(self) -> LogStream:
        """Its output since it was last started, for waits: what an earlier life wrote makes nothing ready."""
        __tracebackhide__ = True
        with translated(f"cannot follow the output of container {self._what}"):
            return self._client.containers.follow(self.id, since=self._since)

    def open_wait(self) -> Waiting:
        """What becomes readable when it ends; close it."""
        __tracebackhide__ = True
        with translated(f"cannot wait for container {self._what}"):
            return self._client.containers.open_wait(self.id)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code; WaitTimeout after ``timeout`` s (``--containers-timeout``)."""
        __tracebackhide__ = True
        limit = self._engine.timeout if timeout is None else timeout
        with self.open_wait() as waiting:
            poll = select.poll()
            poll.register(waiting.fileno(), select.POLLIN)
            if poll.poll(limit * 1000):
                with translated(f"cannot wait for container {self._what}"):
                    return waiting.result()
        raise WaitTimeout(f"container {self._what} still runs after {limit:g} s{self.last_lines()}")

    # -- its life

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
        self._since = time.time() if self._started else None
        self._started = True
        self._change("start")
        self.await_ready()

    def await_ready(self) -> None:
        """Return when it is ready; see ``start``."""
        from pytest_containers.wait import base

        __tracebackhide__ = True
        wait = self._spec.wait
        if wait is None:
            return
        limit = self._spec.timeout or self._engine.timeout
        try:
            base.run(wait, self, limit)
        except base.Ended:
            raise self._exited(f"before it was ready (waited for {wait})") from None
        except base.TimedOut as error:
            raise WaitTimeout(
                f"container {self._what} is not ready after {limit:g} s: waited for {wait}, tried {error.tries} times; "
                f"{error.seen}{self.last_lines()}"
            ) from None
        except EngineUnreachable as error:
            raise ContainerError(f"container {self._what}: {error}") from None
        except ContainerError:  # it ended so soon that it never had an address, say
            if self.exit_code is None:
                raise
            raise self._exited(f"before it was ready (waited for {wait})") from None

    def _exited(self, when: str) -> ContainerExited:
        state = self.inspect().get("State", {})
        code, oom = state.get("ExitCode", 0), state.get("OOMKilled", False)
        cause = self._out_of_memory() if oom else f"ended with exit code {code}"
        return ContainerExited(f"container {self._what} {cause} {when}{self.last_lines()}", code, oom_killed=oom)

    def _out_of_memory(self) -> str:
        limit = self._spec.limits.memory if self._spec.limits else None
        return f"was killed: out of memory{f' (limit {limit})' if limit else ''}"

    def ending(self) -> str:
        """Whether it runs, or how it ended, in words."""
        if self._removed:
            return "removed"
        state = self.inspect().get("State", {})
        if state.get("Status") not in {"exited", "dead"}:
            return state.get("Status", "unknown")
        code = state.get("ExitCode")
        return f"{self._out_of_memory()}, exit code {code}" if state.get("OOMKilled") else f"exited with code {code}"

    def last_lines(self) -> str:
        """Its last lines of both streams as the end of a message; the reason where they cannot be had."""
        try:
            out, err = self.log_streams(tail=self._engine.log_lines)
        except (ContainerError, ClientError) as error:
            return f"\n(its output cannot be read: {error})"
        parts = [f"\n--- {name} ---\n{text.rstrip()}" for name, text in (("stdout", out), ("stderr", err)) if text]
        return "".join(parts) or "; it wrote nothing"

    def stop(self, timeout: int | None = None) -> None:
        """Ask it to end (SIGTERM, or its image's signal), and kill it after ``timeout`` seconds (10)."""
        __tracebackhide__ = True
        self._change("stop", timeout)

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal to its first process."""
        __tracebackhide__ = True
        self._change("kill", signal)

    def restart(self, timeout: int | None = None) -> None:
        """Stop it and start it again; its files stay. Returns when it is ready."""
        __tracebackhide__ = True
        self.stop(timeout)
        self.start()

    def remove(self) -> None:
        """Kill and remove it; one that is gone is no error."""
        __tracebackhide__ = True
        if self._removed:
            return
        with translated(f"cannot remove container {self._what}"), contextlib.suppress(NotFoundError):
            self._client.containers.remove(self.id, force=True, volumes=True)
        self._removed = True
