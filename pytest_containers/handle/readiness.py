"""When a container is ready, and what is said where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_containers.client.errors import EngineUnreachable
from pytest_containers.errors import ContainerError, ContainerExited, WaitTimeout, translated
from pytest_containers.handle.addresses import Addresses
from pytest_containers.handle.conditions import Conditions
from pytest_containers.handle.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.containers import Waiting
    from pytest_containers.wait import Wait

HOST = "host"
"""The image of our engine that is the machine itself: it declares nothing, so it is not asked."""
BY_DEFAULT = " (as its image declares; wait= in its definition decides over that)"


class Readiness(Addresses, Output, Conditions):
    """Waits for it."""

    def open_wait(self) -> Waiting:
        """What becomes readable when it ends; close it."""
        __tracebackhide__ = True
        with translated(f"cannot wait for container {self._what}"):
            return self._client.containers.open_wait(self.id)

    def await_ready(self) -> None:
        """Return when it is ready; see ``start``."""
        from pytest_containers.wait import base

        __tracebackhide__ = True
        wait, remark = self._wanted()
        if wait is None:
            return
        limit = self._spec.timeout or max(self._engine.timeout, wait.longest())
        try:
            base.run(wait, self, limit)
        except base.Ended:
            raise self._exited(f"before it was ready (waited for {wait}){remark}") from None
        except base.TimedOut as error:
            raise WaitTimeout(
                f"container {self._what} is not ready after {error.seconds:g} s: waited for {wait}{remark}, "
                f"tried {error.tries} times; {error.seen}{self.last_lines()}"
            ) from None
        except EngineUnreachable as error:
            raise ContainerError(f"container {self._what}: {error}") from None
        except ContainerError as error:  # it ended so soon that it never had an address, say
            if self.exit_code is None:
                raise ContainerError(f"container {self._what}: waited for {wait}{remark}: {error}") from None
            raise self._exited(f"before it was ready (waited for {wait}){remark}") from None

    def _wanted(self) -> tuple[Wait | None, str]:
        """What makes it ready, and where that comes from if not from its definition."""
        __tracebackhide__ = True
        wait, remark = self._spec.wait, ""
        if wait is None:
            wait = self._declared()
            remark = BY_DEFAULT if wait else ""
        kind = type(self)
        if kind.is_ready is not Conditions.is_ready:
            from pytest_containers.wait import callable as called

            own = called(kind.is_ready)
            wait = wait & own if wait else own
        return wait, remark

    def _declared(self) -> Wait | None:
        """What its image declares: its health check, else any one of its ports. A job that ends well is ready, too.

        The health check's command is run by us besides, since most images have it run every 30 s only.
        """
        __tracebackhide__ = True
        if self._spec.image == HOST and "Healthcheck" not in self._spec.docker:
            return None
        from pytest_containers import wait

        config = self._details.get("Config", {})
        check = (config.get("Healthcheck") or {}).get("Test") or []
        if len(check) > 1 and check[0] in {"CMD", "CMD-SHELL"}:
            shell = config.get("Shell") or ["/bin/sh", "-c"]
            words = check[1:] if check[0] == "CMD" else [*shell, check[1]]
            return wait.any(wait.command(words), wait.healthy(), wait.exit())
        ports = [] if self._spec.network_name == "none" else self._exposed(self._details.get("Image", ""))
        return wait.any(*(wait.port(port) for port in ports), wait.exit()) if ports else None

    def _exposed(self, image: str) -> list[int]:
        """The TCP ports that an image declares; the engine is asked once for each image."""
        __tracebackhide__ = True
        known = self._engine.exposed
        if image not in known:
            if self.own_address and not self._spec.ports and "ExposedPorts" not in self._spec.docker:
                config: Mapping[str, Any] = self._details.get("Config", {})  # of our engine: the image's, and no others
            else:
                with translated(f"cannot inspect the image of container {self._what}"):
                    config = self._client.images.inspect(image).get("Config") or {}
            declared = [str(each).partition("/") for each in config.get("ExposedPorts") or {}]
            known[image] = sorted(int(port) for port, _, kind in declared if kind in {"", "tcp"})
        return known[image]

    def _exited(self, when: str) -> ContainerExited:
        state = self.inspect().get("State", {})
        code, oom = state.get("ExitCode", 0), state.get("OOMKilled", False)
        cause = self._out_of_memory() if oom else f"ended with exit code {code}"
        return ContainerExited(f"container {self._what} {cause} {when}{self.last_lines()}", code, oom_killed=oom)

    def _out_of_memory(self) -> str:
        limit = self._spec.limits.memory if self._spec.limits else None
        return f"was killed: out of memory{f' (limit {limit})' if limit else ''}"
