from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]


@pytest.mark.needs("limits")
def test_limits_are_for_what_the_test_starts_and_the_nearest_decide(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import Limits, container
            pytestmark = pytest.mark.container_limits(memory="64m", pids=50)
            box = container("host", "sleep 1000", limits=Limits(memory="128m", cpus=1))
            wide = container("host", "sleep 1000", scope="session")
            def limits(box):
                host = box.inspect()["HostConfig"]
                return host.get("Memory", 0) >> 20, host.get("PidsLimit"), host.get("NanoCpus", 0) / 1e9
            @pytest.mark.container_limits(pids=20)
            def test_it(box, wide, containers):
                assert limits(box) == (64, 20, 1)
                assert not limits(wide)[0]
                assert limits(containers.run("host", "sleep 1000", limits=Limits(memory="16m"))) == (16, 20, 0)
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("memory='lots'", "memory must be bytes or a size such as '64m' or '1.5g', not 'lots'"),
        ("memory='1m'", "memory must be at least 6m, not '1m'"),
        ("ram='64m'", "unknown limit 'ram'; there are memory, swap, cpus, cpu_shares, pids"),
        ("'64m'", "takes no positional arguments, but memory, swap, cpus, cpu_shares, pids by name"),
        ("cpus=-1", "cpus must be a number from 0.01 up, not -1"),
        ("pids=0", "pids must be a whole number from 1 up, not 0"),
        ("", "names no limit"),
    ],
)
def test_wrong_limits_fail_at_collection_with_file_and_line(run: Run, arguments: str, words: str) -> None:
    result = run(
        test_it=f"""
            import pytest

            class TestIt:
                @pytest.mark.container_limits({arguments})
                def test_it(self): ...
        """
    )
    result.assert_outcomes(errors=1)
    assert f"test_it.py:4: marker container_limits of test_it: {words}" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_wrong_images_fail_at_collection(run: Run) -> None:
    result = run(test_it="import pytest\n@pytest.mark.container_images(5)\ndef test_it(): ...")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*test_it.py:2: marker container_images of test_it: 5 is not the name of an image")


def test_image_that_cannot_be_pulled_fails_the_tests_that_name_it(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            @pytest.mark.container_images("host", "127.0.0.1:1/no/such:1")
            def test_it(): ...
            @pytest.mark.container_images("host")
            def test_other(containers): assert containers.run("host", "true").wait() == 0
        """
    )
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines("image 127.0.0.1:1/no/such:1 cannot be pulled: *")


def test_nearest_time_limit_is_for_what_the_test_starts(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import WaitTimeout, container, wait
            pytestmark = pytest.mark.container_timeout(0.3)
            never = container("host", "sleep 1000", wait=wait.log("x"), timeout=50)
            def test_fixture(never): ...
            @pytest.mark.container_timeout(0.2)
            def test_nearest(containers):
                with pytest.raises(WaitTimeout, match="is not ready after 0.2 s"):
                    containers.run("host", "sleep 1000", wait=wait.log("x"))
                with pytest.raises(WaitTimeout, match="is not ready after 0.1 s"):
                    containers.run("host", "sleep 1000", wait=wait.log("x"), timeout=0.1)
                live = containers.run("host", "sleep 1000")
                with pytest.raises(WaitTimeout, match="still runs after 0.2 s"): live.wait()
                with pytest.raises(WaitTimeout, match="within 0.2 s"): live.logs.expect("x")
        """
    )
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines("container never (host) is not ready after 0.3 s: *")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "takes one number, the seconds"),
        ("1, 2", "takes one number, the seconds"),
        ("seconds=5", "takes one number, the seconds"),
        ("'5'", "takes a number of seconds above 0, not '5'"),
        ("0", "takes a number of seconds above 0, not 0"),
    ],
)
def test_wrong_time_limits_fail_at_collection(run: Run, arguments: str, words: str) -> None:
    result = run(test_it=f"import pytest\n@pytest.mark.container_timeout({arguments})\ndef test_it(): ...")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(f"*test_it.py:2: marker container_timeout of test_it: {words}")


def test_markers_are_known(run: Run) -> None:
    result = run("--markers")
    result.stdout.fnmatch_lines(
        ["@pytest.mark.container_limits(*", "@pytest.mark.container_images(*", "@pytest.mark.container_timeout(*"]
    )


@pytest.mark.needs("limits")
@pytest.mark.parametrize("ability", [True, False])
def test_a_limit_that_cannot_be_set_may_be_a_warning(run: Run, ability: bool) -> None:
    """What the machine cannot do is told by the engine; here it is told so in its stead."""
    result = run(
        "--containers-limits=warn",
        conftest=f"""
            from pytest_containers.client.system import System
            info = System.info
            System.info = lambda self: info(self) | {{"PidsLimit": {ability}}}
        """,
        test_it=f"""
            import pytest
            @pytest.mark.container_limits(pids=50)
            def test_it(containers):
                limit = containers.run("host", "true").inspect()["HostConfig"].get("PidsLimit")
                assert (limit == 50) is {ability}  # without it Podman has one of its own
        """,
    )
    result.assert_outcomes(passed=1, warnings=0 if ability else 1)
    assert ("runs without its limit of pids" in result.stdout.str()) is not ability
