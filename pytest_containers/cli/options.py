"""The options of ``run`` and ``create``.

The destination of an option that needs no thought is the API's own field, ``HostConfig.CapAdd`` or ``Config.User``:
what is not said is not there (SUPPRESS), and ``creation`` copies the rest. The others have their option's name.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Protocol

from pytest_containers.cli import mounts, ports, times, values

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST, CONFIG = "HostConfig.", "Config."
KEY_VALUE = "KEY=VALUE"


class Adds(Protocol):
    """A parser or a group of it, whose common class is private."""

    def add_argument(self, *flags: str, **more: Any) -> object:
        """Add an option."""
        ...


class Pairs(argparse.Action):
    """Collects ``KEY=VALUE`` in a mapping."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add one."""
        key, _, value = str(values).partition("=")
        if not key:
            parser.error(f"argument {option_string}: expected KEY=VALUE, not {values!r}")
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest, None) or {}), key: value})


def boolean(text: str) -> bool:
    """Read the value of an option that is true unless it is told otherwise: ``--sig-proxy=false``."""
    if text.lower() not in {"true", "false", "1", "0"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in {"true", "1"}


def add_all(parser: argparse.ArgumentParser) -> None:
    """Add what ``run`` and ``create`` have in common, the image and the command included."""
    _add_container(parser.add_argument_group("the container"))
    _add_process(parser.add_argument_group("its process"))
    _add_files(parser.add_argument_group("its files"))
    _add_network(parser.add_argument_group("its network"))
    limits = parser.add_argument_group("what it may use")
    add_limits(limits)
    _add_more_limits(limits)
    _add_isolation(parser.add_argument_group("its isolation"))
    _add_health(parser.add_argument_group("its health"))
    parser.add_argument("image", metavar="IMAGE",
                        help="image, pulled if it is not there; `host` is this machine's own system")  # fmt: skip
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER,
                        help="program and arguments, in place of the image's")  # fmt: skip


class _Options:
    """Adds options whose destination is a field of the API."""

    def __init__(self, parser: Adds, prefix: str) -> None:
        self._parser = parser
        self._prefix = prefix

    def value(self, field: str, *flags: str, help: str, **more: Any) -> None:  # noqa: A002  # argparse's word
        """An option with one value, or a flag."""
        self._parser.add_argument(*flags, dest=self._prefix + field, default=argparse.SUPPRESS, help=help, **more)

    def flag(self, field: str, *flags: str, help: str) -> None:  # noqa: A002
        """An option without a value."""
        self.value(field, *flags, help=help, action="store_true")

    def many(self, field: str, *flags: str, help: str, **more: Any) -> None:  # noqa: A002
        """An option that can be given several times."""
        self.value(field, *flags, help=help, action="append", **more)

    def pairs(self, field: str, *flags: str, help: str) -> None:  # noqa: A002
        """Several times ``KEY=VALUE``."""
        self.value(field, *flags, help=help, action=Pairs, metavar=KEY_VALUE)


def _add_container(parser: Adds) -> None:
    add, host = parser.add_argument, _Options(parser, HOST)
    add("--name", help="name of the container")
    add("--cidfile", metavar="FILE", help="write the container's id to a file that is not there yet")
    add("-l", "--label", action="append", default=[], metavar="KEY[=VALUE]", help="label the container")
    add("--label-file", action="append", default=[], metavar="FILE", help="labels, one a line")
    host.pairs("Annotations", "--annotation", help="annotation, passed on to the OCI runtime")
    host.flag("AutoRemove", "--rm", help="remove the container when it ends, and its anonymous volumes")
    add("--restart", type=values.restart_policy, metavar="POLICY",
        help="no, on-failure[:times], always or unless-stopped: when it is started again by itself")  # fmt: skip
    add("--pull", choices=("always", "missing", "never"), default="missing", help="when the image is fetched")
    add("--platform", metavar="OS/ARCHITECTURE", help="take the image for another platform")
    add("-q", "--quiet", action="store_true", help="print no progress of the pull")
    add("--log-driver", metavar="NAME", help="what becomes of output")
    add("--log-opt", action=Pairs, default={}, metavar=KEY_VALUE, help="option of the log driver, such as max-size=1m")
    host.value("Runtime", "--runtime", metavar="NAME", help="OCI runtime")


def _add_process(parser: Adds) -> None:
    add, host, config = parser.add_argument, _Options(parser, HOST), _Options(parser, CONFIG)
    add("-i", "--interactive", action="store_true", help="pass standard input on")
    config.flag("Tty", "-t", "--tty", help="give it a terminal")
    add("-a", "--attach", action="append", default=[], choices=("stdin", "stdout", "stderr"), type=str.lower,
        help="attach to this stream only")  # fmt: skip
    add("-e", "--env", action="append", default=[], metavar="KEY[=VALUE]", help="set an environment variable")
    add("--env-file", action="append", default=[], metavar="FILE", help="environment variables, one a line")
    config.value("WorkingDir", "-w", "--workdir", help="working directory in the container")
    config.value("User", "-u", "--user", help="user, or user:group, by name or number")
    host.many("GroupAdd", "--group-add", metavar="GROUP", help="a further group")
    add("--entrypoint", help="program in place of the image's entry point")
    host.flag("Init", "--init", help="run a small init that passes signals on and reaps processes")
    config.value("StopSignal", "--stop-signal", metavar="SIGNAL", help="signal that asks it to end")
    config.value("StopTimeout", "--stop-timeout", type=int, metavar="SECONDS", help="time until it is killed then")


def _add_files(parser: Adds) -> None:
    add, host = parser.add_argument, _Options(parser, HOST)
    add("-v", "--volume", action="append", default=[], type=mounts.volume, metavar="[SOURCE:]TARGET[:ro]",
        help="mount a file or directory of this machine, or a volume")  # fmt: skip
    host.many("Mounts", "--mount", type=mounts.mount, metavar="type=…,source=…,target=…", help="the same, at length")
    add("--tmpfs", action="append", default=[], metavar="PATH[:OPTIONS]", help="mount an empty file system in memory")
    host.many("VolumesFrom", "--volumes-from", metavar="CONTAINER[:ro]", help="mount what another container has")
    host.value("VolumeDriver", "--volume-driver", metavar="NAME", help="driver of volumes that are made")
    host.flag("ReadonlyRootfs", "--read-only", help="make the root file system read-only")
    host.pairs("StorageOpt", "--storage-opt", help="option of the storage driver")


def _add_network(parser: Adds) -> None:
    add, host, config = parser.add_argument, _Options(parser, HOST), _Options(parser, CONFIG)
    add("--network", "--net", action="append", default=[], metavar="NETWORK",
        help="network, `none`, `host` or `container:NAME`; also name=…,alias=…,ip=…")  # fmt: skip
    add("--network-alias", "--net-alias", action="append", default=[], metavar="NAME",
        help="a further name in the network")  # fmt: skip
    add("--ip", metavar="ADDRESS", help="IPv4 address in the network")
    add("--ip6", metavar="ADDRESS", help="IPv6 address in the network")
    add("--mac-address", metavar="ADDRESS", help="its address in the network's link layer")
    add("-p", "--publish", action="append", default=[], type=ports.published, metavar="[ADDRESS:][PORT:]PORT[/udp]",
        help="lead a port of this machine to one of the container")  # fmt: skip
    host.flag("PublishAllPorts", "-P", "--publish-all", help="lead free ports to all that are exposed")
    add("--expose", action="append", default=[], type=ports.exposed, metavar="PORT[/udp]", help="expose a port")
    config.value("Hostname", "-h", "--hostname", help="host name of the container")
    config.value("Domainname", "--domainname", help="NIS domain name of the container")
    host.many("ExtraHosts", "--add-host", type=values.extra_host, metavar="NAME:ADDRESS", help="a line of /etc/hosts")
    host.many("Dns", "--dns", metavar="ADDRESS", help="name server")
    host.many("DnsOptions", "--dns-option", "--dns-opt", metavar="OPTION", help="option of resolv.conf")
    host.many("DnsSearch", "--dns-search", metavar="DOMAIN", help="domain to search names in")


def add_limits(parser: Adds) -> None:
    """Add what ``update`` can change, too."""
    host = _Options(parser, HOST)
    size = {"type": values.byte_count, "metavar": "BYTES"}
    host.value("Memory", "-m", "--memory", help="memory limit, such as 64m", **size)
    host.value("MemoryReservation", "--memory-reservation", help="what it keeps when memory is scarce", **size)
    host.value("MemorySwap", "--memory-swap", type=values.byte_count_or_unlimited, metavar="BYTES",
               help="limit of memory and swap together, -1 for none")  # fmt: skip
    host.value("NanoCpus", "--cpus", type=values.nano_cpus, metavar="NUMBER", help="limit in processors, such as 0.5")
    host.value("CpuShares", "-c", "--cpu-shares", type=int, metavar="NUMBER", help="weight, 1024 is usual")
    host.value("CpuPeriod", "--cpu-period", type=int, metavar="µs", help="period of the scheduler's limit")
    host.value("CpuQuota", "--cpu-quota", type=int, metavar="µs", help="time on processors in each period")
    host.value("CpusetCpus", "--cpuset-cpus", metavar="LIST", help="the processors to run on: 0-3, 0,1")
    host.value("CpusetMems", "--cpuset-mems", metavar="LIST", help="the memory nodes to use")
    host.value("PidsLimit", "--pids-limit", type=int, metavar="NUMBER", help="limit of processes and threads")
    host.value("BlkioWeight", "--blkio-weight", type=int, metavar="NUMBER", help="weight of disk access, 10 to 1000")


def _add_more_limits(parser: Adds) -> None:
    host = _Options(parser, HOST)
    host.value("MemorySwappiness", "--memory-swappiness", type=int, metavar="NUMBER", help="0 to 100")
    host.value("ShmSize", "--shm-size", type=values.byte_count, metavar="BYTES", help="size of /dev/shm")
    host.value("OomScoreAdj", "--oom-score-adj", type=int, metavar="NUMBER",
               help="how readily it is killed when memory ends, -1000 to 1000")  # fmt: skip
    host.flag("OomKillDisable", "--oom-kill-disable", help="do not kill it when its memory ends")
    host.many("Ulimits", "--ulimit", type=values.ulimit, metavar="NAME=SOFT[:HARD]", help="limit of its processes")


def _add_isolation(parser: Adds) -> None:
    add, host = parser.add_argument, _Options(parser, HOST)
    host.flag("Privileged", "--privileged", help="take nearly all restrictions away")
    host.many("CapAdd", "--cap-add", metavar="CAPABILITY", help="grant a capability")
    host.many("CapDrop", "--cap-drop", metavar="CAPABILITY", help="take a capability away")
    host.many("Devices", "--device", type=values.device, metavar="PATH[:PATH][:rwm]", help="give it a device")
    host.many("DeviceCgroupRules", "--device-cgroup-rule", metavar="RULE", help="allow devices: 'c 1:3 rwm'")
    add("--security-opt", action="append", default=[], metavar="OPTION",
        help="no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, …")  # fmt: skip
    host.pairs("Sysctls", "--sysctl", help="kernel parameter of its namespaces")
    host.value("PidMode", "--pid", metavar="MODE", help="processes it sees: `host` or `container:NAME`")
    host.value("IpcMode", "--ipc", metavar="MODE", help="`host`, `private`, `shareable`, `none` or `container:NAME`")
    host.value("UTSMode", "--uts", metavar="MODE", help="`host`: the machine's host name")
    host.value("UsernsMode", "--userns", metavar="MODE", help="`host`: the engine's user namespace")
    host.value("CgroupnsMode", "--cgroupns", choices=("host", "private"), help="control groups it sees")
    host.value("CgroupParent", "--cgroup-parent", metavar="GROUP", help="control group to make its own in")


def _add_health(parser: Adds) -> None:
    add = parser.add_argument
    span = {"type": times.nanoseconds, "metavar": "TIME"}
    add("--health-cmd", metavar="COMMAND", help="command of a shell whose success says that it is well")
    add("--health-interval", help="time between two checks, such as 30s", **span)
    add("--health-timeout", help="time that a check may take", **span)
    add("--health-retries", type=int, metavar="NUMBER", help="failures in a row that make it unhealthy")
    add("--health-start-period", help="time to start, in which failures do not count", **span)
    add("--health-start-interval", help="time between two checks then", **span)
    add("--no-healthcheck", action="store_true", help="make no check, though the image has one")
