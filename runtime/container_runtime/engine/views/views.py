"""Docker's view of a container: a row of the list, and all that inspect tells."""

from __future__ import annotations

import calendar
import time
from typing import TYPE_CHECKING, Any

from container_runtime.engine import publishing
from container_runtime.engine.life import health, lifecycle
from container_runtime.engine.storage import mounting
from container_runtime.engine.streams import logconfig
from container_runtime.engine.views import attachments, inspection

if TYPE_CHECKING:
    from container_runtime.engine.container import Container


def status_text(container: Container) -> str:
    """The STATUS column of ``docker ps``."""
    if container.running:
        return f"Up {_ago(container.started_at)}{_remark(container)}"
    if container.state == lifecycle.RESTARTING:
        return f"Restarting ({container.exit_code}) {_ago(container.finished_at)} ago"
    if container.state == lifecycle.REMOVING:
        return "Removal In Progress"
    if container.visible_state() == lifecycle.EXITED:
        return f"Exited ({container.exit_code}) {_ago(container.finished_at)} ago"
    return container.visible_state().capitalize()


def _remark(container: Container) -> str:
    if container.state == lifecycle.PAUSED:
        return " (Paused)"
    if container.health is None:
        return ""
    return " (health: starting)" if container.health.status == "starting" else f" ({container.health.status})"


def summary(container: Container) -> dict[str, Any]:
    """One row of ``GET /containers/json``."""
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.body["Image"],
        "ImageID": container.image.id,
        "Command": " ".join(container.command()),
        "Created": container.created_seconds,
        "Ports": publishing.summary(container),
        "Labels": container.labels,
        "State": container.visible_state(),
        "Status": status_text(container),
        "HostConfig": {"NetworkMode": container.network_mode},
        "NetworkSettings": {"Networks": attachments.networks(container)},
        "Mounts": [point.view() for point in container.points],
    }


def details(container: Container) -> dict[str, Any]:
    """``GET /containers/{id}/json``."""
    command = container.command()
    config = inspection.config(container)
    config["Volumes"] = {path: {} for path in mounting.declared(container)} or None
    if exposed := publishing.exposed_names(container):
        config["ExposedPorts"] = exposed
    if (found := health.configuration(container)) is not None:
        config["Healthcheck"] = found
    return {
        "Id": container.id,
        "Created": container.created,
        "Path": command[0] if command else "",
        "Args": command[1:],
        "State": _state(container),
        "Image": container.image.id,
        "ResolvConfPath": str(container.network_files / "resolv.conf"),
        "HostnamePath": str(container.network_files / "hostname"),
        "HostsPath": str(container.network_files / "hosts"),
        "LogPath": str(container.log.path) if container.log_config.driver == logconfig.DEFAULT else "",
        "Name": f"/{container.name}",
        "RestartCount": container.restarts.count,
        "Driver": "overlay",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "Mounts": [point.view() for point in container.points],
        "Config": config,
        "HostConfig": inspection.host_config(container),
        "NetworkSettings": attachments.settings(container),
    }


def _state(container: Container) -> dict[str, Any]:
    state: dict[str, Any] = {
        "Status": container.visible_state(),
        "Running": container.active,
        "Paused": container.state == lifecycle.PAUSED,
        "Restarting": container.state == lifecycle.RESTARTING,
        "OOMKilled": container.oom_killed,
        "Dead": container.state == lifecycle.DEAD,
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": container.started_at,
        "FinishedAt": container.finished_at,
    }
    if container.health is not None:
        state["Health"] = container.health.details()
    return state


def _ago(moment: str) -> str:
    """How long ago, as Docker's CLI says it."""
    seconds = int(time.time()) - calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))
    if seconds < 1:
        return "Less than a second"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}s"
    return f"{seconds} second{'s' if seconds > 1 else ''}"
