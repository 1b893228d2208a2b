"""passwd and group files that an image may have filled with anything."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.request.users import resolve
from container_runtime.errors import InvalidParameter


@given(st.text(max_size=20), st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_give_ids_or_an_error_that_names_the_user(user, passwd, group):
    with contextlib.suppress(InvalidParameter):
        found = resolve(user, passwd, group)
        assert 0 <= found.uid < 2**31
        assert 0 <= found.gid < 2**31
        assert all(0 <= gid < 2**31 for gid in found.groups)


def test_a_name_made_of_digits_is_a_name_first():
    assert resolve("5", b"5:x:77:78::/h:\n", b"").uid == 77


def test_broken_lines_are_passed_over():
    assert resolve("a", b"a:x:bad:1::/h:\n:::\na:x:1:2::/home/a:\n", b"broken\n").home == "/home/a"
