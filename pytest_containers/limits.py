"""Limits of a container, checked before an engine is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.request_types import HostConfig

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_SMALLEST_MEMORY = 6 << 20  # Docker's own minimum ("Minimum memory limit allowed is 6MB")
_SHARES = range(2, 262145)  # the kernel's range (sched/core.c, MIN_SHARES and MAX_SHARES)

# The fields of Docker's GET /info that say whether a limit can be set.
_ABILITIES = {
    "memory": "MemoryLimit",
    "swap": "SwapLimit",
    "cpus": "CpuCfsQuota",
    "cpu_shares": "CPUShares",
    "pids": "PidsLimit",
}


def parse_size(what: str, value: object) -> int:
    """Bytes of ``64m``, ``1.5g`` or a number; raise ValueError that names ``what``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{what} must be bytes or a size such as '64m' or '1.5g', not {value!r}")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _number(what: str, value: object, smallest: float, *, whole: bool = True) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or value < smallest:
        raise ValueError(f"{what} must be {'a whole' if whole else 'a'} number from {smallest:g} up, not {value!r}")


@dataclass(frozen=True)
class Limits:
    """What a container may use; None leaves it open.

    Attributes:
        memory: bytes, or a size such as ``"64m"``. More is answered by the kernel's out-of-memory killer.
        swap: what may be swapped out besides; without it the engine's rule holds (Docker's: as much as ``memory``).
        cpus: processors, 0.5 is half of one.
        cpu_shares: weight against other containers where processors are scarce (1024 is usual).
        pids: processes and threads.
    """

    memory: str | int | None = None
    swap: str | int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    pids: int | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and parse_size("memory", self.memory) < _SMALLEST_MEMORY:
            raise ValueError(f"memory must be at least 6m, not {self.memory!r}")
        if self.swap is not None:
            parse_size("swap", self.swap)
            if self.memory is None:
                raise ValueError("swap is a limit only together with memory")
        if self.cpus is not None:
            _number("cpus", self.cpus, 0.01, whole=False)
        if self.cpu_shares is not None:
            _number("cpu_shares", self.cpu_shares, _SHARES.start)
            if self.cpu_shares not in _SHARES:
                raise ValueError(f"cpu_shares must be at most {_SHARES.stop - 1}, not {self.cpu_shares}")
        if self.pids is not None:
            _number("pids", self.pids, 1)

    def given(self) -> list[str]:
        """The names of the limits that are set."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def merged(self, other: Limits | None) -> Limits:
        """These limits, with those that ``other`` sets in their place."""
        if other is None:
            return self
        wanted = {field.name: getattr(other, field.name) for field in fields(other)}
        return replace(self, **{name: value for name, value in wanted.items() if value is not None})

    def host_config(self) -> HostConfig:
        """The limits in the words of Docker's HostConfig."""
        config: HostConfig = {}
        if self.memory is not None:
            config["Memory"] = parse_size("memory", self.memory)
            if self.swap is not None:  # Docker counts both together
                config["MemorySwap"] = config["Memory"] + parse_size("swap", self.swap)
        if self.cpus is not None:
            config["NanoCpus"] = round(self.cpus * 1_000_000_000)
        if self.cpu_shares is not None:
            config["CpuShares"] = self.cpu_shares
        if self.pids is not None:
            config["PidsLimit"] = self.pids
        return config


def possible(limits: Limits, info: Mapping[str, object], what: str) -> Limits:
    """The limits that an engine can set, as its GET /info says; a warning names the others of container ``what``."""
    dropped = [name for name in limits.given() if info.get(_ABILITIES[name]) is False]
    if not dropped:
        return limits
    import warnings

    warnings.warn(
        f"container {what} runs without its limit of {', '.join(dropped)}: the engine cannot set it for this user on "
        "this machine (pytest-containers doctor)",
        stacklevel=2,
    )
    return replace(limits, **dict.fromkeys(dropped))
