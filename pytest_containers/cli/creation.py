"""From the options of ``run`` and ``create`` to the request that they ask for, as docker reads them.

The rules are those of docker's command (cli/command/container/opts.go, ``parse``).
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_containers.cli import mounts, ports, values
from pytest_containers.cli.options import CONFIG, HOST

if TYPE_CHECKING:
    import argparse

    from pytest_containers.client.request_types import (
        ContainerBody,
        EndpointConfig,
        Healthcheck,
        HostConfig,
        UpdateBody,
    )


def container_body(args: argparse.Namespace, *, detach: bool = False) -> ContainerBody:
    """Return the request that the options ask for; raises UsageError."""
    attached = _attached(args, detach=detach)
    body: ContainerBody = {
        "Image": args.image,
        "AttachStdin": "stdin" in attached,
        "AttachStdout": "stdout" in attached,
        "AttachStderr": "stderr" in attached,
        "OpenStdin": args.interactive,
        "StdinOnce": args.interactive and "stdin" in attached,
        "Env": _environment(args),
        "Labels": values.labels(_of_files(args.label_file) + args.label),
        "HostConfig": _host_config(args),
    }
    body.update(_copied(args, CONFIG))
    if args.command:
        body["Cmd"] = args.command
    if args.entrypoint is not None:
        body["Entrypoint"] = [args.entrypoint]
    if anonymous := [path for path in args.volume if ":" not in path]:
        body["Volumes"] = {path: {} for path in anonymous}
    if exposed := [*(port for some in args.expose for port in some), *ports.bindings(args.publish)]:
        body["ExposedPorts"] = {port: {} for port in exposed}
    if health := _health(args):
        body["Healthcheck"] = health
    if endpoints := _endpoints(args):
        body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    return body


def update_body(args: argparse.Namespace) -> UpdateBody:
    """Return what ``update`` asks for."""
    body: UpdateBody = _copied(args, HOST)
    if args.restart:
        body["RestartPolicy"] = args.restart
    return body


def _copied(args: argparse.Namespace, prefix: str) -> Any:
    """Return the options whose destination is a field of the API."""
    return {name.removeprefix(prefix): value for name, value in vars(args).items() if name.startswith(prefix)}


def _attached(args: argparse.Namespace, *, detach: bool) -> set[str]:
    if detach:
        if args.attach:
            raise values.UsageError("conflicting options: cannot specify both --attach and --detach")
        return set()
    if args.attach:
        return set(args.attach)
    return {"stdin", "stdout", "stderr"} if args.interactive else {"stdout", "stderr"}


def _environment(args: argparse.Namespace) -> list[str]:
    return [
        *(line for path in args.env_file for line in values.file_lines(path, os.environ)),
        *values.environment(args.env, os.environ),
    ]


def _of_files(paths: list[str]) -> list[str]:
    return [line for path in paths for line in values.file_lines(path, None)]


def _host_config(args: argparse.Namespace) -> HostConfig:
    config: HostConfig = _copied(args, HOST)
    if binds := [bind for bind in args.volume if ":" in bind]:
        config["Binds"] = binds
    if args.tmpfs:
        config["Tmpfs"] = mounts.tmpfs(args.tmpfs)
    if args.network:
        config["NetworkMode"] = _network(args.network[0])[0]
    if args.publish:
        config["PortBindings"] = ports.bindings(args.publish)
    if args.log_driver or args.log_opt:
        config["LogConfig"] = {"Type": args.log_driver or "", "Config": args.log_opt}
    if args.restart:
        if args.restart["Name"] != "no" and config.get("AutoRemove"):
            raise values.UsageError("conflicting options: cannot specify both --restart and --rm")
        config["RestartPolicy"] = args.restart
    if args.security_opt:
        _secure(config, args.security_opt)
    return config


def _secure(config: HostConfig, options: list[str]) -> None:
    """A seccomp profile goes with the request; the system's paths are fields of their own."""
    passed: list[str] = []
    for option in options:
        name, _, value = option.partition("=") if "=" in option else option.partition(":")
        if name == "systempaths" and value == "unconfined":
            config["MaskedPaths"] = []
            config["ReadonlyPaths"] = []
        elif name == "seccomp" and value not in {"unconfined", "builtin"}:
            passed.append(f"seccomp={_profile(value)}")
        else:
            passed.append(option)
    config["SecurityOpt"] = passed


def _profile(path: str) -> str:
    try:
        return json.dumps(json.loads(Path(path).read_bytes()), separators=(",", ":"))
    except OSError as error:
        raise values.UsageError(f"opening seccomp profile ({path}) failed: {error.strerror}") from None
    except ValueError as error:
        raise values.UsageError(f"compacting json for seccomp profile ({path}) failed: {error}") from None


_HEALTH = {"health_interval": "Interval", "health_timeout": "Timeout", "health_retries": "Retries",
           "health_start_period": "StartPeriod", "health_start_interval": "StartInterval"}  # fmt: skip


def _health(args: argparse.Namespace) -> Healthcheck | None:
    check: Any = {field: value for name, field in _HEALTH.items() if (value := getattr(args, name)) is not None}
    if args.health_cmd:
        check["Test"] = ["CMD-SHELL", args.health_cmd]
    if args.no_healthcheck:
        if check:
            raise values.UsageError("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    if any(value < 0 for value in check.values() if isinstance(value, int)):
        raise values.UsageError("--health-* options cannot be negative")
    return check or None


def _endpoints(args: argparse.Namespace) -> dict[str, EndpointConfig]:
    """Return the networks with what is said about each; what has no name of its own is about the first."""
    found = dict(map(_network, args.network or ["bridge"]))
    first = next(iter(found))
    if args.network_alias:
        found[first]["Aliases"] = [*found[first].get("Aliases", []), *args.network_alias]
    if args.mac_address:
        found[first]["MacAddress"] = args.mac_address
    for field, address in (("IPv4Address", args.ip), ("IPv6Address", args.ip6)):
        if address:
            found[first].setdefault("IPAMConfig", {})[field] = address
    return found if len(found) > 1 or any(found.values()) else {}


def _network(text: str) -> tuple[str, EndpointConfig]:
    """Read a network's name, or ``name=NET,alias=NAME,ip=ADDRESS,…``."""
    if "=" not in text:
        return text, {}
    endpoint: EndpointConfig = {}
    name = ""
    for field in next(csv.reader([text])):
        key, _, value = field.strip().partition("=")
        if key == "name":
            name = value
        elif key == "alias":
            endpoint.setdefault("Aliases", []).append(value)
        elif key in {"ip", "ip6"}:
            endpoint.setdefault("IPAMConfig", {})["IPv4Address" if key == "ip" else "IPv6Address"] = value
        elif key == "mac-address":
            endpoint["MacAddress"] = value
        elif key == "driver-opt":
            option, _, chosen = value.partition("=")
            endpoint.setdefault("DriverOpts", {})[option] = chosen
        elif key == "gw-priority":
            endpoint["GwPriority"] = _number(value)
        else:
            raise values.UsageError(f"invalid field {key} in --network {text!r}")
    if not name:
        raise values.UsageError(f"network name is required in --network {text!r}")
    return name, endpoint


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise values.UsageError(f"invalid gw-priority: {text!r} is no number") from None
