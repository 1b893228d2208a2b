"""The kernel's small files, and one whose group goes at the wrong moment."""

import errno
import os

import pytest

from container_runtime.cgroups import files


def test_written_and_read(tmp_path):
    path = tmp_path / "pids.max"
    path.touch()
    files.write(str(path), "12")
    assert files.read(str(path)) == "12"


@pytest.mark.parametrize(("call", "arguments"), [("read", ()), ("write", ("1",))])
def test_a_group_that_goes_between_opening_and_call(tmp_path, monkeypatch, call, arguments):
    path = tmp_path / "cgroup.freeze"
    path.touch()

    def refuse(*_):
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(FileNotFoundError) as told:
        getattr(files, call)(str(path), *arguments)
    assert told.value.filename == str(path)
