"""The archive of a volume, as a commit adds it to an image."""

from __future__ import annotations

import io
import tarfile

import pytest

from pytest_containers.snapshots.commits import named


@pytest.mark.parametrize("inside", ["data", ""], ids=["Docker", "Podman"])
def test_it_is_named_after_its_place(inside: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind, target in (
            (inside, tarfile.DIRTYPE, ""),
            (f"{inside}/one", tarfile.REGTYPE, ""),
            (f"{inside}/same", tarfile.LNKTYPE, f"{inside}/one"),
            (f"{inside}/link", tarfile.SYMTYPE, "/one"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.uid, member.mode = kind, target, 70, 0o700
            member.pax_headers = {"SCHILY.xattr.user.a": "b"}
            member.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"text"))
    with named(packed, "data") as content, tarfile.open(fileobj=io.BytesIO(_all(content))) as found:
        members = {member.name: member for member in found}
        assert list(members) == ["data", "data/one", "data/same", "data/link"]
        assert members["data/same"].linkname == "data/one"
        assert members["data/link"].linkname == "/one"
        assert {(member.uid, member.mode) for member in found} == {(70, 0o700)}
        assert found.extractfile("data/one").read() == b"text"
        assert all(member.pax_headers == {"SCHILY.xattr.user.a": "b"} for member in found)


def _all(file: io.BufferedIOBase) -> bytes:
    file.seek(0)
    return file.read()
