"""How things are written: ages, sizes, tables, and the rows of each list."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_containers.cli import output, ports, stats, system
from pytest_containers.cli.images import history_row, image_rows
from pytest_containers.cli.listing import COLUMNS, ps_row
from pytest_containers.cli.networks import network_row
from pytest_containers.cli.observe import event_line


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (120, "2 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (86400 * 2, "2 days"),
        (86400 * 14, "2 weeks"),
        (86400 * 60, "2 months"),
        (86400 * 730, "2 years"),
    ],
)
def test_ages_in_dockers_words(seconds: float, words: str) -> None:
    assert output.age(seconds) == words


def test_sizes_in_dockers_digits() -> None:
    assert [output.size(n) for n in (0, 999, 74_800_000, 1_230_000_000)] == ["0B", "999B", "74.8MB", "1.23GB"]


def test_binary_sizes_and_four_digits() -> None:
    assert output.binary_size(600 << 10) == "600KiB"
    assert output.binary_size(25_276_510_208) == "23.54GiB"
    assert output.size(1_984_223, 4) == "1.984MB"


def test_quoting_is_gos() -> None:
    assert output.quoted('a"b\\\n\x01é\u200b') == r'"a\"b\\\n\x01é\u200b"'


CONTAINER: Any = {
    "Id": "0123456789abcdef",
    "Image": "host",
    "Command": "sleep 1000000000000000000",
    "Created": 100,
    "Status": "Up 5 seconds",
    "State": "running",
    "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
    "Names": ["/quick_fox"],
    "Labels": {"a": "b", "c": ""},
    "Mounts": [{"Type": "volume", "Name": "f" * 20, "Driver": "local"}, {"Type": "bind", "Source": "/x"}],
    "SizeRw": 10,
    "SizeRootFs": 1000,
    "NetworkSettings": {"Networks": {"bridge": {}}},
}


def test_the_table_of_ps(capsys: pytest.CaptureFixture[str]) -> None:
    output.listing([ps_row(CONTAINER, 105, whole=False)], COLUMNS, None)
    assert capsys.readouterr().out.splitlines() == [
        "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS     NAMES",
        '0123456789ab   host      "sleep 1000000000000…"   5 seconds ago   Up 5 seconds   80/tcp    quick_fox',
    ]


def test_a_container_in_the_words_of_dockers_json() -> None:
    assert ps_row(CONTAINER, 105, whole=False, virtual=True) == {
        "Command": '"sleep 1000000000000…"',
        "CreatedAt": "1970-01-01 00:01:40 +0000 UTC",
        "ID": "0123456789ab",
        "Image": "host",
        "Labels": "a=b,c=",
        "LocalVolumes": "1",
        "Mounts": "ffffffffffffff…,/x",
        "Names": "quick_fox",
        "Networks": "bridge",
        "Ports": "80/tcp",
        "RunningFor": "5 seconds ago",
        "Size": "10B (virtual 1kB)",
        "State": "running",
        "Status": "Up 5 seconds",
    }


@pytest.mark.parametrize(
    ("image", "identity", "cell"),
    [
        ("", "sha256:ab", "<no image>"),
        ("registry.example.com/team/application:12", "sha256:ab", "registry.example.com/team/application:12"),
        ("a:1@sha256:" + "0" * 64, "sha256:ab", "a:1"),
        ("sha256:" + "c" * 64, "sha256:" + "c" * 64, "c" * 12),
    ],
)
def test_the_image_of_a_container(image: str, identity: str, cell: str) -> None:
    assert ps_row({**CONTAINER, "Image": image, "ImageID": identity}, 105, whole=False)["Image"] == cell


def test_consecutive_ports_are_one_entry() -> None:
    def port(inner: int, outer: int = 0, address: str = "", kind: str = "tcp") -> Any:
        return {"PrivatePort": inner, "Type": kind} | ({"PublicPort": outer, "IP": address} if outer else {})

    assert ports.column([port(7001), port(7002), port(80, 8080, "0.0.0.0"), port(80, 8080, "::"), port(7000),
                         port(9001, 9001, "127.0.0.1", "udp"), port(9000, 9000, "127.0.0.1", "udp"), port(7004)]) == (
        "7000-7002/tcp, 7004/tcp, 127.0.0.1:9000-9001->9000-9001/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
    )  # fmt: skip


def test_an_image_has_a_line_for_each_tag() -> None:
    image: Any = {"Id": "sha256:" + "a" * 64, "RepoTags": ["r:5000/x:1", "x:2"], "Created": 0, "Size": 1_984_223}
    rows = [*image_rows(image, 9, whole=False)]
    assert [(row["Repository"], row["Tag"]) for row in rows] == [("r:5000/x", "1"), ("x", "2")]
    assert (rows[0]["Size"], rows[0]["VirtualSize"], rows[0]["UniqueSize"]) == ("1.98MB", "1.984MB", "N/A")
    image |= {"RepoTags": None, "RepoDigests": ["x@sha256:0"]}
    (row,) = image_rows(image, 9, whole=False)
    assert (row["Repository"], row["Tag"], row["ID"], row["Digest"]) == ("x", "<none>", "a" * 12, "sha256:0")


def test_other_rows() -> None:
    step: Any = {"Id": "<missing>", "Created": 0, "CreatedBy": "x" * 50, "Size": 0, "Comment": "c"}
    assert history_row(step, 9, whole=False)["CreatedBy"] == "x" * 44 + "…"
    network: Any = {"Id": "f" * 64, "Name": "n", "Driver": "bridge", "Created": "2026-01-31T12:00:00.500Z"}
    row = network_row(network, whole=False)
    assert (row["ID"], row["CreatedAt"], row["IPv6"]) == ("f" * 12, "2026-01-31 12:00:00.5 +0000 UTC", "false")
    assert network_row({**network, "Created": "2026-01-31T12:00:00+01:00"}, whole=False)["CreatedAt"] == (
        "2026-01-31 12:00:00 +0100 +0100"
    )


def test_an_event_is_a_line() -> None:
    event: Any = {
        "Type": "container",
        "Action": "die",
        "Actor": {"ID": "abc", "Attributes": {"name": "x", "exitCode": "0"}},
        "timeNano": 1_000_000_005,
    }
    assert event_line(event) == "1970-01-01T00:00:01.000000005Z container die abc (exitCode=0, name=x)"
    event["Actor"]["Attributes"] = None
    assert event_line(event).endswith("die abc")


SAMPLE: Any = {
    "id": "f" * 64,
    "name": "/x",
    "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    "memory_stats": {"usage": 3 << 20, "limit": 8 << 20, "stats": {"inactive_file": 1 << 20}},
    "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 5}, "eth1": {"rx_bytes": 20, "tx_bytes": 6}},
    "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 7}, {"op": "write", "value": 8},
                                                   {"op": "Total", "value": 15}]},
    "pids_stats": {"current": 4},
}  # fmt: skip


def test_the_figures_of_stats() -> None:
    assert stats.stats_row(SAMPLE, "x", whole=False) == {
        "BlockIO": "7B / 8B",
        "CPUPerc": "40.00%",
        "Container": "x",
        "ID": "f" * 12,
        "MemPerc": "25.00%",
        "MemUsage": "2MiB / 8MiB",
        "Name": "x",
        "NetIO": "1.02kB / 11B",
        "PIDs": "4",
    }


def test_what_does_not_run_uses_nothing() -> None:
    sample: Any = {"id": "a", "name": "/x", "cpu_stats": {}, "memory_stats": {}, "networks": None}
    row = stats.stats_row(sample, "x", whole=False)
    assert (row["CPUPerc"], row["MemPerc"], row["MemUsage"], row["NetIO"]) == ("0.00%", "0.00%", "0B / 0B", "0B / 0B")


def test_memory_of_both_hierarchies() -> None:
    assert stats.used_memory({"usage": 10, "stats": {"total_inactive_file": 4, "inactive_file": 1}}) == 6
    assert stats.used_memory({"usage": 10, "stats": {"inactive_file": 11}}) == 10


def test_the_sums_of_disk_usage() -> None:
    usage: Any = {
        "LayersSize": 1000,
        "Images": [
            {"Size": 600, "SharedSize": 100, "Containers": 1},
            {"Size": 500, "SharedSize": 100, "Containers": 0},
        ],
        "Containers": [{"State": "running", "SizeRw": 10}, {"State": "exited", "SizeRw": 30}],
        "Volumes": [{"UsageData": {"Size": 70, "RefCount": 0}}, {"UsageData": {"Size": 30, "RefCount": 2}}, {}],
        "BuildCache": None,
    }
    assert [[*row.values()] for row in system.summary(usage)] == [
        ["1", "500B (50%)", "1kB", "2", "Images"],
        ["1", "30B (75%)", "40B", "2", "Containers"],
        ["1", "70B (70%)", "100B", "3", "Local Volumes"],
        ["0", "0B", "0B", "0", "Build Cache"],
    ]
