from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from pytest_containers import ContainerSpec, Limits, wait
from pytest_containers.reports import failure
from pytest_containers.reports.record import Record, options_of, record_of, seconds

ONE = Record("0" * 64, "brave_bell", "db", "redis:7", "redis-server", started=0.004, ready=0.5, first_error=0.02)


def test_only_options_that_were_set_and_no_values_that_may_be_secret() -> None:
    spec = ContainerSpec(
        "host",
        "sleep 1",
        env={"PASSWORD": "hunter2", "PORT": "1"},
        limits=Limits(memory="64m", pids=5),
        wait=wait.port(80),
        files={"/etc/key": b"secret"},
        labels={"a": "b" * 300},
        ports=[80, 443],
        after_start=print,
    )
    found = options_of(spec)
    assert found.keys() == {"env", "limits", "wait", "files", "labels", "ports", "after_start"}
    assert found["env"] == "PASSWORD, PORT"
    assert found["files"] == "/etc/key"
    assert found["limits"] == "memory=64m, pids=5"
    assert found["ports"] == "80, 443"
    assert found["after_start"] == "print"
    assert len(found["labels"]) == 200
    assert options_of(ContainerSpec("host")) == {}


def test_times_of_docker() -> None:
    assert seconds("1970-01-01T00:00:02.123456789Z") == 2.123456
    assert seconds("0001-01-01T00:00:00Z") is None
    assert seconds("") is None
    assert seconds("yesterday") is None


def test_timeline_is_in_the_order_of_time() -> None:
    assert failure.timeline(ONE) == "created, started +0.004 s, first error +0.020 s, ready +0.500 s"
    assert failure.timeline(Record("1", "a", "a", "b", "c")) == "created"


def test_an_end_that_was_noted_before_the_start_is_told_after_it() -> None:
    """What a Podman said of ``exit 3``."""
    details = {
        "Id": "1",
        "Name": "/a",
        "Created": "2026-01-01T00:00:00Z",
        "State": {
            "Status": "exited",
            "ExitCode": 3,
            "StartedAt": "2026-01-01T00:00:00.206Z",
            "FinishedAt": "2026-01-01T00:00:00.198Z",
        },
    }
    known = {"id": "1", "label": "a", "definition": ContainerSpec("host"), "moments": {}}
    live = SimpleNamespace(**known, inspect=lambda: details, ending=lambda: "exited")
    figures = SimpleNamespace(stats=lambda *_, **__: {})
    engine = SimpleNamespace(client=SimpleNamespace(containers=figures))
    record = record_of(cast("Any", engine), cast("Any", live))
    assert failure.timeline(record) == "created, started +0.206 s, ended +0.206 s"


@given(st.dictionaries(st.sampled_from(["memory", "cpu", "pids", "other"]), st.floats(0, 1e18)), st.text(), st.text())
def test_any_record_can_be_told(peaks: dict[str, float], output: str, name: str) -> None:
    record = Record("1", name, name, "image", "command", peaks=peaks, stdout=output)
    assert output.rstrip() in failure.text(record)
    assert all(isinstance(value, str) for pair in failure.properties(record) for value in pair)
    assert Record(**record.plain()) == record


def test_properties() -> None:
    assert dict(failure.properties(ONE)) == {
        "container.db.brave_bell.name": "brave_bell",
        "container.db.brave_bell.image": "redis:7",
        "container.db.brave_bell.state": "unknown",
        "container.db.brave_bell.started": "0.004",
        "container.db.brave_bell.ready": "0.500",
        "container.db.brave_bell.first_error": "0.020",
    }
