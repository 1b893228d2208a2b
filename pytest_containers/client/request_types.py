"""The JSON bodies of the Docker Engine API that this package sends, as far as it uses them.

Sizes are bytes, ``NanoCpus`` billionths of a processor.
"""

from __future__ import annotations

from typing import TypedDict


class RestartPolicy(TypedDict, total=False):
    """What happens when a container ends."""

    Name: str
    MaximumRetryCount: int


class Ulimit(TypedDict):
    """One resource limit."""

    Name: str
    Soft: int
    Hard: int


class BindOptions(TypedDict, total=False):
    """What only mounts of the machine's directories have."""

    NonRecursive: bool
    Propagation: str
    ReadOnlyForceRecursive: bool
    ReadOnlyNonRecursive: bool


class DriverConfig(TypedDict, total=False):
    """A driver and its options."""

    Name: str
    Options: dict[str, str]


class VolumeOptions(TypedDict, total=False):
    """What only mounts of volumes have."""

    DriverConfig: DriverConfig
    Labels: dict[str, str]
    NoCopy: bool
    Subpath: str


class TmpfsOptions(TypedDict, total=False):
    """What only file systems in memory have."""

    Mode: int
    SizeBytes: int


class Mount(TypedDict, total=False):
    """One mount, in the long form."""

    BindOptions: BindOptions
    Consistency: str
    ReadOnly: bool
    Source: str
    Target: str
    TmpfsOptions: TmpfsOptions
    Type: str
    VolumeOptions: VolumeOptions


class Device(TypedDict):
    """One device of the machine."""

    PathOnHost: str
    PathInContainer: str
    CgroupPermissions: str


class LogConfig(TypedDict, total=False):
    """What becomes of output."""

    Type: str
    Config: dict[str, str]


class PortBinding(TypedDict):
    """One address of the machine that leads to a port of a container; an empty port is any that is free."""

    HostIp: str
    HostPort: str


class Healthcheck(TypedDict, total=False):
    """How it is seen that a container is well; times in nanoseconds."""

    Interval: int
    Retries: int
    StartInterval: int
    StartPeriod: int
    Test: list[str]
    Timeout: int


class UpdateBody(TypedDict, total=False):
    """The body of ``POST /containers/{id}/update``: what of a container can be changed later."""

    BlkioWeight: int
    CpuPeriod: int
    CpuQuota: int
    CpuShares: int
    CpusetCpus: str
    CpusetMems: str
    Memory: int
    MemoryReservation: int
    MemorySwap: int
    NanoCpus: int
    PidsLimit: int
    RestartPolicy: RestartPolicy


class HostConfig(UpdateBody, total=False):
    """What of a container concerns the machine."""

    Annotations: dict[str, str]
    AutoRemove: bool
    Binds: list[str]
    CapAdd: list[str]
    CapDrop: list[str]
    CgroupParent: str
    CgroupnsMode: str
    ConsoleSize: list[int]
    DeviceCgroupRules: list[str]
    Devices: list[Device]
    Dns: list[str]
    DnsOptions: list[str]
    DnsSearch: list[str]
    ExtraHosts: list[str]
    GroupAdd: list[str]
    Init: bool
    IpcMode: str
    LogConfig: LogConfig
    MaskedPaths: list[str]
    MemorySwappiness: int
    Mounts: list[Mount]
    NetworkMode: str
    OomKillDisable: bool
    OomScoreAdj: int
    PidMode: str
    PortBindings: dict[str, list[PortBinding]]
    Privileged: bool
    PublishAllPorts: bool
    ReadonlyPaths: list[str]
    ReadonlyRootfs: bool
    Runtime: str
    SecurityOpt: list[str]
    ShmSize: int
    StorageOpt: dict[str, str]
    Sysctls: dict[str, str]
    Tmpfs: dict[str, str]
    UTSMode: str
    Ulimits: list[Ulimit]
    UsernsMode: str
    VolumeDriver: str
    VolumesFrom: list[str]


class EndpointConfig(TypedDict, total=False):
    """How a container is connected to one network."""

    Aliases: list[str]
    DriverOpts: dict[str, str]
    GwPriority: int
    IPAMConfig: dict[str, str]
    Links: list[str]
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
    Domainname: str
    Entrypoint: list[str]
    Env: list[str]
    ExposedPorts: dict[str, dict[str, str]]
    Healthcheck: Healthcheck
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
    Volumes: dict[str, dict[str, str]]
    WorkingDir: str


class ExecBody(TypedDict, total=False):
    """The body of ``POST /containers/{id}/exec``."""

    AttachStderr: bool
    AttachStdin: bool
    AttachStdout: bool
    Cmd: list[str]
    ConsoleSize: tuple[int, int]
    DetachKeys: str
    Env: list[str]
    Privileged: bool
    Tty: bool
    User: str
    WorkingDir: str


class ExecStartBody(TypedDict, total=False):
    """The body of ``POST /exec/{id}/start``; ``ConsoleSize`` rows and columns."""

    ConsoleSize: tuple[int, int]
    Detach: bool
    Tty: bool


class IPAMPool(TypedDict, total=False):
    """One range of addresses."""

    AuxiliaryAddresses: dict[str, str]
    Gateway: str
    IPRange: str
    Subnet: str


class IPAM(TypedDict, total=False):
    """The addresses of a network."""

    Config: list[IPAMPool]
    Driver: str
    Options: dict[str, str]


class NetworkBody(TypedDict, total=False):
    """The body of ``POST /networks/create``."""

    Attachable: bool
    Driver: str
    EnableIPv4: bool
    EnableIPv6: bool
    IPAM: IPAM
    Internal: bool
    Labels: dict[str, str]
    Name: str
    Options: dict[str, str]


class VolumeBody(TypedDict, total=False):
    """The body of ``POST /volumes/create``."""

    Driver: str
    DriverOpts: dict[str, str]
    Labels: dict[str, str]
    Name: str
