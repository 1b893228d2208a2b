import textwrap
from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

SERVE = "['python3', '-m', 'http.server', '8000', '--directory', '/etc']"
READ = "import sys, urllib.request as u; print(len(u.urlopen(sys.argv[1], timeout=5).read()))"


def test_services_are_reached_from_the_test_and_by_name(run: Run) -> None:
    result = run(
        conftest=f"""
            from pytest_containers import container, network, wait
            backend = network(scope="session")
            other = network(scope="session")
            web = container("host", {SERVE}, scope="session", network=backend, aliases=["www"], wait=wait.port(8000))
            twin = container("host", {SERVE}, scope="session", network="backend", wait=wait.port(8000))
            near = container("host", "sleep 1000", network=backend)
            far = container("host", "sleep 1000", network=other)
        """,
        test_it=f"""
            import urllib.request
            READ = {READ!r}
            def get(box, url): return box.exec(["python3", "-c", READ, url])
            def test_two_on_the_same_port(web, twin):
                for box in web, twin:
                    assert urllib.request.urlopen(box.url(8000) + "/hostname", timeout=5).read()
                assert web.url(8000) != twin.url(8000)
            def test_by_name_alias_and_address(web, near):
                for name in "web:8000", "www:8000", web.address(8000):
                    assert get(near, f"http://{{name}}/hosts").exit_code == 0, name
            def test_not_from_another_network(web, far):
                assert web.network.id != far.network.id
                assert get(far, "http://web:8000/hosts").exit_code
                assert get(far, f"http://{{web.address(8000)}}/hosts").exit_code
        """,
    )
    result.assert_outcomes(passed=3)


def test_network_must_be_one(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import container, network
            @pytest.fixture
            def wrong(): return 5
            box = container("host", "true", network="wrong")
            missing = container("host", "true", network="absent")
            def test_wrong(box): ...
            def test_missing(missing): ...
        """
    )
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["container box: network='wrong' is no network fixture, its value is 5", "*fixture 'absent' not found*"]
    )


@pytest.mark.parametrize(("argument", "words"), [("network()", "without a name"), ("7", "must be a fixture made by")])
def test_network_argument_is_checked(run: Run, argument: str, words: str) -> None:
    result = run(
        test_it=f"""
            from pytest_containers import container, network
            box = container("host", "true", network={argument})
            def test_it(box): ...
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(f"*{words}*")


ANSWER = """
import http.server, threading
import pytest
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data[::-1])
@pytest.fixture
def server(request):
    with http.server.ThreadingHTTPServer((request.param, 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()
"""
ASK = """
import sys, urllib.request as u
sent = bytes(range(256)) * 4096
with u.urlopen(f"http://{sys.argv[1]}", sent, timeout=5) as answer:
    assert answer.read() == sent[::-1]
"""


def test_the_way_back(run: Run) -> None:
    result = run(
        conftest="""
            from pytest_containers import container, network
            backend = network()
            plain = container("host", "sleep 1000")
            inner = container("host", "sleep 1000", network=backend)
            hosted = container("host", "sleep 1000", network="host")
        """
        + textwrap.indent(ANSWER, " " * 12),
        test_it=f"""
            import socket
            import pytest
            ASK = {ASK!r}
            def ask(box, place): return box.exec(["python3", "-c", ASK, place])
            @pytest.mark.parametrize("server", ["127.0.0.1"], indirect=True)
            def test_a_server_on_loopback(plain, inner, server):
                place = f"host.docker.internal:{{server}}"
                assert ask(plain, place).exit_code == 1
                assert plain.expose_host_port(server) == place
                assert inner.expose_host_port(server) == plain.expose_host_port(server)
                for box in plain, inner, plain:
                    assert ask(box, place) == (0, "", "")
                inner.remove()
                assert ask(plain, place).exit_code == 0
            @pytest.mark.parametrize("server", ["0.0.0.0"], indirect=True)
            def test_a_server_on_all_addresses(plain, server):
                assert ask(plain, plain.expose_host_port(server)).exit_code == 0
            @pytest.mark.parametrize("server", ["127.0.0.1"], indirect=True)
            def test_the_machines_own_network(hosted, server):
                assert hosted.expose_host_port(server) == f"127.0.0.1:{{server}}"
            def test_nobody_listens(plain):
                with socket.create_server(("127.0.0.1", 0)) as taken:
                    port = taken.getsockname()[1]
                assert ask(plain, plain.expose_host_port(port)).exit_code == 1
        """,
    )
    result.assert_outcomes(passed=4)


def test_no_way_back(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import ContainerError, container
            lonely = container("host", "sleep 1000", network="none")
            plain = container("host", "sleep 1000")
            def test_without_a_network(lonely):
                with pytest.raises(ContainerError, match="knows no machine of the tests .*in a network"):
                    lonely.expose_host_port(8000)
            def test_a_machine_elsewhere(plain, monkeypatch):
                monkeypatch.setattr(type(plain), "_hosts", lambda _: "192.0.2.7 host.docker.internal")
                monkeypatch.setattr(plain.engine, "forwards", False)
                with pytest.raises(ContainerError, match="its engine .* is on another machine"):
                    plain.expose_host_port(8000)
        """,
    )
    result.assert_outcomes(passed=2)
