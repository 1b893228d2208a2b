"""The JSON bodies of the Docker Engine API that this package sends and reads, as far as it uses them.

Sizes are bytes, ``NanoCpus`` billionths of a processor, times RFC 3339.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict


class ExecResult(NamedTuple):
    """How a command inside a container ended, and what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class RestartPolicy(TypedDict, total=False):
    """What happens when a container ends."""

    Name: str
    MaximumRetryCount: int


class Ulimit(TypedDict):
    """One resource limit."""

    Name: str
    Soft: int
    Hard: int


class Mount(TypedDict, total=False):
    """One mount, in the long form."""

    Type: str
    Source: str
    Target: str
    ReadOnly: bool


class HostConfig(TypedDict, total=False):
    """What of a container concerns the machine."""

    AutoRemove: bool
    Binds: list[str]
    CapAdd: list[str]
    CapDrop: list[str]
    CpuPeriod: int
    CpuQuota: int
    CpuShares: int
    Dns: list[str]
    ExtraHosts: list[str]
    Init: bool
    Memory: int
    MemoryReservation: int
    MemorySwap: int
    Mounts: list[Mount]
    NanoCpus: int
    NetworkMode: str
    PidsLimit: int
    Privileged: bool
    ReadonlyRootfs: bool
    RestartPolicy: RestartPolicy
    SecurityOpt: list[str]
    ShmSize: int
    Tmpfs: dict[str, str]
    Ulimits: list[Ulimit]


class EndpointConfig(TypedDict, total=False):
    """How a container is connected to one network."""

    Aliases: list[str]
    IPAMConfig: dict[str, str]
    MacAddress: str


class NetworkingConfig(TypedDict, total=False):
    """The networks of a new container, by name."""

    EndpointsConfig: dict[str, EndpointConfig]


class ContainerBody(TypedDict, total=False):
    """The body of ``POST /containers/create``."""

    AttachStderr: bool
    AttachStdin: bool
    AttachStdout: bool
    Cmd: list[str]
    Entrypoint: list[str]
    Env: list[str]
    ExposedPorts: dict[str, dict[str, str]]
    HostConfig: HostConfig
    Hostname: str
    Image: str
    Labels: dict[str, str]
    NetworkingConfig: NetworkingConfig
    OpenStdin: bool
    StdinOnce: bool
    StopSignal: str
    StopTimeout: int
    Tty: bool
    User: str
    WorkingDir: str


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


class State(TypedDict, total=False):
    """Where a container is in its life."""

    Dead: bool
    Error: str
    ExitCode: int
    FinishedAt: str
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
    Labels: dict[str, str]
    Names: list[str]
    NetworkSettings: NetworkSettings
    Ports: list[Port]
    State: str
    Status: str


class ExecBody(TypedDict, total=False):
    """The body of ``POST /containers/{id}/exec``."""

    AttachStderr: bool
    AttachStdin: bool
    AttachStdout: bool
    Cmd: list[str]
    Env: list[str]
    Privileged: bool
    Tty: bool
    User: str
    WorkingDir: str


class ExecDetails(TypedDict, total=False):
    """The answer to ``GET /exec/{id}/json``."""

    ContainerID: str
    ExitCode: int | None
    ID: str
    Pid: int
    Running: bool


class ImageSummary(TypedDict, total=False):
    """One line of ``GET /images/json``; ``Created`` in seconds since 1970."""

    Created: int
    Id: str
    Labels: dict[str, str] | None
    RepoDigests: list[str] | None
    RepoTags: list[str] | None
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


class IPAMPool(TypedDict, total=False):
    """One range of addresses."""

    Gateway: str
    Subnet: str


class IPAM(TypedDict, total=False):
    """The addresses of a network."""

    Config: list[IPAMPool]
    Driver: str


class NetworkBody(TypedDict, total=False):
    """The body of ``POST /networks/create``."""

    Driver: str
    IPAM: IPAM
    Internal: bool
    Labels: dict[str, str]
    Name: str
    Options: dict[str, str]


class NetworkDetails(TypedDict, total=False):
    """The answer to ``GET /networks/{id}``."""

    Containers: dict[str, dict[str, str]]
    Created: str
    Driver: str
    IPAM: IPAM
    Id: str
    Internal: bool
    Labels: dict[str, str]
    Name: str
    Options: dict[str, str]
    Scope: str


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
