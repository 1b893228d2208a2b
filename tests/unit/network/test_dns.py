"""Messages of the name server."""

from types import SimpleNamespace

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.network import dns

HOST = "10.0.0.1"


def network(count=1):
    """A network in which ``count`` containers are called web."""
    endpoints = {str(number): SimpleNamespace(address=f"10.1.{number >> 8}.{number & 255}", names=["web"])
                 for number in range(2, count + 2)}  # fmt: skip
    return SimpleNamespace(endpoints=endpoints, name="net", internal=False)


def question(name="web", size=0, kind="A"):
    asked = dnslib.DNSRecord.question(name, kind)
    if size:
        asked.add_ar(dnslib.EDNS0(udp_len=size))
    return bytes(asked.pack())


def by_udp(asked, count):
    return dnslib.DNSRecord.parse(dns.fitting(dns.answer(asked, [network(count)], HOST), asked))


def test_what_fits_is_told():
    reply = by_udp(question(), 20)
    assert (reply.header.tc, len(reply.rr), reply.ar) == (0, 20, [])


def test_what_does_not_fit_is_to_be_asked_by_tcp():
    reply = by_udp(question(), 100)
    assert (reply.header.tc, len(reply.rr), str(reply.q.qname)) == (1, 0, "web.")
    assert len(dnslib.DNSRecord.parse(dns.answer(question(), [network(100)], HOST)).rr) == 100


@pytest.mark.parametrize(("size", "told"), [(1232, 0), (1700, 100), (65535, 100), (100, 0)])
def test_who_takes_more_gets_more(size, told):
    reply = by_udp(question(size=size), 100)
    assert (reply.header.tc, len(reply.rr)) == (0 if told else 1, told)
    assert [one.rtype for one in reply.ar] == [dnslib.QTYPE.OPT]


def test_never_more_than_a_few_fragments():
    reply = by_udp(question(size=65535), 1000)
    assert (reply.header.tc, len(reply.rr)) == (1, 0)


@given(st.binary(max_size=80))
def test_whatever_comes_is_answered_or_refused(data):
    try:
        reply = dns.answer(data, [network()], HOST)
    except ValueError:
        return
    assert reply is None or dns.fitting(reply, data)[:2] == data[:2]
