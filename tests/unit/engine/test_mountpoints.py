"""Binds, Mounts, VolumesFrom and Volumes of a request; the messages are those that Docker 28.5 answered with."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.request.mountpoints import (
    MountPoint,
    collect,
    parse_bind,
    parse_mount,
    parse_volumes_from,
)
from container_runtime.engine.request.mounts import asked_mounts
from container_runtime.errors import InvalidParameter, NotImplementedHere


def nobody(name):
    raise AssertionError(name)


WORDS = st.sampled_from(["ro", "rw", "z", "Z", "nocopy", "rslave", "private", "cached", "consistent", "bad", ""])
PATHS = st.sampled_from(["/", "/x", "/x/../y/", "//x", "x", "name", "..", "a/b", "", " /x", "/\0"])


@given(st.one_of(st.text(), st.lists(PATHS | st.lists(WORDS, max_size=3).map(",".join), max_size=4).map(":".join)))
def test_any_bind_is_read_or_refused(text):
    try:
        point = parse_bind(text)
    except InvalidParameter as error:
        assert str(error).startswith(("invalid volume specification: '", "invalid mode: "))  # noqa: PT017
        return
    except NotImplementedHere:
        assert "shared" in text
        return
    assert point.destination.startswith("/")
    assert point.destination == posixpath.normpath(point.destination) != "/"
    assert point.kind == ("bind" if text.startswith("/") and ":" in text else "volume")
    assert point.writable == ("ro" not in point.mode.split(","))
    (mount,) = asked_mounts({}, [point])
    assert ("ro" in mount["options"]) is not point.writable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aa:/x", {"kind": "volume", "name": "aa", "mode": "z", "copy": True}),
        ("aa:/x:ro,nocopy", {"name": "aa", "mode": "ro,nocopy", "copy": False, "writable": False}),
        ("/x", {"kind": "volume", "anonymous": True, "destination": "/x"}),
        ("/a/./b/..:/x/../y/:z", {"kind": "bind", "source": "/a", "destination": "/y", "mode": "z", "create": True}),
        ("/a:/x:rslave,ro", {"propagation": "rslave", "writable": False}),
        ("/a:/x", {"propagation": "rprivate"}),
    ],
)
def test_binds(text, expected):
    point = parse_bind(text)
    assert {name: getattr(point, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/x:ro", "invalid volume specification: '/x:ro'"),
        ("a:/x:ro:rw", "invalid volume specification: 'a:/x:ro:rw'"),
        ("aa:/x:ro,rw", "invalid mode: ro,rw"),
        ("/a:/x:private,rslave", "invalid mode: private,rslave"),
        ("/a:/", "destination can't be '/'"),
        ("aa:x", "invalid mount config for type \"volume\": invalid mount path: 'x' mount path must be absolute"),
        ("aa:/x:rslave", "field BindOptions must not be specified"),
        ("/a:/x:nocopy", "field VolumeOptions must not be specified"),
    ],
)
def test_bad_binds(text, told):
    with pytest.raises(InvalidParameter) as caught:
        parse_bind(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("mount", "told"),
    [
        ({"Target": "/x"}, 'invalid mount config for type "": mount type unknown'),
        ({"Type": "cluster", "Source": "a", "Target": "/x"}, "mount type unknown"),
        ({"Type": "volume"}, "field Target must not be empty"),
        (
            {"Type": "volume", "Target": "/x", "ReadOnly": True},
            "must not set ReadOnly mode when using anonymous volumes",
        ),
        (
            {"Type": "volume", "Target": "/x", "BindOptions": {}},
            'BindOptions must not be specified on mount type "volume"',
        ),
        (
            {"Type": "volume", "Target": "/x", "VolumeOptions": {"Subpath": "a"}},
            "must not set Subpath when using anonymous",
        ),
        (
            {"Type": "volume", "Source": "aa", "Target": "/x", "VolumeOptions": {"Subpath": "b/../../a"}},
            "subpath must be a relative path within the volume",
        ),
        ({"Type": "bind", "Target": "/x"}, "field Source must not be empty"),
        ({"Type": "bind", "Source": "a", "Target": "/x"}, "invalid mount path: 'a' mount path must be absolute"),
        (
            {"Type": "bind", "Source": "/a", "Target": "/x", "BindOptions": {"Propagation": "up"}},
            "invalid propagation mode: up",
        ),
        (
            {"Type": "bind", "Source": "/a", "Target": "/x", "BindOptions": {"ReadOnlyForceRecursive": True}},
            "mount options conflict: !ReadOnly",
        ),
        ({"Type": "tmpfs", "Source": "a", "Target": "/x"}, "field Source must not be specified"),
        ({"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"Options": [["uid", "1"]]}}, "invalid option: uid"),
        ({"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"Mode": -1}}, "Mode -1"),
    ],
)
def test_bad_mounts(mount, told):
    with pytest.raises(InvalidParameter) as caught:
        parse_mount(mount)
    assert told in str(caught.value)


def test_what_this_engine_has_not_is_said():
    with pytest.raises(NotImplementedHere, match="rshared"):
        parse_bind("/a:/x:rshared")
    with pytest.raises(NotImplementedHere, match="image"):
        parse_mount({"Type": "image", "Source": "a", "Target": "/x"})


def test_mounts_become_those_of_the_kernel():
    points = [
        parse_mount({"Type": "bind", "Source": "/a/", "Target": "/1", "ReadOnly": True}),
        parse_mount(
            {"Type": "bind", "Source": "/a", "Target": "/2", "ReadOnly": True, "BindOptions": {"NonRecursive": True}}
        ),
        parse_mount({"Type": "tmpfs", "Target": "/3", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o700}}),
        MountPoint("volume", "/4", source="/v", name="v", subpath="a/b", writable=False),
    ]
    assert [(one["source"], one["options"]) for one in asked_mounts({}, points)] == [
        ("/a", ["rbind", "rprivate", "ro", "rro"]),
        ("/a", ["bind", "rprivate", "ro"]),
        ("tmpfs", ["noexec", "nosuid", "nodev", "size=4096", "mode=700"]),
        ("/v", ["rbind", "rprivate", "nodev", "ro"]),
    ]
    assert asked_mounts({}, points)[3].get("subpath") == "a/b"


def test_what_is_nearer_to_the_request_wins():
    other = [
        MountPoint("volume", "/a", name="va", mode="z", copy=True),
        MountPoint("bind", "/b", source="/host", create=True),
        MountPoint("volume", "/c", name="vc"),
    ]
    host = {"VolumesFrom": ["box:ro"], "Binds": ["mine:/a"], "Tmpfs": {"/c/": ""}}
    found = {
        one.destination: one for one in collect(host, ["/a/", "/b", "/c", "/d"], lambda name: {"box": other}[name])
    }
    assert [*found] == ["/a", "/b", "/d"]
    assert (found["/a"].name, found["/a"].writable) == ("mine", True)
    assert (found["/b"].source, found["/b"].writable, found["/b"].create) == ("/host", False, False)
    assert (found["/d"].anonymous, found["/d"].copy, found["/d"].mode) == (True, True, "")
    assert other[1].writable


@pytest.mark.parametrize(
    "host",
    [
        {"Binds": ["aa:/x", "/b:/x/"]},
        {"Binds": ["aa:/x"], "Mounts": [{"Type": "tmpfs", "Target": "/x"}]},
        {"Binds": ["aa:/x"], "Tmpfs": {"/x/": ""}},
    ],
)
def test_two_at_one_place_are_refused(host):
    with pytest.raises(InvalidParameter, match="Duplicate mount point: /x"):
        collect(host, [], nobody)


@pytest.mark.parametrize("path", ["/", "x", "name:/x", "/a\0"])
def test_volumes_of_an_image_need_a_path(path):
    with pytest.raises(InvalidParameter, match="Volumes"):
        collect({}, [path], nobody)


def test_volumes_from():
    assert parse_volumes_from("box") == ("box", True)
    assert parse_volumes_from("box:ro,z") == ("box", False)
    for text in ("", "box:fast", "box:rshared", "box:nocopy"):
        with pytest.raises(InvalidParameter):
            parse_volumes_from(text)
