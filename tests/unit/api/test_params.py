"""Bodies and query values of the wrong type."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.api.params import check_create, check_exec, parse_moment
from container_runtime.errors import InvalidParameter

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HOST_FIELDS = ["Memory", "Binds", "Ulimits", "Devices", "Mounts", "Tmpfs", "Sysctls", "RestartPolicy", "NetworkMode"]
FIELDS = ["Image", "Cmd", "Env", "Labels", "User", "Tty", "HostConfig", "NetworkingConfig", "Healthcheck"]


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING), st.dictionaries(st.sampled_from(HOST_FIELDS), ANYTHING))
def test_any_json_is_taken_or_refused_by_name(body, host):
    body = {"Image": "host", **body}
    if isinstance(body.get("HostConfig"), dict):
        body["HostConfig"] |= host
    try:
        checked = check_create(json.loads(json.dumps(body)))
    except InvalidParameter as error:
        message = str(error)
    else:
        message = "Image"
        assert all(isinstance(word, str) for word in checked.get("Cmd", []))
        assert all(isinstance(one, dict) for one in checked["HostConfig"].get("Ulimits", []))
    assert any(field in message for field in (*FIELDS, *HOST_FIELDS))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "Image"),
        ({"Image": "host", "Cmd": {"a": 1}}, "Cmd"),
        ({"Image": "host", "HostConfig": {"Memory": "64m"}}, "HostConfig.Memory"),
        ({"Image": "host", "HostConfig": {"Memory": True}}, "HostConfig.Memory"),
        ({"Image": "host", "HostConfig": {"Ulimits": ["x"]}}, r"HostConfig.Ulimits\[0\]"),
        ({"Image": "host", "HostConfig": {"Ulimits": [{"Name": 3}]}}, r"HostConfig.Ulimits\[0\].Name"),
        ({"Image": "host", "HostConfig": {"Mounts": [{"TmpfsOptions": {"SizeBytes": "x"}}]}}, "SizeBytes"),
        ({"Image": "host", "NetworkingConfig": {"EndpointsConfig": {"n": {"Aliases": [1]}}}}, "Aliases"),
        ({"Image": "host", "Env": ["A=\0"]}, "Env"),
    ],
)
def test_the_field_is_named(body, field):
    with pytest.raises(InvalidParameter, match=field):
        check_create(body)


def test_nulls_are_as_if_not_there():
    checked = check_create({"Image": "host", "Cmd": None, "HostConfig": {"Memory": None}})
    assert "Cmd" not in checked
    assert "Memory" not in checked["HostConfig"]


def test_exec():
    with pytest.raises(InvalidParameter, match="Cmd"):
        check_exec({"Cmd": [1]})


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (None, 0),
        ("0", 0),
        ("12", 12 * 10**9),
        ("12.5", 12_500_000_000),
        ("1970-01-01T00:00:02Z", 2 * 10**9),
        ("1970-01-01T00:00:02.000000001Z", 2 * 10**9 + 1),
    ],
)
def test_moments(text, nanoseconds):
    assert parse_moment(text, "since") == nanoseconds


@given(st.text())
def test_other_texts_are_no_moments_or_numbers(text):
    with contextlib.suppress(InvalidParameter):
        assert isinstance(parse_moment(text, "since"), int)
