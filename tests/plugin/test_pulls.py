"""Pulls and the engine's start overlap collection."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Run = Callable[..., pytest.RunResult]
HANG_LIMIT = 60.0


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry that has nothing; ``/asked`` answers as soon as it was asked for something."""
    asked = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/asked":
                self.send_response(200 if asked.wait(HANG_LIMIT) else 500)
            else:
                asked.set()
                self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_images_are_pulled_while_pytest_collects(run: Run, registry: str) -> None:
    result = run(
        "-p", "no:randomly",
        test_a=f"""
            import pytest
            @pytest.mark.container_images("{registry}/one:1")
            def test_it(): ...
        """,
        test_b=f"""
            from urllib.request import urlopen
            assert urlopen("http://{registry}/asked", timeout={HANG_LIMIT}).status == 200  # collection waits for a pull
            def test_it(): ...
        """,
    )  # fmt: skip
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*image {registry}/one:1 cannot be pulled: *"])


@pytest.mark.parametrize("options", [("-k", "test_other"), ("--collect-only",)])
def test_nothing_is_pulled_for_tests_that_do_not_run(run: Run, options: tuple[str, ...]) -> None:
    result = run(
        *options,
        test_it="""
            import pytest, threading
            @pytest.mark.container_images("127.0.0.1:1/no/such:1")
            def test_it(): ...
            def test_other():
                assert not [thread for thread in threading.enumerate() if thread.name.startswith("pull ")]
        """,
    )
    assert result.ret == 0
