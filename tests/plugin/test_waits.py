from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugin.conftest import PODMAN
from tests.registry import busybox_layer

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


@pytest.mark.needs("other-users")
def test_kinds_of_waits(run: Run) -> None:
    """Each becomes ready a while after the start, and each says so by what it is about."""
    result = run(
        test_it="""
            import pytest
            from pytest_containers import ContainerSpec, container, wait
            web = '''
            import http.server, time
            time.sleep(0.2)
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    self.send_response(200 if self.headers["Authorization"] == "Basic YTpi" else 401)
                    self.end_headers()
                    self.wfile.write(b"all is well")
            http.server.HTTPServer(("", 8080), Handler).serve_forever()
            '''
            http = container("host", ["python3", "-c", web], wait=wait.http(port=8080, auth=("a", "b"), body="well"))
            denied = container("host", ["python3", "-c", web], wait=wait.http(port=8080, status=401))
            late = ["sh", "-c", "sleep 0.2; mkdir /tmp/x; exec sleep 1000"]
            command = container("host", late, wait=wait.command("test -d /tmp/x"))
            failing = container("host", late, wait=wait.command("test ! -d /tmp/x", exit_code=1, user="nobody"))
            file = container("host", late, wait=wait.file("/tmp/x"))
            memory = container("host", late, wait=wait.file("/tmp/x"), tmpfs=["/tmp"])
            job = container("host", ["sh", "-c", "sleep 0.2; exit 4"], wait=wait.exit(4))
            def there(live): return live.exec("test -d /tmp/x").exit_code == 0
            called = container("host", late, wait=wait.callable(there))
            both = container("host", late, wait=wait.file("/tmp/x").within(50) & wait.callable(there) | wait.port(1))
            def test_http(http, denied): ...
            def test_command(command): assert there(command)
            def test_other_code(failing): assert there(failing)
            def test_file(file): assert there(file)
            def test_file_in_memory(memory): assert there(memory)
            def test_exit(job): assert job.exit_code == 4
            def test_callable(called): assert there(called)
            def test_both(both): assert there(both)
        """
    )
    result.assert_outcomes(passed=8)


def test_failures_of_each_kind_say_what_was_seen(run: Run) -> None:
    result = run(
        "--containers-timeout=0.4",
        test_it="""
            import pytest
            from pytest_containers import WaitTimeout, wait
            def broken(container): raise RuntimeError("not today")
            @pytest.mark.parametrize(("wanted", "words"), [
                (wait.http("/x", port=81), "onnection"),
                (wait.command("sh -c 'echo no; exit 3'"), "exit code 3, 'no'"),
                (wait.command("/no/such"), "/no/such"),
                (wait.file("/no/such"), "it is not there"),
                (wait.exit(), "it still runs"),
                (wait.callable(broken), "it raised RuntimeError: not today"),
                (wait.port(81) | wait.file("/x"), "; file /x: it is not there ("),
                (wait.port(81).within(0.1) & wait.exit(), "not ready after 0.1 s"),
            ], ids=str)
            def test_it(containers, wanted, words):
                with pytest.raises(WaitTimeout) as info:
                    containers.run("host", "sleep 1000", wait=wanted)
                assert f"waited for {wanted}, tried " in str(info.value) and words in str(info.value)
            def test_no_health_check(containers):
                with pytest.raises(Exception, match="waited for its health check: it has no health check"):
                    containers.run("host", "sleep 1000", wait=wait.healthy())
            def test_longer_than_the_default(containers):
                containers.run("host", "sh -c 'sleep 0.8; echo x; sleep 1000'", wait=wait.log("x").within(50))
            def test_other_exit(containers):
                with pytest.raises(Exception, match="ended with exit code 4 before it was ready"):
                    containers.run("host", "sh -c 'exit 4'", wait=wait.exit())
        """,
    )
    result.assert_outcomes(passed=11)


def test_what_an_earlier_start_wrote_makes_nothing_ready(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import WaitTimeout, container, wait
            script = "test -e /tmp/again || echo ready; touch /tmp/again; sleep 1000"
            box = container("host", ["sh", "-c", script], wait=wait.log("ready"), timeout=1)
            def test_it(box):
                with pytest.raises(WaitTimeout): box.restart(timeout=0)
        """
    )
    result.assert_outcomes(passed=1)


def test_what_the_image_declares_is_the_default(run: Run, tmp_path: Path) -> None:
    """Its health check; else any of its ports; else nothing."""
    tree = tmp_path / "tree.tar"
    tree.write_bytes(busybox_layer().bytes())
    result = run(
        *(["-k", "test_port"] if PODMAN else []),  # its imports take no HEALTHCHECK
        conftest=f"""
            import os
            import pytest
            @pytest.fixture
            def image(containers):
                made = []
                def make(*changes):
                    client = containers.create("host", "true")._client
                    made.append((client, f"declares-{{os.getpid()}}:{{len(made)}}"))
                    client.images.import_({str(tree)!r}, made[-1][1], changes=list(changes))
                    return made[-1][1]
                yield make
                containers.close()
                for client, name in made: client.images.remove(name)
        """,
        test_it="""
            import re
            import socket
            import pytest
            from pytest_containers import ContainerExited, WaitTimeout, wait
            def test_port(image, containers):
                exposing = image("EXPOSE 80", "EXPOSE 81", "EXPOSE 82/udp")
                live = containers.run(exposing, ["sh", "-c", "sleep 0.2; exec /bin/busybox httpd -f -p 81"])
                socket.create_connection((live.host, live.port(81)), 5).close()
                assert containers.run(exposing, "true").exit_code == 0
                assert containers.run(exposing, "sleep 1000", wait=wait.none()).status == "running"
                words = "waited for port 80 or port 81 or its end with exit code 0) (as its image declares"
                with pytest.raises(ContainerExited, match=re.escape(words)):
                    containers.run(exposing, "sh -c 'exit 3'")
                with pytest.raises(WaitTimeout, match="as its image declares; wait= in its definition decides"):
                    containers.run(exposing, "sleep 1000", timeout=0.3)
            def test_health_check_long_before_its_interval(image, containers):
                checked = image("EXPOSE 80", "HEALTHCHECK --interval=30s CMD test -e /tmp/x")
                live = containers.run(checked, ["sh", "-c", "sleep 0.2; echo >/tmp/x; sleep 1000"])
                assert live.exec("test -e /tmp/x").exit_code == 0
            def test_healthy(image, containers):
                checked = image("HEALTHCHECK --interval=100ms CMD test -e /tmp/x")
                live = containers.run(checked, ["sh", "-c", "echo >/tmp/x; sleep 1000"], wait=wait.healthy())
                assert live.inspect()["State"]["Health"]["Status"] == "healthy"
                with pytest.raises(WaitTimeout, match="its health is .*, the last check ended with exit code 1"):
                    containers.run(checked, "sleep 1000", wait=wait.healthy(), timeout=1)
            def test_neither(image, containers):
                assert containers.run(image("HEALTHCHECK NONE"), "sleep 1000").status == "running"
        """,
    )
    result.assert_outcomes(passed=1 if PODMAN else 4)


def test_a_class_of_the_users_own_says_when_it_is_ready(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import Container, wait
            class Redis(Container):
                calls = 0
                def is_ready(self):
                    self.calls += 1
                    try:
                        return self.exec("cat /tmp/x", check=True).stdout == "up"
                    finally:
                        self.exec("touch /tmp/asked")
            def test_it(containers):
                asked = "until test -e /tmp/asked; do sleep 0.1; done"
                script = ["sh", "-c", f"{asked}; printf up >/tmp/x; sleep 1000"]
                live = containers.run("host", script, cls=Redis)
                assert live.calls > 1 and live.exec("cat /tmp/x").stdout == "up"
        """
    )
    result.assert_outcomes(passed=1)
