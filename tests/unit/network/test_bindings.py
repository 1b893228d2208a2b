"""Ports that a request exposes and publishes."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.errors import InvalidParameter
from container_runtime.network import bindings
from container_runtime.network.bindings import ANYWHERE, Port, Wanted

NUMBERS = st.integers(1, 65535)
WEB = Port(80, "tcp")


@given(NUMBERS, st.sampled_from(["", "/tcp", "/udp", "/UDP", "/sctp"]))
def test_a_port_is_read_as_it_is_written(number, protocol):
    port = bindings.parse_port(f"{number}{protocol}")
    assert port == (number, protocol.lower().removeprefix("/") or "tcp")
    assert bindings.parse_port(str(port)) == port


@given(NUMBERS, NUMBERS)
def test_a_range_is_in_order_or_refused(first, last):
    if first <= last:
        assert bindings.parse_range(f"{first}-{last}") == (first, last)
    else:
        with pytest.raises(InvalidParameter, match="invalid port specification"):
            bindings.parse_range(f"{first}-{last}")


@given(st.text())
def test_whatever_is_written_is_a_port_or_an_error(text):
    """Never another exception, never a number that no port has."""
    for parse in (bindings.parse_port, bindings.parse_range):
        try:
            numbers = [part for part in parse(text) if isinstance(part, int)]
        except InvalidParameter:
            continue
        assert all(0 <= number <= 65535 for number in numbers)


@given(st.one_of(st.ip_addresses(), st.text()))
def test_whatever_is_written_is_an_address_or_an_error(value):
    try:
        found = bindings.parse_address(str(value), "field")
    except InvalidParameter as error:
        assert str(error).startswith("invalid value for field.HostIp")  # noqa: PT017  either is right
    else:
        assert found == ANYWHERE or ipaddress.ip_address(found[0])


@pytest.mark.parametrize("text", ["", "0", "0/tcp", "65536", "80-82/tcp", "x/tcp", "-1", " 80", "٨٠", "80/foo", "80/"])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(InvalidParameter, match=r"invalid (port specification|proto)"):
        bindings.parse_port(text)


def test_of_an_image_only_what_is_a_port_counts():
    assert bindings.exposed(["80", "80/tcp", "53/udp", "x", "1-2/tcp", ""]) == [WEB, (53, "udp")]


def test_bindings_of_one_port_at_several_addresses_get_one_number():
    found = bindings.parse_bindings({"80/tcp": [{"HostIp": "127.0.0.1"}, {"HostIp": "[::1]", "HostPort": "0"}]})
    assert found == [Wanted(WEB, ("127.0.0.1", "::1"), 0, 0)]


def test_the_same_binding_twice_stays_two():
    assert bindings.parse_bindings({"80": [{"HostPort": "8"}, {"HostPort": "8"}]}) == [Wanted(WEB, ANYWHERE, 8, 8)] * 2


def test_those_that_leave_no_choice_come_first():
    found = bindings.parse_bindings({"80": [None, {"HostPort": "8-9"}, {"HostPort": "9/tcp"}], "81": None})
    assert [one[2:] for one in found] == [(9, 9), (8, 9), (0, 0)]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("x", r'HostConfig.PortBindings\["80/tcp"\]: a list of objects'),
        (["x"], r"PortBindings.*\[0\]: an object"),
        ([{"HostPort": 8080}], r"\[0\].HostPort: a string"),
        ([{}, {"HostIp": ["x"]}], r"\[1\].HostIp: a string"),
        ([{"HostIp": "nonsense"}], r"\[0\].HostIp: 'nonsense' is not an IP address"),
        ([{"HostPort": "9-8"}], 'invalid port specification: "9-8"'),
        ([{"HostPort": "0-5"}], 'invalid port specification: "0-5"'),
    ],
)
def test_what_makes_no_sense_is_named(value, told):
    with pytest.raises(InvalidParameter, match=told):
        bindings.parse_bindings({"80/tcp": value})
