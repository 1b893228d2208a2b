"""The JSON of the Docker Engine API that this package reads, as far as it uses it; what it sends: ``request_types``.

Sizes are bytes, times RFC 3339.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    from pytest_containers.client.request_types import IPAM, ContainerBody, HostConfig


class ExecResult(NamedTuple):
    """How a command inside a container ended, and what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class CreateAnswer(TypedDict):
    """The answer to the creation of a container, an exec or a network."""

    Id: str
    Warnings: list[str] | None


class Endpoint(TypedDict, total=False):
    """A container's place in one network."""

    Aliases: list[str] | None
    EndpointID: str
    Gateway: str
    IPAddress: str
    IPPrefixLen: int
    MacAddress: str
    NetworkID: str


class NetworkSettings(TypedDict, total=False):
    """A container's addresses; ``Networks`` by name."""

    IPAddress: str
    Networks: dict[str, Endpoint]
    Ports: dict[str, list[dict[str, str]] | None]


class HealthResult(TypedDict, total=False):
    """One run of a health check."""

    End: str
    ExitCode: int
    Output: str
    Start: str


class Health(TypedDict, total=False):
    """What a container's health check has found: ``starting``, ``healthy`` or ``unhealthy``."""

    FailingStreak: int
    Log: list[HealthResult] | None
    Status: str


class State(TypedDict, total=False):
    """Where a container is in its life."""

    Dead: bool
    Error: str
    ExitCode: int
    FinishedAt: str
    Health: Health
    OOMKilled: bool
    Paused: bool
    Pid: int
    Restarting: bool
    Running: bool
    StartedAt: str
    Status: str


class Forward(TypedDict):
    """The answer to ``GET /x-pytest-containers/containers/{id}/ports/{port}``, which only our engine has."""

    Host: str
    Port: int
    Open: bool


class ContainerDetails(TypedDict, total=False):
    """The answer to ``GET /containers/{id}/json``."""

    Args: list[str]
    Config: ContainerBody
    Created: str
    HostConfig: HostConfig
    Id: str
    Image: str
    Name: str
    NetworkSettings: NetworkSettings
    Path: str
    State: State


class MountPoint(TypedDict, total=False):
    """One mount of a container, as it is."""

    Destination: str
    Driver: str
    Mode: str
    Name: str
    Propagation: str
    RW: bool
    Source: str
    Type: str


class Port(TypedDict, total=False):
    """One port in the list of containers."""

    IP: str
    PrivatePort: int
    PublicPort: int
    Type: str


class ContainerSummary(TypedDict, total=False):
    """One line of ``GET /containers/json``; ``Created`` in seconds since 1970."""

    Command: str
    Created: int
    Id: str
    Image: str
    ImageID: str
    Labels: dict[str, str] | None
    Mounts: list[MountPoint]
    Names: list[str]
    NetworkSettings: NetworkSettings
    Ports: list[Port]
    SizeRootFs: int
    SizeRw: int
    State: str
    Status: str


class ExecDetails(TypedDict, total=False):
    """The answer to ``GET /exec/{id}/json``."""

    ContainerID: str
    ExitCode: int | None
    ID: str
    Pid: int
    Running: bool


class ImageSummary(TypedDict, total=False):
    """One line of ``GET /images/json``; ``Created`` in seconds since 1970."""

    Containers: int
    Created: int
    Id: str
    Labels: dict[str, str] | None
    RepoDigests: list[str] | None
    RepoTags: list[str] | None
    SharedSize: int
    Size: int


class ImageDetails(TypedDict, total=False):
    """The answer to ``GET /images/{name}/json``."""

    Architecture: str
    Config: dict[str, Any]
    Created: str
    Id: str
    Os: str
    RepoDigests: list[str] | None
    RepoTags: list[str] | None
    Size: int


class HistoryEntry(TypedDict, total=False):
    """One step that made an image; ``Created`` in seconds since 1970."""

    Comment: str
    Created: int
    CreatedBy: str
    Id: str
    Size: int
    Tags: list[str] | None


class ImageDeletion(TypedDict, total=False):
    """One step of the removal of an image."""

    Deleted: str
    Untagged: str


class ProgressDetail(TypedDict, total=False):
    """How far one layer is, in bytes."""

    current: int
    total: int


class Progress(TypedDict, total=False):
    """One line of the progress of a pull or an import."""

    id: str
    progress: str
    progressDetail: ProgressDetail
    status: str


class NetworkDetails(TypedDict, total=False):
    """The answer to ``GET /networks/{id}``."""

    Containers: dict[str, dict[str, str]]
    Created: str
    Driver: str
    EnableIPv4: bool
    EnableIPv6: bool
    IPAM: IPAM
    Id: str
    Internal: bool
    Labels: dict[str, str] | None
    Name: str
    Options: dict[str, str]
    Scope: str


class VolumeUsage(TypedDict):
    """How large a volume is, in bytes, and how many containers have it; -1 is not known."""

    RefCount: int
    Size: int


class VolumeDetails(TypedDict, total=False):
    """The answer to ``GET /volumes/{name}``."""

    CreatedAt: str
    Driver: str
    Labels: dict[str, str] | None
    Mountpoint: str
    Name: str
    Options: dict[str, str] | None
    Scope: str
    UsageData: VolumeUsage | None


class Pruned(TypedDict, total=False):
    """The answer to a prune: what was removed, and how many bytes that gave back."""

    ContainersDeleted: list[str] | None
    ImagesDeleted: list[ImageDeletion] | None
    NetworksDeleted: list[str] | None
    SpaceReclaimed: int
    VolumesDeleted: list[str] | None


class Version(TypedDict, total=False):
    """The answer to ``GET /version``."""

    ApiVersion: str
    Arch: str
    Components: list[dict[str, Any]]
    KernelVersion: str
    MinAPIVersion: str
    Os: str
    Version: str


class PathStat(TypedDict):
    """The status of a path in a container; ``mode`` is Go's ``fs.FileMode``: bit 31 directory, bit 27 link."""

    name: str
    size: int
    mode: int
    mtime: str
    linkTarget: str


class Change(TypedDict):
    """One path that differs from the image: ``Kind`` 0 changed, 1 added, 2 deleted."""

    Path: str
    Kind: int


class CommitAnswer(TypedDict):
    """The answer to a commit."""

    Id: str
