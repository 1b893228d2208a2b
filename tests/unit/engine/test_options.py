"""The engine's command line."""

from pathlib import Path

import pytest

from container_runtime.serve import parse, plain_options

WORDS = ["serve", "--listen-fd", "5", "--run-directory", "/r", "--lock-fd", "6", "--watch-pid", "77", "--log", "/l"]


def test_well_formed_words_need_no_argparse():
    plain = plain_options(WORDS)
    assert plain is not None
    assert vars(plain) == {
        "socket": None,
        "listen_fd": 5,
        "run_directory": Path("/r"),
        "lock_fd": 6,
        "lifeline_fd": None,
        "watch_pid": 77,
        "idle_limit": None,
        "log": Path("/l"),
    }


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "--socket=/s"],
        ["serve", "--sock", "/s"],
        ["serve", "--log", "/l", "--socket", "/s"],
    ],
)
def test_other_forms_mean_the_same(words):
    assert parse(words).socket == Path("/s")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["serve"],
        ["serve", "--listen-fd", "x"],
        ["serve", "--listen-fd", "5", "--socket", "/s"],
        ["serve", "--listen-fd", "5", "--luck", "7"],
        ["serve", "listen_fd", "5"],
    ],
)
def test_the_rest_is_explained(words, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(words)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
