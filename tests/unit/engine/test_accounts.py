"""The files that users are looked up in, of a process that ends while they are read."""

import subprocess

import pytest

from container_runtime.engine.request import accounts


def test_what_an_end_has_left_of_a_root_is_no_root_without_users(monkeypatch):
    process = subprocess.Popen(["sleep", "1000"])

    def nothing_any_more(*_):
        process.kill()
        process.wait()

    monkeypatch.setattr(accounts, "_read", nothing_any_more)
    with pytest.raises(FileNotFoundError):
        accounts.of_process(process.pid)
