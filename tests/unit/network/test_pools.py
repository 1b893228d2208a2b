"""Addresses: arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.errors import EngineError, InvalidParameter
from container_runtime.network import pools
from container_runtime.network.hosts import render_hosts, render_resolv_conf

POOL = pools.parse_subnet(pools.DEFAULT_POOL)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0", "10.0.0.0/7", "10.0.0.0/30", "10.0.0.1/24", "x/24", "10.0.0.0/+9", "::/16"]
)
def test_what_is_no_subnet_is_refused(text):
    with pytest.raises(InvalidParameter, match="Subnet"):
        pools.parse_subnet(text)


@given(st.integers(0, 31), st.integers(0, 40))
def test_blocks_avoid_what_is_taken(taken, start):
    blocks = list(POOL.divide(pools.BLOCK_PREFIX))
    free = list(pools.free_blocks(POOL, [blocks[taken]], start))
    assert len(free) == len(blocks) - 1
    assert blocks[taken] not in free


def test_a_larger_route_takes_the_whole_pool():
    assert list(pools.free_blocks(POOL, [pools.parse_subnet("198.0.0.0/8")])) == []


def test_networks_of_a_block_do_not_overlap():
    block = next(pools.free_blocks(POOL, []))
    taken = [pools.Subnet(block.base + block.size - 4, 30)]
    for prefix in (22, *[26] * 47):
        subnet = pools.choose_subnet([block], taken, prefix)
        assert subnet is not None
        assert not any(subnet.overlaps(other) for other in taken)
        taken.append(subnet)
    assert pools.choose_subnet([block], taken, 26) is None


def test_an_address_is_used_again_as_late_as_possible():
    subnet = pools.parse_subnet("198.18.0.0/29")
    last, seen = 0, []
    for _ in range(6):
        last = pools.choose_address(subnet, {subnet.base + 1}, last)
        seen.append(last - subnet.base)
    assert seen == [2, 3, 4, 5, 6, 2]


def test_a_full_network_says_so():
    subnet = pools.parse_subnet("198.18.0.0/29")
    with pytest.raises(EngineError, match="no free address"):
        pools.choose_address(subnet, {subnet.base + number for number in range(8)}, 0)


def test_hosts_and_resolv_conf():
    text = render_hosts([("198.18.0.2", ["web", "web", "abc"])], "198.18.15.253", ["db:10.0.0.1", "gate:host-gateway"])
    assert "198.18.0.2\tweb abc\n" in text
    assert "198.18.15.253\thost.docker.internal\n" in text
    assert "10.0.0.1\tdb\n" in text
    assert "198.18.15.253\tgate\n" in text
    assert render_resolv_conf(["198.18.0.1"], ["lan"]) == "nameserver 198.18.0.1\nsearch lan\noptions ndots:0\n"
