"""Containers and networks as fixtures: scopes, dependencies, parameters, overriding, what pytest says about them."""

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

SLEEP = 'container("host", ["sleep", "1000"]'


def test_every_scope_lives_as_long_as_pytest_says(run: Run) -> None:
    result = run(
        conftest=f"""
            import pytest
            from pytest_containers import container
            session = {SLEEP}, scope="session")
            package = {SLEEP}, scope="package")
            module = {SLEEP}, scope="module")
            klass = {SLEEP}, scope="class")
            function = {SLEEP})
            @pytest.fixture
            def ids(session, package, module, klass, function):
                return [each.id for each in (session, package, module, klass, function)]
        """,
        test_one="""
            seen = []
            class TestA:
                def test_1(self, ids): seen.append(ids)
                def test_2(self, ids): seen.append(ids)
            class TestB:
                def test_3(self, ids): seen.append(ids)
            def test_counts():
                assert [len(set(column)) for column in zip(*seen)] == [1, 1, 1, 2, 3]
        """,
        test_two="""
            import test_one
            def test_other_module(ids):
                first = test_one.seen[0]
                assert ids[:2] == first[:2]
                assert not set(ids[2:]) & {each for row in test_one.seen for each in row}
        """,
    )
    result.assert_outcomes(passed=5)


@pytest.mark.needs("limits")
@pytest.mark.needs("other-users")
def test_container_is_running_and_has_what_was_asked_for(run: Run) -> None:
    result = run(
        test_it="""
            import os
            from pytest_containers import Limits, container
            box = container(
                "host", "sleep 1000", env={"GREETING": "hello"}, user="1234:5678", workdir="/usr/bin",
                hostname="somewhere", tmpfs={"/mnt": "size=1m"},
                labels={"a": "b"}, limits=Limits(pids=33),
            )
            bound = container("host", ["ls", "/srv"], binds={os.path.dirname(__file__): "/srv:ro"})
            def test_bound(bound):
                assert bound.wait() == 0 and "test_it.py" in bound.logs()
            def test_it(box):
                assert box.status == "running" and box.exit_code is None and box.image == "host"
                shell = lambda script: box.exec(["sh", "-c", script], check=True).stdout.strip()
                assert shell("echo $GREETING") == "hello"
                assert shell("id -u; id -g").split() == ["1234", "5678"]
                assert shell("pwd") == "/usr/bin"
                assert shell("cat /etc/hostname") == "somewhere"
                assert " /mnt tmpfs " in shell("cat /proc/mounts")
                assert box.inspect()["Config"]["Labels"]["a"] == "b"
                assert box.inspect()["HostConfig"]["PidsLimit"] == 33
                assert box.exec("sh -c 'echo out; echo err >&2; exit 7'") == (7, "out\\n", "err\\n")
                assert box.exec("cat", stdin="fed").text == "fed"
        """
    )
    result.assert_outcomes(passed=2)


def test_life_of_a_container(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import ContainerError, WaitTimeout, wait
            SCRIPT = "echo begun; trap 'exit 9' TERM; while :; do sleep 0.1; done"
            def test_it(containers):
                box = containers.run("host", ["sh", "-c", SCRIPT], wait=wait.log("begun"))
                with pytest.raises(WaitTimeout, match="still runs after 0.1 s"):
                    box.wait(0.1)
                box.stop()
                assert box.exit_code == 9 and box.status == "exited"
                box.start()
                assert box.status == "running"
                box.restart()
                box.kill()
                assert box.wait() == 137
                assert box.logs() == "begun\\n" * 3 and box.logs(tail=1) == "begun\\n"
                box.remove()
                box.remove()
                with pytest.raises(ContainerError, match="[Nn]o such container"):
                    box.inspect()
            def test_created(containers):
                box = containers.create("host", "true")
                assert box.status == "created"
                box.start()
                assert box.wait() == 0
        """
    )
    result.assert_outcomes(passed=2)


def test_defined_by_a_function_of_other_fixtures(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import Container, ContainerSpec, container
            first = container("host", "sleep 1000", scope="module")
            @pytest.fixture(scope="module")
            def word(): return "computed"
            @container.define(scope="module")
            def second(first: Container, word: str) -> ContainerSpec:
                return ContainerSpec("host", ["sleep", "1000"], env={"FIRST": first.id, "WORD": word})
            @container.define
            def third(request) -> ContainerSpec:
                return ContainerSpec("host", ["sleep", "1000"], env={"NODE": request.node.name})
            @container.define
            def wrong(): return "host"
            def test_it(first, second, third):
                assert second.exec(["sh", "-c", "echo $FIRST $WORD"]).stdout.split() == [first.id, "computed"]
                assert third.exec(["sh", "-c", "echo $NODE"]).stdout.strip() == "test_it"
            def test_wrong(wrong): ...
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("container wrong: wrong() must return a ContainerSpec, not 'host'")
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_parameters_change_the_definition(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import container
            box = container("host", "sleep 1000", params=["host", {"env": {"A": "1"}}], ids=["plain", "env"])
            single = container("nosuch", "sleep 1000")
            def test_it(box, request):
                value = box.exec(["sh", "-c", "echo $A"]).stdout.strip()
                assert value == ("1" if request.node.name == "test_it[env]" else "")
            @pytest.mark.parametrize("single", ["host"], indirect=True)
            def test_indirect(single):
                assert single.image == "host"
            @pytest.mark.parametrize("single", [{"colour": "red"}], indirect=True)
            def test_bad(single): ...
        """
    )
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines("container single: bad parameter {'colour': 'red'}: *colour*")


def test_overridden_in_a_folder_and_in_classes(run: Run, pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("folder")
    (folder / "conftest.py").write_text(
        "from pytest_containers import container\n"
        "box = container('host', 'sleep 1000', env={'WHERE': 'folder'}, network='ours')\n"
    )
    test = "def test_it(box): assert box.exec(['sh', '-c', 'echo $WHERE']).stdout.strip() == {!r}\n"
    (folder / "test_inner.py").write_text(
        test.format("folder") + "from pytest_containers import container\n"
        "class TestInside:\n"
        "    box = container('host', 'sleep 1000', scope='class', env={'WHERE': 'class'})\n"
        "    def test_it(self, box): assert box.exec(['sh', '-c', 'echo $WHERE']).stdout.strip() == 'class'\n"
    )
    result = run(
        "-W",
        "error",
        conftest="""
            from pytest_containers import container, network
            ours = network()
            box = container("host", "sleep 1000", env={"WHERE": "top"})
        """,
        test_outer=test.format("top"),
    )
    result.assert_outcomes(passed=3)


def test_fixtures_and_setup_plan_show_them_and_start_nothing(run: Run) -> None:
    files = {
        "conftest": """
            from pytest_containers import container, network
            backend = network(scope="session")
            cache = container("host", "sleep 1000", scope="module", network=backend)
        """,
        "test_it": "def test_it(cache): ...",
    }
    result = run("--fixtures", "--containers-engine=tcp://127.0.0.1:1", **files)
    result.stdout.fnmatch_lines(
        ["backend [[]session scope[]] -- conftest.py:2", "cache [[]module scope[]] -- conftest.py:3", "*image host*"]
    )
    result = run("--setup-plan", "--containers-engine=tcp://127.0.0.1:1", **files)
    result.stdout.fnmatch_lines(["SETUP    S backend", "*SETUP    M cache (fixtures used: backend)"])
    assert result.ret == 0


def test_factory_removes_what_the_test_started_in_reverse(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import ContainerError, ContainerSpec
            kept = []
            def test_start(containers):
                net = containers.network()
                kept.append(containers.run("host", "sleep 1000", network=net))
                kept.append(containers.start(ContainerSpec("host", ["sleep", "1000"], network=net)))
                assert kept[0].status == kept[1].status == "running"
            def test_gone():
                for box in kept:
                    with pytest.raises(ContainerError, match="[Nn]o such container"):
                        box.inspect()
        """
    )
    result.assert_outcomes(passed=2)


def test_mistakes_in_definitions_are_told_at_their_line(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container
            box = container("host", env=["A=1"])
            def test_it(box): ...
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["test_it.py:2: *", "E   TypeError: env must map strings to strings, not be [[]'A=1'[]]"]
    )
    result.stdout.no_fnmatch_line("*definition.py*")


def test_errors_of_the_engine_are_one_line_without_our_frames(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container
            missing = container("host", ["/nosuch/program"])
            def test_fixture(missing): ...
            def test_factory(containers):
                containers.run("host", ["/nosuch/program"])
        """
    )
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(["cannot start container missing (host): */nosuch/program*"])
    result.stdout.fnmatch_lines(["E  *ContainerError: cannot start container host *: */nosuch/program*"])
    for ours in ("fixtures.py", "engine.py", "factory.py", "handle.py", "All traceback entries"):
        result.stdout.no_fnmatch_line(f"*{ours}*")
