"""``--containers-external``: servers that run already, in the place of container fixtures. No engine is there."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., pytest.RunResult]

NOWHERE = "--containers-engine=unix:///nosuch/engine.sock"
SERVICES = """
    from pytest_containers import Container, ContainerSpec, container, network, volume, wait
    class Redis(Container):
        def ping(self):
            return f"ping {self.host}:{self.port(6379)}"
    backend, store = network(scope="session"), volume()
    db = container("postgres:16", network=backend, volumes={"/data": store}, snapshot=True, seed={"/x": "y"},
                   wait=wait.log("ready", times=2) & wait.port(5432))
    cache = container("redis:7", cls=Redis, shared=True, wait=wait.healthy())
    two = container("mq", ports=[1, 2], wait=wait.none())
    @container.define(scope="module")
    def app(db: Container, backend) -> ContainerSpec:
        raise RuntimeError("nobody asks")
    @container.define
    def alone() -> ContainerSpec:
        return ContainerSpec("redis:7", cls=Redis, wait=wait.callable(lambda box: box.ping()))
"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/up" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def external(**servers: str) -> list[str]:
    return [f"--containers-external={name}={url}" for name, url in servers.items()]


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["here", "xdist"])
def test_addresses_and_classes_without_any_engine(run: Run, port: int, workers: list[str]) -> None:
    result = run(
        NOWHERE,
        *workers,
        *external(
            db=f"postgresql://me:secret@127.0.0.1:{port}/test", cache=f"127.0.0.1:{port}",
            app=f"http://127.0.0.1:{port}/base/", alone=f"tcp://127.0.0.1:{port}",
        ),
        conftest=SERVICES,
        test_it=f"""
            from pytest_containers import Container
            def test_db(db):
                assert isinstance(db, Container)
                assert (db.host, db.port(5432), db.address(5432)) == (
                    "127.0.0.1", {port}, "host.docker.internal:{port}")
                assert db.url(5432, "postgresql") == "postgresql://127.0.0.1:{port}"
                assert db.external == "postgresql://me:secret@127.0.0.1:{port}/test"
                assert (db.name, db.status, db.exit_code, db.image) == ("db", "running", None, "postgres:16")
                assert db.slice(lambda box, name: name).startswith(("main_", "gw0_"))
            def test_cache(cache, alone):
                assert cache.ping() == alone.ping() == "ping 127.0.0.1:{port}"
            def test_app(app):
                assert app.url(8000) == "http://127.0.0.1:{port}/base"
        """,
    )  # fmt: skip
    result.assert_outcomes(passed=3)


def test_what_only_a_container_can_do(run: Run, port: int) -> None:
    result = run(
        NOWHERE,
        *external(db=f"127.0.0.1:{port}"),
        conftest=SERVICES,
        test_it="""
            import pytest
            from pytest_containers import ContainerError
            @pytest.mark.parametrize("call", [
                "exec('true')", "logs()", "logs.expect('x')", "log_streams()", "stop()", "start()", "restart()",
                "kill()", "wait()", "remove()", "inspect()", "checkpoint()", "restore()", "follow()", "health()",
            ])
            def test_it(db, call):
                with pytest.raises(ContainerError, match=r"^cannot .* db \\(external, .*\\): it is no "):
                    eval(f"db.{call}")
            def test_shown(db):
                db.exec("true")
        """,
    )
    result.assert_outcomes(passed=15, failed=1)
    result.stdout.fnmatch_lines(
        ["> *db.exec*", "E *ContainerError: cannot run a command in db (external, 127.0.0.1:*): it is no container of*"]
    )
    result.stdout.no_fnmatch_line("*def refuse*")


def test_waits_that_make_sense_still_hold(run: Run, port: int, pytester: pytest.Pytester) -> None:
    pytester.makeini(f"[pytest]\ncontainers_timeout = 0.3\ncontainers_external =\n  good=http://127.0.0.1:{port}\n"
                     f"  bad=http://127.0.0.1:{port}\n  gone=tcp://127.0.0.1:1\n  limited=127.0.0.1:1\n")  # fmt: skip
    result = run(
        NOWHERE,
        test_it="""
            from pytest_containers import container, wait
            good = container("x", wait=wait.http("/up", port=80) & wait.log("never"))
            bad = container("x", wait=wait.http("/down", port=80) | wait.command("true"))
            gone = container("x", wait=wait.exit())
            limited = container("x", wait=wait.port(5).within(0.1))
            def test_good(good): ...
            def test_bad(bad): ...
            def test_gone(gone): ...
            def test_limited(limited): ...
        """,
    )
    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            f"container bad (external, http://127.0.0.1:{port}) is not ready after 0.3 s: *answered 404 Not Found*",
            "container gone (external, tcp://127.0.0.1:1) is not ready after 0.3 s: waited for port 1, *refused*",
            "container limited (external, 127.0.0.1:1) is not ready after 0.1 s: waited for port 5 within 0.1 s, *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_several_ports(run: Run, port: int) -> None:
    ports = {"two:1": f"127.0.0.1:{port}", "two:2": f"https://[::1]:{port + 1}/x"}
    suite = f"""
        def test_it(two):
            assert (two.port(1), two.address(2)) == ({port}, "host.docker.internal:{port + 1}")
            assert two.url(2) == "https://[::1]:{port + 1}/x"
        def test_other(two):
            two.port(3)
    """
    result = run(NOWHERE, *external(**ports), conftest=SERVICES, test_it=suite)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines("E *port 3 of two (external, *) is not known: --containers-external two:3=URL")
    result = run(NOWHERE, *external(two=f"127.0.0.1:{port}"), conftest=SERVICES, test_it=suite)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines("external two: its definition has the ports 1, 2, and one URL cannot be all of them: *")
    result = run(
        NOWHERE, *external(two="127.0.0.1"), conftest=SERVICES, test_it="def test_it(two): assert two.port(9) == 9"
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["here", "xdist"])
def test_names_that_are_none(run: Run, pytester: pytest.Pytester, workers: list[str]) -> None:
    files = {"conftest": SERVICES, "test_it": "def test_it(tmp_path): ..."}
    result = run(*workers, *external(dB="x:1"), **files)
    assert result.ret != 0
    everything = result.stdout.str() + result.stderr.str()
    assert "containers_external: 'dB' names no fixture of this run; there are alone, app, cache, db, two" in everything
    result = run(*external(tmp_path="x:1"), **files)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: containers_external: 'tmp_path' is no container fixture; there are alone, *")
    pytester.makeini("[pytest]\ncontainers_external = other=x:1\n")
    run("test_it.py").assert_outcomes(passed=1)  # it may be elsewhere
    assert run().ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("db", "containers_external must be NAME=URL, such as db=tcp://127.0.0.1:5432, or NAME:PORT=URL *, not 'db'"),
        ("=x:1", "containers_external must be NAME=URL, *, not '=x:1'"),
        ("db=tcp://", "containers_external must be NAME=URL, *, not 'db=tcp://'"),
        ("db=x:port", "containers_external: 'db=x:port': Port could not be cast to integer value as 'port'"),
        ("db=x y", "containers_external must be NAME=URL, *, not 'db=x y'"),
    ],
)
def test_values_that_are_wrong(run: Run, value: str, words: str) -> None:
    result = run(f"--containers-external={value}", test_it="def test_it(): ...")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(f"ERROR: {words}")
    assert len(result.stderr.str().strip().splitlines()) == 1


def test_value_that_is_given_twice(run: Run) -> None:
    result = run("--containers-external=a=x:1", "--containers-external=a=y:1", test_it="def test_it(): ...")
    result.stderr.fnmatch_lines("ERROR: containers_external names a twice")
