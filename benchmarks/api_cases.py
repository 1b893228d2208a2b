"""Work that is asked for through the Docker Engine API, alike from every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.image import NAME
from benchmarks.measure import OURS, USER, Work, interleave, timed
from benchmarks.memory import engine_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.engines import Engine
    from pytest_containers.client.types import ContainerBody

MANY = 100
AT_ONCE = 10


def body(*command: str, network: str = "default") -> ContainerBody:
    """A request for a container of the benchmark's image."""
    return {"Image": NAME, "Cmd": list(command), "HostConfig": {"NetworkMode": network}}


def cycle(engine: Engine, network: str) -> float:
    """Create, start, wait, remove."""

    def work() -> None:
        containers = engine.client.containers
        name = containers.create(body("true", network=network))
        containers.start(name)
        if (code := containers.wait(name)) != 0:
            raise RuntimeError(f"`true` ended with {code}")
        containers.remove(name)

    return timed(work)


def first_output(engine: Engine) -> float:
    """From the request to start to the first byte of output at an attached client."""
    containers = engine.client.containers
    name = containers.create(body("sh", "-c", "echo x; exec sleep 1000"))
    with containers.attach(name) as stream:
        output = iter(stream)

        def work() -> None:
            containers.start(name)
            next(output)

        spent = timed(work)
    containers.remove(name, force=True)
    return spent


def port_open(engine: Engine) -> float:
    """From the request to start to an accepted connection of a web server."""
    containers = engine.client.containers
    name = containers.create(body("httpd", "-f", "-p", "80", "-h", "/www"))

    def work() -> None:
        containers.start(name)
        networks = containers.inspect(name).get("NetworkSettings", {}).get("Networks", {})
        (address,) = (endpoint.get("IPAddress", "") for endpoint in networks.values())
        port = 80
        if engine.name == USER:
            forward = containers.forward(name, 80)
            address, port = forward["Host"], forward["Port"]
        engine.prober.await_port(address, port)

    spent = timed(work)
    containers.remove(name, force=True)
    return spent


def exec_true(engine: Engine, container: str) -> float:
    """Create an exec of `true`, start it, read it to its end, ask for its exit code."""

    def work() -> None:
        execs = engine.client.execs
        identifier = execs.create(container, {"Cmd": ["true"], "AttachStdout": True, "AttachStderr": True})
        if execs.start(identifier).exit_code != 0:
            raise RuntimeError("`true` failed in an exec")

    return timed(work)


def measure(engines: list[Engine], floor: Callable[[], float], rounds: int) -> list[Work]:
    """All but the hundred."""
    works = [
        interleave("cycle with network", {e.name: _bind(cycle, e, "default") for e in engines} | {"unshare": floor},
                   rounds),
        interleave("cycle without network", {e.name: _bind(cycle, e, "none") for e in engines} | {"unshare": floor},
                   rounds),
        interleave("start to first output", {e.name: _bind(first_output, e) for e in engines}, rounds),
        interleave("start to port open", {e.name: _bind(port_open, e) for e in engines}, rounds),
    ]  # fmt: skip
    idle = {e.name: _idle(e) for e in engines}
    works.append(interleave("exec", {e.name: _bind(exec_true, e, idle[e.name]) for e in engines}, rounds))
    for engine in engines:
        engine.client.containers.remove(idle[engine.name], force=True)
    return works


def _idle(engine: Engine) -> str:
    name = engine.client.containers.create(body("sleep", "100000"))
    engine.client.containers.start(name)
    return name


def _bind(function: Callable[..., float], *arguments: object) -> Callable[[], float]:
    return lambda: function(*arguments)


def measure_many(engines: list[Engine], rounds: int) -> list[Work]:
    """A hundred containers: started and removed ten at once, and the engine's memory meanwhile."""
    started, removed = Work(f"{MANY} started, {AT_ONCE} at once"), Work(f"{MANY} removed, {AT_ONCE} at once")
    memory = Work(f"memory per idle container, of {MANY}", "MB")
    for _ in range(rounds):
        for engine in engines:
            start, held, remove = _hundred(engine)
            started.samples.setdefault(engine.name, []).append(start)
            memory.samples.setdefault(engine.name, []).append(held)
            removed.samples.setdefault(engine.name, []).append(remove)
    return [started, removed, memory]


def _hundred(engine: Engine) -> tuple[float, float, float]:
    """Return milliseconds to start, megabytes of each, milliseconds to remove."""
    containers = engine.client.containers
    names: list[str] = []

    def start(_number: int) -> None:
        names.append(_idle(engine))

    def remove(name: str) -> None:
        containers.remove(name, force=True)

    before = engine_memory(engine.pid, set(), with_namespace=engine.name not in {OURS, USER})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = timed(lambda: list(pool.map(start, range(MANY))))
        own = {containers.inspect(name).get("State", {}).get("Pid", 0) for name in names}
        after = engine_memory(engine.pid, own, with_namespace=engine.name not in {OURS, USER})
        removed = timed(lambda: list(pool.map(remove, list(names))))
    return started, (after - before) / MANY / 1e6, removed
