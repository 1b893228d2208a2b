"""``version``, ``info`` and ``system df``."""

from __future__ import annotations

import platform
import time
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any

from pytest_containers.cli import engine, images, listing, output, volumes
from pytest_containers.client.errors import ClientError
from pytest_containers.client.http import API_VERSION

if TYPE_CHECKING:
    import argparse

DF = {"TYPE": "Type", "TOTAL": "TotalCount", "ACTIVE": "Active", "SIZE": "Size", "RECLAIMABLE": "Reclaimable"}
DF_IMAGES = {**images.COLUMNS, "SHARED SIZE": "SharedSize", "UNIQUE SIZE": "UniqueSize", "CONTAINERS": "Containers"}
DF_CONTAINERS = {"CONTAINER ID": "ID", "IMAGE": "Image", "COMMAND": "Command", "LOCAL VOLUMES": "LocalVolumes",
                 "SIZE": "Size", "CREATED": "RunningFor", "STATUS": "Status", "NAMES": "Names"}  # fmt: skip
DF_VOLUMES = {"VOLUME NAME": "Name", "LINKS": "Links", "SIZE": "Size"}
_ACTIVE = frozenset({"running", "paused", "restarting"})
_INFO = {
    "Containers": "Containers", " Running": "ContainersRunning", " Paused": "ContainersPaused",
    " Stopped": "ContainersStopped", "Images": "Images", "Server Version": "ServerVersion", "Storage Driver": "Driver",
    "Logging Driver": "LoggingDriver", "Cgroup Driver": "CgroupDriver", "Cgroup Version": "CgroupVersion",
    "Default Runtime": "DefaultRuntime", "Security Options": "SecurityOptions", "Kernel Version": "KernelVersion",
    "Operating System": "OperatingSystem", "OSType": "OSType", "Architecture": "Architecture", "CPUs": "NCPU",
    "Total Memory": "MemTotal", "Name": "Name", "ID": "ID", "Docker Root Dir": "DockerRootDir",
}  # fmt: skip
"""What ``info`` prints, with docker's words and in its order; one blank stands for one more of indentation."""


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``version``."""
    output.format_option(parser, "json: one document", "-f")
    parser.set_defaults(handler=version)


def add_info(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``info``."""
    output.format_option(parser, "json: one document, as the engine gives it", "-f")
    parser.set_defaults(handler=info)


def add_df(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``system df``."""
    parser.add_argument("-v", "--verbose", action="store_true", help="every image, container and volume")
    output.format_option(parser)
    parser.set_defaults(handler=disk_usage)


def version(args: argparse.Namespace) -> int:
    """Print what the client is, and what the engine is where one answers; 1 where none does."""
    client = {
        "Version": version_of("pytest-containers"),
        "ApiVersion": API_VERSION.removeprefix("v"),
        "PythonVersion": platform.python_version(),
        "Os": platform.system().lower(),
        "Arch": platform.machine(),
    }
    server: dict[str, Any] | None = None
    problem: ClientError | None = None
    try:
        with engine.connect(args) as connected:
            server = dict(connected.system.version())
    except ClientError as error:
        problem = error
    if args.format == "json":
        output.line(output.as_json({"Client": client, "Server": server}))
    else:
        output.line("Client:")
        _fields(client, " ", 20)
        if server:
            output.line("\nServer:")
            components: list[dict[str, Any]] = server.get("Components") or [{"Name": "Engine", "Details": server}]
            for component in components:
                output.line(f" {component['Name']}:")
                details = component.get("Details", {})
                _fields({"Version": component.get("Version", "")} | details, "  ", 19)
    if problem:
        output.error(str(problem))
        return 1
    return 0


_WORDS = {"ApiVersion": "API version", "MinAPIVersion": "Minimum API", "GitCommit": "Git commit", "BuildTime": "Built",
          "GoVersion": "Go version", "PythonVersion": "Python version", "KernelVersion": "Kernel version"}  # fmt: skip


def _fields(values: dict[str, Any], indent: str, width: int) -> None:
    """Print a line for each, with os and architecture in one."""
    shown = {_WORDS.get(key, key): value for key, value in values.items() if key not in {"Os", "Arch"} and value}
    if values.get("Os"):
        shown["OS/Arch"] = f"{values['Os']}/{values.get('Arch', '')}"
    for word, value in shown.items():
        output.line(indent + f"{word}:".ljust(width - len(indent)) + str(value))


def info(args: argparse.Namespace) -> int:
    """Print what the engine says about itself."""
    with engine.connect(args) as client:
        found = client.system.info()
    if args.format == "json":
        output.line(output.as_json(found))
        return 0
    output.line("Server:")
    for word, field in _INFO.items():
        value = found.get(field)
        if value is None:
            continue
        if field == "MemTotal":
            value = output.binary_size(value)
        if isinstance(value, list):
            output.line(f" {word}:")
            for item in value:  # pyright: ignore[reportUnknownVariableType]  # whatever JSON there is
                output.line(f"  {item}")
        else:
            output.line(f" {word}: {value}")
    for warning in found.get("Warnings") or ():
        output.error(str(warning))
    return 0


def disk_usage(args: argparse.Namespace) -> int:
    """Print what images, containers and volumes take up, in sum or one by one."""
    with engine.connect(args) as client:
        usage = client.system.df()
    if not args.verbose:
        output.listing(summary(usage), DF, args.format)
        return 0
    tables = _each(usage, whole=args.format == "json")
    if args.format == "json":
        output.line(output.as_json({key: [output.fields(row) for row in rows] for key, rows in tables.items()}))
        return 0
    for heading, key, columns in (("Images", "Images", DF_IMAGES), ("\nContainers", "Containers", DF_CONTAINERS),
                                  ("\nLocal Volumes", "Volumes", DF_VOLUMES)):  # fmt: skip
        output.line(f"{heading} space usage:\n")
        output.listing(tables[key], columns, None)
    return 0


def summary(usage: dict[str, Any]) -> list[dict[str, str]]:
    """Return a line for each kind of object, as docker reckons it (cli/command/formatter/disk_usage.go)."""
    found, all_images = usage.get("Containers") or [], usage.get("Images") or []
    written = [one.get("SizeRw", 0) for one in found]
    idle = [one.get("SizeRw", 0) for one in found if one.get("State") not in _ACTIVE]
    used_images = [one for one in all_images if one.get("Containers", 0) > 0]
    needed = sum(one["Size"] - max(0, one.get("SharedSize", 0)) for one in used_images if one["Size"] >= 0)
    layers = usage.get("LayersSize", 0)
    all_volumes = [one.get("UsageData") or {"Size": -1, "RefCount": -1} for one in usage.get("Volumes") or ()]
    unused = [one["Size"] for one in all_volumes if one["RefCount"] == 0 and one["Size"] > 0]
    cache = usage.get("BuildCache") or []
    return [
        _sum("Images", len(all_images), len(used_images), layers, max(0, layers - needed)),
        _sum("Containers", len(found), len(found) - len(idle), sum(written), sum(idle)),
        _sum("Local Volumes", len(all_volumes), sum(one["RefCount"] > 0 for one in all_volumes),
             sum(max(0, one["Size"]) for one in all_volumes), sum(unused)),
        _sum("Build Cache", len(cache), sum(bool(one.get("InUse")) for one in cache),
             sum(one.get("Size", 0) for one in cache if not one.get("Shared")),
             sum(one.get("Size", 0) for one in cache if not one.get("InUse") and not one.get("Shared")),
             share=False),
    ]  # fmt: skip


def _sum(kind: str, total: int, active: int, size: int, reclaimable: int, *, share: bool = True) -> dict[str, str]:
    part = f" ({reclaimable * 100 // size}%)" if share and size > 0 else ""
    return {
        "Active": str(active),
        "Reclaimable": output.size(reclaimable, 4) + part,
        "Size": output.size(size, 4),
        "TotalCount": str(total),
        "Type": kind,
    }


def _each(usage: dict[str, Any], *, whole: bool) -> dict[str, list[dict[str, str]]]:
    now = time.time()
    return {
        "Images": [
            next(images.image_rows(one, now, whole=whole)) for one in usage.get("Images") or ()
        ],
        "Containers": [listing.ps_row(one, now, whole=whole) for one in usage.get("Containers") or ()],
        "Volumes": [volumes.volume_row(one) for one in usage.get("Volumes") or ()],
    }  # fmt: skip
