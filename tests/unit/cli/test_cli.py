"""The pure parts of the command: notations, bodies, tables, and what is said without an engine."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import pytest

from pytest_containers.cli import output, values
from pytest_containers.cli.containers import PS_HEADER, ps_row
from pytest_containers.cli.images import image_rows
from pytest_containers.cli.main import build_parser, main
from pytest_containers.cli.run import container_body


def body(*words: str) -> Any:
    return container_body(build_parser().parse_args(["run", *words]))


def test_the_options_of_run_become_dockers_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "mine")
    made = body(
        *"-d --rm --name n -e A=1 -e OWN -e NOT_THERE -v /a:/b:ro -w /w -u 1:2 --network net".split(),
        *"--network-alias db -m 64m --cpus 0.5 --pids-limit 50 --entrypoint sh -l x=y --hostname h --read-only".split(),
        *"--tmpfs /t:size=1m host -c --rm".split(),
    )
    assert made["Image"] == "host"
    assert made["Cmd"] == ["-c", "--rm"]
    assert made["Env"] == ["A=1", "OWN=mine"]
    assert made["Entrypoint"] == ["sh"]
    assert (made["WorkingDir"], made["User"], made["Hostname"], made["Labels"]) == ("/w", "1:2", "h", {"x": "y"})
    assert made["NetworkingConfig"] == {"EndpointsConfig": {"net": {"Aliases": ["db"]}}}
    assert made["HostConfig"] == {
        "AutoRemove": True,
        "ReadonlyRootfs": True,
        "Binds": ["/a:/b:ro"],
        "Tmpfs": {"/t": "size=1m"},
        "NetworkMode": "net",
        "Memory": 64 << 20,
        "NanoCpus": 500_000_000,
        "PidsLimit": 50,
    }


def test_what_is_not_said_is_not_sent() -> None:
    made = body("host")
    assert made["HostConfig"] == {"AutoRemove": False, "ReadonlyRootfs": False}
    assert not {"Cmd", "Entrypoint", "User", "WorkingDir", "Hostname", "NetworkingConfig"} & set(made)


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
    assert values.bind("./x:/y") == f"{Path.cwd()}/x:/y"
    assert values.bind("name:/y:ro") == "name:/y:ro"
    for bad in ("/x", "/x:y", ""):
        with pytest.raises(ArgumentTypeError, match="bad volume"):
            values.bind(bad)


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


def test_the_table_of_ps() -> None:
    row = ps_row(
        {
            "Id": "0123456789abcdef",
            "Image": "host",
            "Command": "sleep 1000000000000000000",
            "Created": 100,
            "Status": "Up 5 seconds",
            "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
            "Names": ["/quick_fox"],
        },
        105,
        whole=False,
    )
    assert output.table(PS_HEADER, [row]).splitlines() == [
        "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS     NAMES",
        '0123456789ab   host      "sleep 1000000000000…"   5 seconds ago   Up 5 seconds   80/tcp    quick_fox',
    ]


def test_an_image_has_a_line_for_each_tag() -> None:
    image: Any = {"Id": "sha256:" + "a" * 64, "RepoTags": ["r:5000/x:1", "x:2"], "Created": 0, "Size": 5}
    assert [row[:2] for row in image_rows(image, 9, whole=False)] == [("r:5000/x", "1"), ("x", "2")]
    image |= {"RepoTags": None, "RepoDigests": ["x@sha256:0"]}
    assert [row[:3] for row in image_rows(image, 9, whole=False)] == [("x", "<none>", "a" * 12)]


@pytest.mark.parametrize("words", [["ps"], ["exec", "x", "true"], ["pull", "x"], ["run", "host"], ["rm", "x"]])
def test_no_engine_is_one_clear_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert main(words) == (125 if words[0] == "run" else 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pytest-containers: no engine answers at unix://{tmp_path}/none: No such file or directory")


@pytest.mark.parametrize("words", [["-m", "much"], ["--cpus", "x"], ["-v", "x"], []])
def test_bad_usage_is_told_by_the_parser(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", *words])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err
