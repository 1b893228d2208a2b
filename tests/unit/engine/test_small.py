"""Names, the life-cycle table, filters and events."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine import filters
from container_runtime.engine.events import events
from container_runtime.engine.life import lifecycle
from container_runtime.engine.request import names
from container_runtime.errors import Conflict, EngineError, InvalidParameter, NotModified


def test_random_names_are_valid_and_free():
    taken = set()
    for _ in range(500):
        name = names.random_name(taken)
        assert name not in taken
        assert names.check_name(name) == name
        taken.add(name)


@pytest.mark.parametrize("name", ["", "a", "-ab", "a b", "a/b", "ab\n", "é1"])
def test_bad_names(name):
    with pytest.raises(InvalidParameter, match="Invalid container name"):
        names.check_name(name)


def test_a_slash_in_front_is_not_part_of_the_name():
    assert names.check_name("/web.1") == "web.1"


@pytest.mark.parametrize("operation", sorted(lifecycle.TABLE))
def test_every_operation_is_decided_in_every_state(operation):
    assert set(lifecycle.TABLE[operation]) == set(lifecycle.STATES)
    for state, refusal in lifecycle.TABLE[operation].items():
        if refusal is None:
            lifecycle.check(operation, state, identity="id", name="n")
        else:
            with pytest.raises(EngineError) as caught:
                lifecycle.check(operation, state, identity="id", name="n")
            assert "{" not in str(caught.value)


def test_dockers_answers():
    with pytest.raises(NotModified):
        lifecycle.check("start", lifecycle.RUNNING, identity="id", name="n")
    with pytest.raises(Conflict, match="is not running"):
        lifecycle.check("kill", lifecycle.EXITED, identity="id", name="n")
    with pytest.raises(Conflict, match="container is running"):
        lifecycle.check("remove", lifecycle.RUNNING, identity="id", name="n")


def test_filters_in_both_forms():
    assert filters.parse('{"label":["a=b","c"]}', ("label",)) == {"label": ["a=b", "c"]}
    assert filters.parse('{"label":{"a=b":true,"c":false}}', ("label",)) == {"label": ["a=b"]}
    assert filters.parse(None, ()) == {}


@pytest.mark.parametrize("text", ["x", "[]", "3", '{"label":3}', '{"label":[3]}', '{"luck":["x"]}', "[" * 100_000])
def test_bad_filters(text):
    with pytest.raises(InvalidParameter, match="filter"):
        filters.parse(text, ("label",))


@given(st.text(), st.text())
def test_name_patterns_never_fail(pattern, name):
    filters.any_pattern([pattern], [name])


def test_matching():
    assert filters.any_pattern(["^/web$"], ["/web"])
    assert not filters.any_pattern(["^/web$"], ["/web2"])
    assert filters.any_pattern(["we"], ["/web2"])
    assert filters.labels_match(["a", "b=c"], {"a": "", "b": "c"})
    assert not filters.labels_match(["b=d"], {"b": "c"})
    assert filters.boolean(["true"], "dangling") is True
    with pytest.raises(InvalidParameter, match="dangling"):
        filters.boolean(["maybe"], "dangling")


def test_listeners_hear_what_happens_and_end_with_the_bus():
    async def main():
        bus = events.Bus()
        bus.publish("container", "create", "one")
        heard = []

        async def listen(since):
            heard.extend([(since, event.action) async for event in bus.listen(since)])

        tasks = [asyncio.create_task(listen(since)) for since in (None, 0, 1)]
        await asyncio.sleep(0)
        bus.publish("container", "start", "one")
        await asyncio.sleep(0.01)
        bus.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        return heard

    heard = asyncio.run(main())
    assert [action for since, action in heard if since is None] == ["start"]
    for past in (0, 1):
        assert [action for since, action in heard if since == past] == ["create", "start"]


def test_a_slow_listener_misses_what_was_overwritten():
    async def main():
        bus = events.Bus()
        listening = bus.listen(1)
        bus.publish("container", "first", "x")
        assert (await anext(listening)).action == "first"
        for number in range(5000):
            bus.publish("container", str(number), "x")
        bus.close()
        return [int(event.action) async for event in listening]

    heard = asyncio.run(main())
    assert 0 < len(heard) < 5000
    assert heard[-1] == 4999


def test_a_message_is_json():
    event = events.Event(1_000_000_001, "container", "die", "id", {"image": "host", "exitCode": "1"})
    assert json.loads(json.dumps(event.message()))["from"] == "host"
