"""The part of the OCI runtime spec's ``config.json`` that this engine writes (runtime-spec 1.2, config.md)."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class User(TypedDict):
    """Numeric ids, as the container sees them."""

    uid: int
    gid: int
    additionalGids: NotRequired[list[int]]


class Capabilities(TypedDict):
    """The five sets of capabilities(7)."""

    bounding: list[str]
    effective: list[str]
    permitted: list[str]
    inheritable: NotRequired[list[str]]
    ambient: NotRequired[list[str]]


class ResourceLimit(TypedDict):
    """One limit of setrlimit(2), by name (RLIMIT_NOFILE)."""

    type: str
    soft: int
    hard: int


class Box(TypedDict):
    """The size of a terminal, in characters."""

    height: int
    width: int


class Process(TypedDict):
    """What is executed; also what ``exec`` runs in a container."""

    terminal: NotRequired[bool]
    consoleSize: NotRequired[Box]
    user: User
    args: list[str]
    env: list[str]
    cwd: str
    capabilities: NotRequired[Capabilities]
    rlimits: NotRequired[list[ResourceLimit]]
    noNewPrivileges: bool
    oomScoreAdj: NotRequired[int]


class Mount(TypedDict):
    """One mount, in the order of mounting."""

    destination: str
    type: str
    source: str
    options: list[str]
    subpath: NotRequired[str]
    """Ours: what is bound is this path below ``source``, of which no link leads out."""


class Root(TypedDict):
    """The directory on which the root is mounted."""

    path: str
    readonly: bool


class Namespace(TypedDict):
    """A new namespace of a type, or the one at ``path``."""

    type: str
    path: NotRequired[str]


class Device(TypedDict):
    """A device node made in /dev."""

    path: str
    type: str
    major: int
    minor: int
    fileMode: NotRequired[int]
    uid: NotRequired[int]
    gid: NotRequired[int]


class Linux(TypedDict):
    """The Linux section."""

    namespaces: list[Namespace]
    devices: NotRequired[list[Device]]
    resources: dict[str, Any]
    cgroupsPath: str
    sysctl: NotRequired[dict[str, str]]
    seccomp: NotRequired[dict[str, Any]]
    maskedPaths: list[str]
    readonlyPaths: list[str]


class Config(TypedDict):
    """A whole ``config.json``."""

    ociVersion: str
    hostname: str
    domainname: NotRequired[str]
    root: Root
    mounts: list[Mount]
    process: Process
    linux: Linux
