"""The engine of this run, as the rest of the plugin sees it: an address, how to make sure that it answers, its end."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, cast

from pytest_containers.client import Client
from pytest_containers.client.address import Address, parse_address
from pytest_containers.client.errors import ClientError, NotFoundError
from pytest_containers.definition import create_body
from pytest_containers.errors import ContainerError, NoEngine, NoHostImage, NoSnapshot, translated
from pytest_containers.handle import Container
from pytest_containers.limits import possible
from pytest_containers.removals import Removals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_containers.budget import Budget
    from pytest_containers.client.request_types import ContainerBody
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.networks import Network
    from pytest_containers.reports.part import Observer
    from pytest_containers.volumes import Volume
    from pytest_containers.watching import Watch

END_LIMIT = 20.0
"""Seconds that the removal of what is left may take while pytest waits for it; usually there is nothing left."""
REMOVAL_GRACE = 0.3
"""Seconds that an interrupted run waits for the end of containers that it removes; the watch sees to the rest."""
ANSWER_LIMIT = 60.0
"""Seconds that the first answer of an engine may take; usually it is there before it is asked for."""
OURS = "pytest-containers"
"""What our engine calls itself in /version; on this machine its containers are reached by their addresses."""
RUN_LABEL = "org.pytest-containers.run"
"""The run that a container, network or volume goes with."""
REUSE_LABEL = "org.pytest-containers.reuse"
"""The fixture of a container that is kept between runs, and goes with none."""


class Engine:
    """An engine that somebody else runs: Docker, Podman, or ours by ``pytest-containers serve``.

    Attributes:
        own_addresses: whether the test process reaches containers at addresses of their own.
        snapshots: whether it freezes the files of containers.
        forwards: whether it answers for them at loopback addresses of their own (an ordinary user's embedded engine).
        limits_optional: whether a container starts without a limit that the engine cannot set.
        kill_first: whether it would ask a container to end, and wait, before it removes it by force (Podman).
        skip_missing: whether tests are skipped where it cannot be had.
        watch: sees to it that nothing outlives the run; an engine of our own does that itself.
        origin: what led to it (``DOCKER_HOST``, a context); empty where it was named itself.
        timeout: seconds that a wait may take where nothing else is said.
        log_lines: last lines of a container that messages show.
        run: the run's name, which becomes a label.
    """

    own_addresses: bool = False
    forwards: bool = False
    snapshots: bool = False
    limits_optional: bool = False
    skip_missing: bool = False
    kill_first: bool = False

    def __init__(
        self,
        where: str | Address,
        run: str,
        *,
        timeout: float,
        log_lines: int,
        origin: str = "",
        watch: Watch | None = None,
    ) -> None:
        self.address: Address = parse_address(where) if isinstance(where, str) else where
        self.url: str = self.address.url
        self.origin = origin
        self.watch: Watch | None = watch
        self.run = run
        self.timeout = timeout
        self.log_lines = log_lines
        self.live: list[tuple[Container, object, str]] = []
        """The containers of this process, with the node that they live for and their fixture's name."""
        self.exposed: dict[str, list[int]] = {}
        """The TCP ports that images declare, by the image's id, as far as it was asked."""
        self.observer: Observer | None = None
        """Who is told what becomes of containers, for reports."""
        self.left: list[Container] = []
        """The containers that are not removed."""
        self.failed: list[Container] | None = None
        """Those that failed to start, where they are to stay for a while (``--containers-debug``)."""
        self.kept = False
        """Whether it goes on without us, with the containers that are kept."""
        self.budget: Budget | None = None
        """What all processes of the run may have together."""
        self.removals: Removals = Removals()
        self._end_by: float | None = None
        self._client: Client | None = None
        self._can: Mapping[str, Any] | None = None
        self._failure: str | None = None
        self._lock = threading.Lock()

    def spawn(self) -> None:
        """Begin to start it, without waiting; nothing here, since it runs already."""

    def prepare(self) -> None:
        """The same, where nobody is to be told yet: what goes wrong is told by ``client``."""
        with self._lock:
            try:
                self.spawn()
            except (OSError, ContainerError) as error:
                self._failure = self.explain(error)

    @property
    def client(self) -> Client:
        """The client, after the engine has answered once; ContainerError with the reason where it does not."""
        __tracebackhide__ = True
        with self._lock:
            if self._client is None and self._failure is None:
                self._connect()
        if self._client is None:
            raise NoEngine(self._failure, skip=self.skip_missing)
        return self._client

    @functools.cached_property
    def published_host(self) -> str:
        """Where the test process finds published ports."""
        from pytest_containers.reaching import published_host

        return published_host(self.address, lambda: self.client)

    def _connect(self) -> None:
        client = Client(self.address)
        try:
            self.spawn()
            with Client(self.address, ANSWER_LIMIT) as first:
                version = cast("Mapping[str, Any]", first.system.version())
            ours = (version.get("Platform") or {}).get("Name") == OURS
            self.removals.several = not ours
            if ours and self.address.local:
                self.own_addresses = True
                self.forwards = bool((version.get("X-Pytest-Containers") or {}).get("Forwards"))
            parts = version.get("Components") or []
            self.kill_first = any(str(part.get("Name", "")).startswith("Podman") for part in parts)
            self.snapshots = bool((version.get("X-Pytest-Containers") or {}).get("Snapshots"))
        except (ClientError, ContainerError, OSError) as error:
            client.close()
            self._failure = self.explain(error)
        else:
            self._client = client
            if self.watch is not None:
                self._begin_watch(self.watch)

    def _begin_watch(self, watch: Watch) -> None:
        import warnings

        try:
            watch.begin(self.address)
        except OSError as error:
            words = "what this run makes will stay on the engine if pytest is killed: it cannot be watched"
            warnings.warn(f"{words}: {error}", stacklevel=2)

    def explain(self, error: Exception) -> str:
        """Why the first request failed, for people."""
        return f"the container engine{f' of {self.origin}' if self.origin else ''} cannot be used: {error}"

    def keep(self) -> None:
        """Let it go on after the run; one that somebody else runs does anyway."""

    def begin_end(self) -> None:
        """Ask it to end where it is the run's, without waiting: ``close`` follows, and nothing else."""

    def close(self) -> None:
        """Let go of it at the end of the run."""
        self.removals.wait()
        if self._client is not None:
            self._client.close()
        if self.watch is not None:
            self.watch.close(self.patience(END_LIMIT))
        if self.budget is not None:
            self.budget.close()

    # -- an end that is in a hurry

    def hurry(self, seconds: float) -> None:
        """The run is interrupted: what ends from now on has so many seconds for that, all together."""
        self._end_by = time.monotonic() + seconds
        watched = self.watch is not None and self.watch.begun
        self.removals.hurry(self._end_by + REMOVAL_GRACE if watched else None)

    @property
    def is_hurried(self) -> bool:
        """Whether the run is interrupted."""
        return self._end_by is not None

    def patience(self, seconds: float) -> float:
        """``seconds``, or what is left of them where the run is interrupted."""
        return seconds if self._end_by is None else min(seconds, max(0.0, self._end_by - time.monotonic()))

    # -- containers

    def create(self, spec: ContainerSpec, *, node: object, name: str, snapshot: str | None = None) -> Container:
        """Create a container for the test or collector ``node``; an image that is not there is pulled.

        ``snapshot``: the key of the one that it starts from; NoSnapshot where there is none.
        """
        __tracebackhide__ = True
        from pytest_containers.markers import with_timeout

        _ = self.client  # an engine that cannot be had is the first thing to tell
        spec = with_timeout(spec, node, call=not name)
        label = name or spec.name or ""
        if self.limits_optional and spec.limits:
            spec = dataclasses.replace(spec, limits=possible(spec.limits, self._abilities(), label or spec.image))
        run = {} if REUSE_LABEL in spec.labels else {RUN_LABEL: self.run}
        labels = {**run, **({"org.pytest-containers.fixture": name} if name else {})}
        body = create_body(spec, labels, [name] if name.isidentifier() else [], publish=not self.own_addresses)
        place: str | None = None
        if self.budget is not None:
            place = self.budget.take(body.get("HostConfig", {}).get("Memory"), label or spec.image)
        try:
            container_id = self._created(spec, body, label, snapshot)
        except BaseException:
            self._give_back(place)
            raise
        network: Network | None = None if isinstance(spec.network, str) else spec.network
        container = (spec.cls or Container)(self, container_id, spec, network, label)
        container.owner = getattr(node, "nodeid", "")
        if place is not None:
            container.on_removal(lambda: self._give_back(place))
        self.live.append((container, node, name))
        try:
            container.fill()
        except BaseException:
            self.remove(container)
            raise
        return container

    def _abilities(self) -> Mapping[str, Any]:
        with self._lock:
            if self._can is None:
                self._can = self._client.system.info() if self._client else {}
            return self._can

    def _give_back(self, place: str | None) -> None:
        if self.budget is not None:
            self.budget.give(place)

    def _created(self, spec: ContainerSpec, body: ContainerBody, label: str, snapshot: str | None) -> str:
        __tracebackhide__ = True
        client = self.client
        with translated(f"cannot create container {f'{label} ' if label else ''}of image {spec.image!r}"):
            try:
                return client.containers.create(body, spec.name, snapshot=snapshot)
            except NotFoundError as error:
                if snapshot and "No such snapshot" in error.message:
                    raise NoSnapshot(snapshot) from None
                if "image" not in error.message.lower():
                    raise
                if spec.image == "host":  # nor has any registry
                    raise NoHostImage(self.url) from None
                client.images.pull(spec.image)
                if snapshot:
                    raise NoSnapshot(snapshot) from None
                return client.containers.create(body, spec.name)

    def run_container(
        self,
        spec: ContainerSpec,
        *,
        node: object,
        name: str = "",
        snapshot: str | None = None,
        created: Callable[[Container], None] | None = None,
    ) -> Container:
        """Create a container, start it, and return when it is ready; one that fails is removed.

        ``created`` is called with it before it is started, each time that it is tried.
        """
        __tracebackhide__ = True
        if spec.snapshot:
            from pytest_containers.snapshots import making

            return making.start(self, spec, node=node, name=name)
        attempt = 1
        while True:
            container = self.create(spec, node=node, name=name, snapshot=snapshot)
            try:
                if created:
                    created(container)
                container.start()
            except BaseException as error:
                last = not isinstance(error, ContainerError) or attempt >= spec.start_attempts
                self.remove(container, failed=last)
                if last:
                    raise
                attempt += 1
            else:
                return container

    def begin_container(
        self, spec: ContainerSpec, *, node: object, name: str, created: Callable[[Container], None]
    ) -> Container | None:
        """Create a container and start it, and do not wait; None where its snapshot has to be made first."""
        snapshot = None
        if spec.snapshot:
            from pytest_containers.snapshots import making

            found = making.existing(self, spec)
            if found is None:
                return None
            spec, snapshot = found
        try:
            container = self.create(spec, node=node, name=name, snapshot=snapshot)
        except NoSnapshot:
            return None
        try:
            created(container)
            container.begin()
        except BaseException:
            self.remove(container, failed=True)
            raise
        return container

    def complete_container(self, container: Container) -> Container:
        """Return it when it is ready; one that fails is removed."""
        __tracebackhide__ = True
        try:
            container.complete()
        except BaseException:
            self.remove(container, failed=True)
            raise
        return container

    def tell(self, moment: Literal["started", "leaving", "left"], container: Any) -> None:
        """Tell the observer of a moment in a container's life; what the engine does not say any more is not told."""
        if self.observer:
            with contextlib.suppress(ContainerError):
                getattr(self.observer, moment)(self, container)

    def _keeps(self, made: Container | Network | Volume, *, failed: bool) -> bool:
        """Whether it is not to be removed: it is a container that is kept, or one needs it."""
        if not self.observer:
            return False
        if not isinstance(made, Container):
            needed = any(made is one.network or made in one.definition.volumes.values() for one in self.left)
            if needed and self.watch is not None:
                self.watch.keep(getattr(made, "id", made.name))
            return needed
        if not self.observer.keeps(made, failed=failed):
            return False
        self.left.append(made)
        if self.watch is not None:
            self.watch.keep(made.id)
        self.tell("leaving", made)
        return True

    def remove(self, made: Container | Network | Volume, *, failed: bool = False) -> None:
        """Remove a container, network or volume and forget it. Where the engine is gone, so are they.

        ``failed``: it could not be started.
        """
        __tracebackhide__ = True
        if failed and self.failed is not None and isinstance(made, Container):
            self.failed.append(made)
            return
        for entry in [entry for entry in self.live if entry[0] is made]:
            self.live.remove(entry)  # in place: other threads append
        if self._keeps(made, failed=failed):
            return
        if not isinstance(made, Container):
            # What a container uses cannot be removed; where there is no time to wait for that, the watch does both.
            if self.removals.wait():
                self._unless_gone(made.remove)
            return
        try:
            self._unless_gone(made.let_end)
        finally:
            self.removals.add(functools.partial(self._unless_gone, made.remove))

    def _unless_gone(self, remove: Callable[[], None]) -> None:
        __tracebackhide__ = True
        try:
            remove()
        except ContainerError:
            if self._answers():
                raise

    def _answers(self) -> bool:
        try:
            self.client.system.ping()
        except (ClientError, ContainerError):
            return False
        return True
