import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_containers.fingerprint import fingerprint

CONSTANT = "CREATE TABLE a()"
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@dataclass
class Data:
    value: object


def helper() -> int:
    return 1


def uses_both(box: Any) -> object:
    return box.exec(CONSTANT), helper()


@given(PLAIN, PLAIN)
def test_equal_values_have_equal_names_and_others_have_others(first: object, second: object) -> None:
    assert fingerprint(first) == fingerprint(first)
    same = first == second and repr(first) == repr(second)
    if repr(first) != repr(second) and first != second:
        assert fingerprint(first) != fingerprint(second)
    if same:
        assert fingerprint(first) == fingerprint(second)


def test_the_order_of_a_mapping_does_not_count_and_that_of_a_list_does() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(["a", "b"]) != fingerprint(["b", "a"])
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint("1") != fingerprint(1) != fingerprint(True)


def test_a_path_counts_by_what_it_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        (path / "sub").mkdir(parents=True)
        (path / "sub/file").write_text("same")
    assert fingerprint(one) == fingerprint(two)
    (two / "sub/file").write_text("other")
    assert fingerprint(one) != fingerprint(two)
    (two / "sub/file").write_text("same")
    (two / "sub/file").chmod(0o755)
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(tmp_path / "missing") != fingerprint(one)


def test_a_function_counts_by_its_source_and_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(uses_both)
    assert before == fingerprint(uses_both)
    assert before != fingerprint(helper)
    monkeypatch.setitem(globals(), "CONSTANT", "CREATE TABLE b()")
    assert fingerprint(uses_both) != before
    monkeypatch.undo()
    assert fingerprint(uses_both) == before
    monkeypatch.setitem(globals(), "helper", test_equal_values_have_equal_names_and_others_have_others)
    assert fingerprint(uses_both) != before


def _closing_over(value: object) -> object:
    return lambda box: (box, value)


def test_what_a_function_encloses_counts() -> None:
    assert fingerprint(_closing_over(1)) == fingerprint(_closing_over(1))
    assert fingerprint(_closing_over(1)) != fingerprint(_closing_over(2))
    assert fingerprint(functools.partial(helper, 1)) != fingerprint(functools.partial(helper, 2))
    assert fingerprint(Data(1)) != fingerprint(Data(2))
    assert fingerprint(Data(1).__repr__) == fingerprint(Data(1).__repr__)


def test_functions_that_know_each_other_come_to_an_end() -> None:
    cycle = Data(None)
    cycle.value = [cycle]
    assert fingerprint(cycle) == fingerprint(cycle)


def test_a_function_without_source() -> None:
    names: dict[str, Any] = {}
    exec("def made(box):\n    return 1\ndef other(box):\n    return 2\n", names)
    assert fingerprint(names["made"]) == fingerprint(names["made"])
    assert fingerprint(names["made"]) != fingerprint(names["other"])
