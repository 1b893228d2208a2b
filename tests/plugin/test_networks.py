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
