from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]


def test_ready_when_the_condition_holds(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container, wait
            script = "echo begin; sleep 0.3; echo ready 1; echo ready 2 >&2; exec sleep 1000"
            line = container("host", ["sh", "-c", script], wait=wait.log("ready 1"))
            both = container("host", ["sh", "-c", script], wait=wait.log(r"ready \\d", regex=True, times=2))
            err = container("host", ["sh", "-c", script], wait=wait.log("ready", stream="stderr") & wait.log("begin"))
            either = container("host", ["sh", "-c", script], wait=wait.log("never") | wait.log("ready 2"))
            late = container("host", ["sh", "-c", "sleep 0.3; exec python3 -m http.server 80"], wait=wait.port(80))
            done = container("host", ["sh", "-c", "printf 'last word'"], wait=wait.log("last word"))
            def test_line(line): assert "ready 1" in line.logs()
            def test_both(both): assert both.logs().count("ready") == 2
            def test_err(err): assert err.log_streams()[1] == "ready 2\\n"
            def test_either(either): assert "ready 2" in either.logs()
            def test_late(late):
                import socket
                socket.create_connection((late.host, late.port(80)), 5).close()
            def test_output_that_came_before_the_end_counts(done): assert done.wait() == 0
        """
    )
    result.assert_outcomes(passed=6)


def test_end_of_the_container_ends_every_wait(run: Run) -> None:
    result = run(
        "--containers-timeout=50",
        "--containers-log-lines=2",
        test_it="""
            import time
            import pytest
            from pytest_containers import ContainerExited, wait
            script = ["sh", "-c", "echo one; echo two; echo three; echo bad >&2; exit 3"]
            @pytest.mark.parametrize("wanted", [
                wait.port(80), wait.log("x"), wait.port(80) & wait.log("two"), wait.port(80) | wait.log("x"),
            ], ids=str)
            def test_it(containers, wanted):
                begin = time.monotonic()
                with pytest.raises(ContainerExited) as info:
                    containers.run("host", script, wait=wanted)
                assert time.monotonic() - begin < 10
                assert info.value.exit_code == 3 and not info.value.oom_killed
                words = str(info.value)
                assert "ended with exit code 3 before it was ready" in words and f"waited for {wanted}" in words
                assert "--- stdout ---\\ntwo\\nthree" in words and "--- stderr ---\\nbad" in words
        """,
    )
    result.assert_outcomes(passed=4)


@pytest.mark.needs("limits")
def test_out_of_memory_is_named(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import Limits, container, wait
            hungry = container(
                "host", ["python3", "-c", "x = bytearray(200 << 20)"], limits=Limits(memory="32m", swap=0),
                wait=wait.port(80),
            )
            def test_it(hungry): ...
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("container hungry (host) was killed: out of memory (limit 32m) before it was ready*")


def test_time_out_says_what_was_seen(run: Run) -> None:
    result = run(
        "--containers-timeout=0.5",
        test_it="""
            from pytest_containers import container, wait
            port = container("host", ["sleep", "1000"], wait=wait.port(81))
            log = container("host", ["sh", "-c", "echo hello; sleep 1000"], wait=wait.log("bye", times=2), timeout=0.3)
            def test_port(port): ...
            def test_log(log): ...
        """,
    )
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "container port (host) is not ready after 0.5 s: waited for port 81, tried * times; connection refused*",
            "*waited for 'bye' in its output 2 times, tried *; found 0 of 2 times, 1 lines, the last 'hello'",
        ]
    )


def test_failed_start_is_not_tried_again_by_each_test(run: Run) -> None:
    result = run(
        test_it="""
            from pathlib import Path
            from pytest_containers import container, wait
            here = str(Path(__file__).parent)
            bad = container(
                "host", ["sh", "-c", "echo x >>/srv/starts; exit 1"], scope="module", wait=wait.port(1),
                binds={here: "/srv"},
            )
            def test_1(bad): ...
            def test_2(bad): ...
            def test_count(): assert Path("starts").read_text() == "x\\n"
        """
    )
    result.assert_outcomes(errors=2, passed=1)
