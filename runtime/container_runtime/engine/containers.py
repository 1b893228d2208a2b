"""What happens to containers: create, start, stop, kill, wait, remove."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal as signals
from typing import TYPE_CHECKING, Any

from container_runtime.engine import accounts, lifecycle, names, sandboxes, specgen, streams, unsupported
from container_runtime.engine.container import Container, now
from container_runtime.errors import Conflict, EngineError, InvalidParameter, NotFound, StartError
from container_runtime.kernel import userns
from container_runtime.oci.seccomp import compile_profile, default_profile
from container_runtime.state.paths import data_home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from container_runtime.engine.core import Engine
    from container_runtime.launcher.client import Exit
    from container_runtime.oci.spec import Mount

_seccomp_files: dict[frozenset[str], str] = {}
DEFAULT_STOP_TIMEOUT = 10  # seconds between the stop signal and SIGKILL, as Docker waits


def create(engine: Engine, body: dict[str, Any], name: str | None) -> Container:
    """Make a container; nothing runs yet.

    Raises:
        NotFound: no such image.
        Conflict: the name is taken.
        InvalidParameter: the request makes no sense; it is tried as far as possible before anything starts.
    """
    engine.admit()
    unsupported.refuse(body)
    image = engine.images.get(body.get("Image") or "")
    chosen = names.check_name(name) if name else names.random_name(engine.names)
    if chosen in engine.names:
        holder = engine.names[chosen]
        raise Conflict(
            f'Conflict. The container name "/{chosen}" is already in use by container "{holder}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )
    identity = os.urandom(32).hex()
    directory = engine.run.containers / identity
    container = Container(identity, chosen, body, image, directory)
    sandboxes.check(engine, container)
    _generate(engine, container)
    directory.mkdir(mode=0o700)
    engine.images.lease(image.id, f"{engine.run.path.name}-{identity}")
    engine.containers[identity] = container
    engine.names[chosen] = identity
    _publish(engine, container, "create")
    return container


def _publish(engine: Engine, container: Container, action: str, **more: str) -> None:
    attributes = {"image": container.body["Image"], "name": container.name, **container.labels, **more}
    engine.events.publish("container", action, container.id, attributes)


def _escape(path: str) -> str:
    """A path in an overlay option: a colon separates layers, a comma options (overlayfs.rst)."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _root_mounts(engine: Engine, container: Container) -> list[Mount]:
    """The root filesystem: one overlay as a rule, several for the host image of an ordinary user."""
    mounts: list[Mount] = []
    for destination, directories in engine.images.parts(container.image):
        layer = _layer(engine, container, destination)
        lower = ":".join(_escape(path) for path in directories)
        options = [f"lowerdir={lower}", f"upperdir={layer}/upper", f"workdir={layer}/work", "volatile"]
        if userns.active():
            options.append("userxattr")
        mounts.append({"destination": destination, "type": "overlay", "source": "overlay", "options": options})
    return mounts


def _layer(engine: Engine, container: Container, destination: str) -> Path:
    """The directory of the writable layer of a part of the root; ``upper`` and ``work`` of "/" lie at the top."""
    top = engine.run.layers / container.id
    return top if destination == "/" else top / "parts" / destination.strip("/").replace("/", "%")


def _generate(engine: Engine, container: Container) -> Any:
    """config.json."""
    passwd, group = accounts.of_image(engine.images, container.image)
    facts = specgen.Facts(
        identity=container.id,
        hostname=container.hostname,
        root_path=str(engine.root_path),
        cgroups_path=f"pytest-containers-{engine.run.path.name}/{container.id}",
        root_mounts=_root_mounts(engine, container),
        files=sandboxes.files(container),
        network=sandboxes.namespace(engine, container),
        passwd=passwd,
        group=group,
        device=_device,
    )
    return specgen.generate(container.image.config, container.body, facts)


def _device(path: str) -> tuple[str, int, int]:
    import stat

    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise InvalidParameter(f"error gathering device information for {path}: {error.strerror}") from None
    if not stat.S_ISCHR(status.st_mode) and not stat.S_ISBLK(status.st_mode):
        raise InvalidParameter(f"error gathering device information for {path}: not a device node")
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b"
    return kind, os.major(status.st_rdev), os.minor(status.st_rdev)


async def seccomp_file(container: Container, capabilities: Iterable[str]) -> str:
    """The compiled default filter for a container, or nothing where it asked for none."""
    _, wanted, _ = specgen.security(container.host.get("SecurityOpt"))
    if not wanted or container.host.get("Privileged"):
        return ""
    key = frozenset(capabilities)
    if key not in _seccomp_files:
        profile = default_profile(key)
        try:
            _seccomp_files[key] = await asyncio.to_thread(compile_profile, profile, data_home() / "seccomp")
        except OSError:  # a home that is full or may not be written: compiled for this run alone
            _seccomp_files[key] = await asyncio.to_thread(compile_profile, profile, container.directory.parent)
    return _seccomp_files[key]


async def start(engine: Engine, container: Container) -> None:
    """Start a container; returns when its program has been executed.

    Raises:
        StartError: it could not be; the container is left as Docker leaves it, with the exit code 126, 127 or 128.
    """
    engine.admit()
    container.check("start")
    container.state = lifecycle.STARTING
    try:
        sandboxes.prepare(engine, container)
        await _prepare_layers(engine, container)
        config = _generate(engine, container)
        _check_sources(config)
        container.process = config["process"]
        capabilities = config["process"]["capabilities"]["bounding"]
        container.seccomp = await seccomp_file(container, capabilities)
        container.log.restart()
        if container.ended.done():
            container.ended = asyncio.get_running_loop().create_future()
        await _launch(engine, container, config)
    except (EngineError, OSError) as error:
        _failed(engine, container, error)
        if isinstance(error, OSError):
            raise EngineError(f"cannot start container {container.name}: {error.strerror}: {error.filename}") from None
        raise
    finally:
        engine.networks.prepare_sandbox()
    container.started_at = now()
    container.error, container.oom_killed, container.exit_code = "", False, 0
    _publish(engine, container, "start")


async def _prepare_layers(engine: Engine, container: Container) -> None:
    for destination, _ in engine.images.parts(container.image):
        layer = _layer(engine, container, destination)
        if container.ended.done():  # overlayfs marks the work directory of a volatile mount, and takes it only once
            await asyncio.to_thread(shutil.rmtree, layer / "work", ignore_errors=True)
        for path in (layer / "upper", layer / "work"):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)


def _check_sources(config: Any) -> None:
    """Refuse a bind of what is not there: made up, it would be an empty directory that hides a mistake."""
    for mount in config["mounts"]:
        options = mount.get("options") or ()
        if ("bind" in options or "rbind" in options) and not os.path.exists(mount["source"]):  # noqa: PTH110
            raise InvalidParameter(
                f'invalid mount config for type "bind": bind source path does not exist: {mount["source"]}'
            )


def _failed(engine: Engine, container: Container, error: Exception) -> None:
    container.state = lifecycle.EXITED if container.started_at[:4] != "0001" else lifecycle.CREATED
    container.exit_code = error.exit_code if isinstance(error, StartError) else 128
    container.error = str(error)
    container.log.finish()
    for pipe in container.outputs:
        pipe.close()
    container.outputs.clear()
    if container.stdin is not None:
        container.stdin.close()
        container.stdin = None
    container.terminal = -1
    if not container.ended.done():
        container.ended.set_result(container.exit_code)
    if container.host.get("AutoRemove"):
        engine.behind(remove(engine, container, force=True))


async def _launch(engine: Engine, container: Container, config: Any) -> None:
    """Pipes or a terminal, and the launcher's part."""
    theirs: list[int] = []
    try:
        if container.tty:
            container.terminal, slave = streams.open_terminal()
            theirs = [slave]
            stdio = (slave, slave, slave)
            container.outputs = [streams.OutputPipe(container.terminal, lambda data: container.log.write(1, data))]
        else:
            out, out_end = streams.pipe_for_reading()
            err, err_end = streams.pipe_for_reading()
            container.outputs = [
                streams.OutputPipe(out, lambda data: container.log.write(1, data)),
                streams.OutputPipe(err, lambda data: container.log.write(2, data)),
            ]
            if container.body.get("OpenStdin"):
                in_end, write_end = streams.pipe_for_writing()
                container.stdin = streams.InputPipe(write_end)
            else:
                in_end = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            theirs = [in_end, out_end, err_end]
            stdio = (in_end, out_end, err_end)
        try:
            started = await engine.launcher.run(container.id, config, stdio, container.seccomp)
        except StartError as error:
            raise StartError(
                "failed to create task for container: failed to create shim task: OCI runtime create failed: "
                f"unable to start container process: {error}: unknown",
                error.exit_code,
            ) from None
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    container.pid = started.pid
    container.state = lifecycle.RUNNING
    sandboxes.open_forwards(engine, container)
    container.begun.set()


def ended(engine: Engine, container: Container, end: Exit) -> None:
    """The first process has gone, and with it all others of its pid namespace."""
    for pipe in container.outputs:
        pipe.drain_and_close()
    container.outputs.clear()
    if container.stdin is not None:
        container.stdin.close()
        container.stdin = None
    container.terminal = -1
    container.pid = 0
    if engine.networks.forwards is not None:
        engine.networks.forwards.stop(container.id)
    container.exit_code, container.oom_killed = end.code, end.oom_killed
    container.finished_at = now()
    container.state = lifecycle.EXITED
    container.log.finish()
    if end.oom_killed:
        _publish(engine, container, "oom")
    _publish(engine, container, "die", exitCode=str(end.code))
    if not container.ended.done():
        container.ended.set_result(end.code)
    if container.host.get("AutoRemove") and not engine.ending:
        engine.behind(remove(engine, container, force=True))


def signal_number(text: str) -> int:
    """A signal by number or name, with or without SIG.

    Raises:
        InvalidParameter: there is none such.
    """
    if text.isascii() and text.isdigit() and 0 < int(text) < signals.NSIG:
        return int(text)
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    try:
        return int(signals.Signals[name])
    except KeyError:
        raise InvalidParameter(f"Invalid signal: {text}") from None


async def kill(engine: Engine, container: Container, signal: str) -> None:
    """Send a signal; a SIGKILL returns when the container has ended."""
    number = signal_number(signal)
    container.check("kill")
    await engine.launcher.kill(container.id, number)
    _publish(engine, container, "kill", signal=str(number))
    if number == signals.SIGKILL:
        await asyncio.shield(container.ended)


async def stop(engine: Engine, container: Container, patience: int | None, signal: str | None) -> None:
    """Ask it to end, kill it after ``patience`` seconds (None: its own, or 10; negative: never)."""
    container.check("stop")
    chosen = signal or container.body.get("StopSignal") or container.image.config.get("StopSignal") or "SIGTERM"
    limit = patience
    if limit is None:
        limit = container.body.get("StopTimeout")
    if limit is None:
        limit = DEFAULT_STOP_TIMEOUT
    try:
        await engine.launcher.kill(container.id, signal_number(chosen))
        _, waiting = await asyncio.wait([container.ended], timeout=None if limit < 0 else limit)
        if waiting:
            await engine.launcher.kill(container.id, int(signals.SIGKILL))
    except NotFound:
        pass  # it ended meanwhile
    await asyncio.shield(container.ended)
    _publish(engine, container, "stop")


async def wait(container: Container, condition: str) -> int:
    """The exit code, when the condition holds.

    Raises:
        InvalidParameter: a condition that Docker does not have.
    """
    if condition in {"", "not-running"}:
        if container.state in {lifecycle.CREATED, lifecycle.EXITED}:
            return container.exit_code
        return await asyncio.shield(container.ended)
    if condition == "next-exit":
        if container.ended.done() and not container.running:
            container.ended = asyncio.get_running_loop().create_future()
        return await asyncio.shield(container.ended)
    if condition == "removed":
        return await asyncio.shield(container.removed)
    raise InvalidParameter(f'invalid condition: "{condition}"')


async def remove(engine: Engine, container: Container, *, force: bool) -> None:
    """Remove a container; returns when its processes are dead and its name and addresses are free."""
    container.check("force-remove" if force else "remove")
    was_running = container.state in {lifecycle.RUNNING, lifecycle.STARTING}
    container.state = lifecycle.REMOVING
    if was_running:
        try:
            await engine.launcher.kill(container.id, int(signals.SIGKILL))
            await asyncio.shield(container.ended)
        except NotFound:
            await asyncio.shield(container.ended)
        container.state = lifecycle.REMOVING
    sandboxes.release(engine, container)
    engine.images.release(f"{engine.run.path.name}-{container.id}")
    engine.names.pop(container.name, None)
    engine.containers.pop(container.id, None)
    for key in [key for key, one in engine.execs.items() if one.container is container]:
        del engine.execs[key]
    container.log.finish()
    container.log.release()
    if not container.ended.done():
        container.ended.set_result(container.exit_code)
    if not container.removed.done():
        container.removed.set_result(container.exit_code)
    _publish(engine, container, "destroy")
    engine.delete_later(container.id, container.directory)
