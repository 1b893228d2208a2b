from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]


@pytest.mark.embedded("others keep a line back that is not ended")
def test_expect_sees_a_prompt(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container
            box = container("host", ["sh", "-c", "printf 'name? '; read x; echo hello $x; sleep 1000"])
            def test_it(box):
                assert box.logs.expect("name\\\\? ", stream="stdout")
                box.logs.expect("hello")
                assert box.logs.lines() == ["name? hello"]
        """
    )
    result.assert_outcomes(passed=1)


def test_expect_goes_from_line_to_line(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container
            asked = "until test -e /tmp/asked; do sleep 0.1; done"  # Docker keeps no order between the two streams
            script = f"echo 'user 1'; echo 'user 2'; {asked}; echo bad >&2; echo hello you; sleep 1000"
            box = container("host", ["sh", "-c", script])
            script = "mkfifo /tmp/in; exec 3<>/tmp/in; while read x <&3; do echo $x; done"
            echo = container("host", ["sh", "-c", script])
            def test_in_order(box):
                assert box.logs.expect(r"user (\\d)")[1] == "1"
                assert box.logs.expect(r"user (\\d)")[1] == "2"
                box.exec("touch /tmp/asked", check=True)
                assert box.logs.expect("b.d", stream="stderr").group() == "bad"
                box.logs.expect("hello")
                assert "user 1" in box.logs() and sorted(box.logs.lines())[:2] == ["bad", "hello you"]
                assert box.logs.lines("stdout")[:2] == ["user 1", "user 2"]
            def test_what_comes_later(echo):
                def write(text): echo.exec(["sh", "-c", f"until test -p /tmp/in; do :; done; echo {text} >/tmp/in"])
                write("first"), write("again")
                echo.logs.expect("again")
                write("first")
                echo.logs.expect("^first$")
                write("more")
                echo.logs.expect("more")
                echo.logs.mark()
                write("again")
                echo.logs.expect("again")
        """
    )
    result.assert_outcomes(passed=2)


def test_expect_that_cannot_be(run: Run) -> None:
    result = run(
        "--containers-timeout=0.5",
        test_it="""
            import pytest
            from pytest_containers import ContainerExited, WaitTimeout, container
            box = container("host", ["sh", "-c", "echo one; echo two; sleep 1000"])
            done = container("host", ["sh", "-c", "echo one; exit 3"])
            def test_time_out(box):
                box.logs.expect("one")
                box.logs.expect("two")
                box.logs.expect("three", stream="stdout")
            def test_timeout_of_its_own(box):
                with pytest.raises(WaitTimeout, match="has not written /x/ within 0.1 s"):
                    box.logs.expect("x", timeout=0.1)
                box.logs.expect("two")
            def test_end(done):
                words = "before it wrote /two/; looked at 1 lines, the last 'one'"
                with pytest.raises(ContainerExited, match=words) as info:
                    done.logs.expect("two", timeout=50)
                assert info.value.exit_code == 3 and "ended with exit code 3" in str(info.value)
            def test_wrong(done):
                done.logs.expect("(")
        """,
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            '>*box.logs.expect("three", stream="stdout")',
            "E *WaitTimeout: container box (host) has not written /three/ to stdout within 0.5 s; no line was *",
            '>*done.logs.expect("(")',
            "E *ValueError: logs.expect: '(' is no regular expression: *",
        ]
    )
    assert "handle/logs.py" not in result.stdout.str()


def test_lines_go_to_logging(run: Run) -> None:
    result = run(
        test_it="""
            import logging
            from pytest_containers import container
            script = "echo one; echo two >&2; printf three"
            log = logging.getLogger("app.db")
            log.setLevel("INFO")
            box = container("host", ["sh", "-c", script], log_to=log)
            def test_each_life_once(box, caplog):
                box.wait()
                box.start()
                box.wait()
                records = [*caplog.get_records("setup"), *caplog.get_records("call")]
                mine = [record for record in records if record.name == "app.db"]
                assert [record.getMessage() for record in mine if record.stream == "stdout"] == ["one", "three"] * 2
                assert [record.getMessage() for record in mine if record.stream == "stderr"] == ["two"] * 2
                assert {record.container for record in mine} == {"box"}
            def test_threads_end_with_the_container(containers):
                import threading
                def readers(): return [each for each in threading.enumerate() if each.name == f"log of {live.label}"]
                live = containers.run("host", "sleep 1000", name="logs-of-mine", log_to=logging.getLogger("x"))
                assert len(readers()) == 1
                live.remove()
                assert readers() == []
        """
    )
    result.assert_outcomes(passed=2)


def test_wrong_logger(run: Run) -> None:
    result = run(test_it="from pytest_containers import container\nbox = container('host', log_to='x')")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*TypeError: log_to must be a logger such as logging.getLogger('app'), not 'x'")
