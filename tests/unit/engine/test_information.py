"""What the engine says of its machine."""

import pytest

from container_runtime.cgroups.detect import Layout
from container_runtime.engine.views import information
from container_runtime.images import login


def test_limits_and_their_warnings():
    every = information.limits(Layout({}, "/sys/fs/cgroup/x", frozenset(("memory", "cpu", "cpuset", "pids"))))
    assert all(every.values())
    assert information.warnings_of(every) == []
    none = information.limits(Layout({}, "", frozenset()))
    assert not any(none.values())
    assert information.warnings_of(none)[:2] == ["WARNING: No memory limit support", "WARNING: No swap limit support"]
    some = information.limits(Layout({"cpu": "/nowhere", "memory": "/nowhere"}, "", frozenset()))
    assert some["MemoryLimit"]
    assert not some["SwapLimit"]
    assert not some["PidsLimit"]


def test_os_release():
    text = "# words\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\nID=debian\nnothing\n"
    assert information.parse_os_release(text) == {
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)", "VERSION_ID": "12", "ID": "debian",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("", "https://registry-1.docker.io"),
        ("https://index.docker.io/v1/", "https://registry-1.docker.io"),
        ("registry.example.org", "https://registry.example.org"),
        ("https://registry.example.org:5000/v2/", "https://registry.example.org:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_the_address_that_a_login_asks(server, expected):
    assert login.address_of(server) == expected
