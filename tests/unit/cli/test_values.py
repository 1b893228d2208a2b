"""Docker's notations for the values of options."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers.cli import mounts, ports, terminal, times, values

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "count"),
    [("4096", 4096), ("1b", 1), ("64m", 64 << 20), ("1.5G", 3 << 29), ("2KiB", 2048), ("1 mb", 1 << 20)],
)
def test_sizes(text: str, count: int) -> None:
    assert values.byte_count(text) == count


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1mm", "１", "1e3"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="bad size"):
        values.byte_count(text)


@pytest.mark.parametrize("text", ["x", "nan", "inf", "-1", ""])
def test_bad_processors(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="bad number of processors"):
        values.nano_cpus(text)


def test_volumes() -> None:
    assert mounts.volume("./x:/y") == f"{Path.cwd()}/x:/y"
    assert mounts.volume("name:/y:ro") == "name:/y:ro"
    assert mounts.volume("/only") == "/only"
    for bad in ("x", "/x:y", "", ":/y"):
        with pytest.raises(ArgumentTypeError, match="bad volume"):
            mounts.volume(bad)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('exec: "nope": executable file not found in $PATH', 127),
        ('exec: "/x": stat /x: no such file or directory', 127),
        ('exec: "/etc/passwd": permission denied', 126),
        ("chdir to cwd (/root) set in config.json failed: permission denied", 126),
        ("bind /no/such/source: No such file or directory", 125),
        ("memory limit too small", 125),
    ],
)
def test_exit_codes_of_failed_starts(message: str, code: int) -> None:
    assert values.start_exit_code(message) == code


def test_mounts_at_length() -> None:
    assert mounts.mount("type=bind,source=/a,target=/b,readonly") == {
        "Type": "bind",
        "Source": "/a",
        "Target": "/b",
        "ReadOnly": True,
    }
    assert mounts.mount("dst=/b,ro=false,volume-nocopy,volume-opt=a=b,volume-driver=d,volume-label=x=y") == {
        "Type": "volume",
        "Target": "/b",
        "ReadOnly": False,
        "VolumeOptions": {
            "NoCopy": True,
            "DriverConfig": {"Name": "d", "Options": {"a": "b"}},
            "Labels": {"x": "y"},
        },
    }
    assert mounts.mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770")["TmpfsOptions"] == {
        "SizeBytes": 1 << 20,
        "Mode": 0o1770,
    }
    assert mounts.mount('type=bind,"source=/a,b",target=/c')["Source"] == "/a,b"
    assert mounts.mount("type=bind,source=.,target=/c")["Source"] == str(Path.cwd())


@pytest.mark.parametrize(
    "text", ["", "type=bind", "target=/x,nonsense=1", "target=/x,ro=maybe", "target=/x,tmpfs-mode=9", '"target=/x']
)
def test_bad_mounts(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="bad mount"):
        mounts.mount(text)


@pytest.mark.parametrize(
    ("text", "bindings"),
    [
        ("80", {"80/tcp": ("", "")}),
        ("8080:80", {"80/tcp": ("", "8080")}),
        ("127.0.0.1:8080:80/udp", {"80/udp": ("127.0.0.1", "8080")}),
        ("127.0.0.1::80", {"80/tcp": ("127.0.0.1", "")}),
        ("[::1]:1:2", {"2/tcp": ("::1", "1")}),
        (":80", {"80/tcp": ("", "")}),
        ("9000-9001:80-81", {"80/tcp": ("", "9000"), "81/tcp": ("", "9001")}),
        ("9000-9001", {"9000/tcp": ("", ""), "9001/tcp": ("", "")}),
        ("9000-9009:80", {"80/tcp": ("", "9000-9009")}),
    ],
)
def test_published_ports(text: str, bindings: dict[str, tuple[str, str]]) -> None:
    expected = {port: {"HostIp": address, "HostPort": outer} for port, (address, outer) in bindings.items()}
    assert ports.published(text).bindings == expected


@pytest.mark.parametrize("text", ["", "80:", "x", "1:2:3:4", "80/icmp", "1-3:5-6", "70000", "3-1", "80-", "a.b:1:2/"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="bad port"):
        ports.published(text)


def test_ports_that_are_published_twice_are_one_port() -> None:
    assert ports.bindings([ports.published("1:80"), ports.published("2:80")]) == {
        "80/tcp": [{"HostIp": "", "HostPort": "1"}, {"HostIp": "", "HostPort": "2"}]
    }


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.restart_policy, "on-failure:3", {"Name": "on-failure", "MaximumRetryCount": 3}),
        (values.restart_policy, "always", {"Name": "always", "MaximumRetryCount": 0}),
        (values.ulimit, "nofile=1:2", {"Name": "nofile", "Soft": 1, "Hard": 2}),
        (values.ulimit, "core=-1", {"Name": "core", "Soft": -1, "Hard": -1}),
        (values.device, "/dev/a", {"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rwm"}),
        (values.device, "/a:/b:r", {"PathOnHost": "/a", "PathInContainer": "/b", "CgroupPermissions": "r"}),
        (values.device, "/a:rw", {"PathOnHost": "/a", "PathInContainer": "/a", "CgroupPermissions": "rw"}),
        (values.extra_host, "a:1.2.3.4", "a:1.2.3.4"),
        (values.extra_host, "a=[::1]", "a:::1"),
        (values.extra_host, "a:::1", "a:::1"),
        (values.byte_count_or_unlimited, "-1", -1),
        (times.nanoseconds, "1m30s", 90_000_000_000),
        (times.nanoseconds, "1.5ms", 1_500_000),
        (times.nanoseconds, "0", 0),
        (terminal.keys, "ctrl-p,ctrl-q", b"\x10\x11"),
        (terminal.keys, "a,ctrl-@,ctrl-[", b"a\0\x1b"),
    ],
)
def test_values_in_the_words_of_the_api(read: Callable[[str], Any], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.restart_policy, "sometimes"),
        (values.restart_policy, "always:3"),
        (values.restart_policy, "on-failure:x"),
        (values.ulimit, "nofile"),
        (values.device, "dev"),
        (values.device, "/a:/b:/c:r"),
        (values.extra_host, "alone"),
        (times.nanoseconds, "5"),
        (times.nanoseconds, "-5s"),
        (times.nanoseconds, "1s x"),
        (times.point, "yesterday"),
        (terminal.keys, "ctrl-"),
        (terminal.keys, "ab"),
        (terminal.keys, ""),
    ],
)
def test_bad_values(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        read(text)


def test_points_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times.time, "time_ns", lambda: 1_000_000_000_000)
    assert times.point("12.5") == "12.5"
    assert times.point("90s") == "910.000000000"
    assert times.point("1970-01-01T00:00:01.123456789Z") == "1.123456789"
    assert times.point("1970-01-01T01:00:00+01:00") == "0.000000000"


def test_files_of_variables_and_labels(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes("\ufeffA=1\r\n# no\n\n  B=x y \nOWN\nNOT_THERE\n".encode())
    assert values.file_lines(str(file), {"OWN": "mine"}) == ["A=1", "B=x y ", "OWN=mine"]
    assert values.file_lines(str(file), None)[-2:] == ["OWN", "NOT_THERE"]
    for content in (b"bad key=1\n", b"=1\n", b"\xff\n"):
        file.write_bytes(content)
        with pytest.raises(values.UsageError):
            values.file_lines(str(file), os.environ)
    with pytest.raises(values.UsageError, match="No such file"):
        values.file_lines(str(tmp_path / "none"), None)


def test_filters() -> None:
    assert values.filters(["label=a=b", "LABEL=c", "status=exited"]) == {"label": ["a=b", "c"], "status": ["exited"]}
    with pytest.raises(values.UsageError, match="KEY=VALUE"):
        values.filters(["alone"])
