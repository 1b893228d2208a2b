"""The table of commands, and what is said without an engine."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pytest_containers.cli.commands import COMMANDS, GROUPS
from pytest_containers.cli.main import command_parser, main, parse

ALL = [[name] for name in COMMANDS] + [[group, name] for group, (_, inner) in GROUPS.items() for name in inner]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_a_handler_and_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parser, rest = command_parser([*words, "--help"])
    assert callable(parser.get_default("handler"))
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(rest)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: pytest-containers {' '.join(words)}")


def test_help_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    words = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert words >= {*COMMANDS, *GROUPS}
    with pytest.raises(SystemExit):
        main(["network", "--help"])
    assert "disconnect" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("nonsense", 1, "unknown command"),
        ("network nonsense", 1, "unknown command"),
        ("network", 1, "COMMAND"),
        ("rm", 1, "CONTAINER"),
        ("exec x", 1, "COMMAND"),
        ("run", 1, "IMAGE"),
        ("ps --nonsense", 125, "--nonsense"),
        ("ps --format {{.ID}}", 125, "Go templates"),
        ("run -m much x", 125, "bad size"),
        ("run --cpus x x", 125, "processors"),
        ("run -v x x", 125, "bad volume"),
        ("run --sysctl =1 x", 125, "KEY=VALUE"),
        ("run --detach-keys abc x", 125, "unknown key"),
        ("attach --sig-proxy=perhaps x", 125, "neither true nor false"),
    ],
)
def test_bad_usage_is_one_line(words: str, code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pytest-containers: ")
    assert told in line


NEEDED = {
    "run": ["host"], "create": ["host"], "exec": ["x", "true"], "rename": ["x", "y"], "cp": ["x:/a", "."],
    "commit": ["x"], "tag": ["x", "y"], "import": ["/dev/null"], "network connect": ["n", "c"],
    "network disconnect": ["n", "c"], "update": ["-m", "64m", "x"], "export": ["-o", "{tmp}/out", "x"],
}  # fmt: skip
"""What a command has to be told."""
OURS = {"serve", "doctor", "clean"}


def told_enough() -> list[list[str]]:
    found: list[list[str]] = []
    for words in ALL:
        name = words[-1] if words[0] in {"container", "image"} else " ".join(words)
        if name not in OURS:
            more = ["-f"] if words[-1] == "prune" else []
            alone = {"ps", "images", "stats", "events", "info", "version", "ls", "prune", "df"}
            found.append([*words, *more, *NEEDED.get(name, [] if words[-1] in alone else ["x"])])
    return found


@pytest.mark.parametrize("words", told_enough(), ids=" ".join)
def test_no_engine_is_one_clear_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert main([word.replace("{tmp}", str(tmp_path)) for word in words]) == (125 if "run" in words else 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pytest-containers: no engine answers at unix://{tmp_path}/none: No such file or directory")
    assert not [*tmp_path.iterdir()]


def test_the_engine_is_named_before_the_command() -> None:
    args = parse(["-H", "tcp://x:1", "ps", "-a"])
    assert (args.host, args.all) == ("tcp://x:1", True)
    assert parse(["ps"]).host is None


def test_the_arguments_of_a_container_are_its_own() -> None:
    args = parse(["run", "-it", "--rm", "host", "ls", "-H", "--help"])
    assert args.command == ["ls", "-H", "--help"]
    args = parse(["exec", "-it", "x", "sh", "-c", "-i"])
    assert (args.first, args.rest) == ("sh", ["-c", "-i"])
    assert parse(["top", "x", "-o", "pid"]).options == ["-o", "pid"]


def test_a_command_pays_for_itself_only() -> None:
    """What ``ps`` imports until it has its arguments."""
    script = "import sys; from pytest_containers.cli.main import parse; parse(['ps']); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "pytest_containers.cli.listing" in found
    assert not {"http.client", "rich", "subprocess", "tarfile", "datetime", "asyncio"} & {*found}
    ours = {name for name in found if name.startswith("pytest_containers.cli.")}
    assert not {f"pytest_containers.cli.{name}" for name in ("options", "run", "images", "copy", "system")} & ours
