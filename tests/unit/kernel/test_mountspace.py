"""mountinfo as the kernel writes it."""

from __future__ import annotations

from container_runtime.kernel.mountspace import MountPoint, parse_mountinfo

LINES = rb"""21 28 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/a
36 21 98:0 /mnt1 /a\040b\011c rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue
37 36 0:5 / /x\012\134040 rw - tmpfs - rw
"""


def test_optional_fields_and_octal_escapes() -> None:
    assert parse_mountinfo(LINES) == [
        MountPoint(21, 28, "/", "overlay"),
        MountPoint(36, 21, "/a b\tc", "ext3"),
        MountPoint(37, 36, "/x\n\\040", "tmpfs"),
    ]
