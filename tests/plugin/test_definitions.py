"""What definitions can say: volumes, images, files, classes of the user's own, hooks, scopes; and without pytest."""

import subprocess
import sys
from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]


def test_volumes_are_shared_and_have_content(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import File, VolumeSpec, container, volume
            data = volume(scope="module", files={"greeting": "hello", "bin/tool": File("#!/bin/sh\\necho tool", 0o755)})
            @volume.define
            def other(tmp_path):
                (tmp_path / "x").write_text("from a path")
                return VolumeSpec(files={"x": tmp_path / "x"})
            writer = container("host", ["sh", "-c", "/data/bin/tool >/data/written; cat /more/x >>/data/written"],
                               volumes={"/data": data, "/more": other})
            reader = container("host", ["cat", "/data/greeting", "/data/written"], volumes={"/data": data})
            def test_volumes(writer, reader, containers):
                writer.wait()
                again = containers.run("host", ["cat", "/data/greeting", "/data/written"],
                                       volumes=reader._spec.volumes)
                assert again.wait() == 0, again.logs()
                assert again.logs() == "hellotool\\nfrom a path"
        """
    )
    result.assert_outcomes(passed=1)


def test_files_are_there_before_the_first_instruction(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import File, container
            box = container("host", ["sh", "-c", "cat /etc/mine.conf; stat -c %a /opt/new/script; cat /srv/tree/a/b"],
                            files={"/etc/mine.conf": b"mine\\n", "/opt/new/script": File("x", mode=0o750)},
                            copies={"tree": "/srv/tree"})
            @pytest.fixture(autouse=True, scope="module")
            def tree():
                import pathlib
                pathlib.Path("tree/a").mkdir(parents=True)
                pathlib.Path("tree/a/b").write_text("copied")
            def test_files(box):
                assert box.wait() == 0, box.logs()
                assert box.logs() == "mine\\n750\\ncopied"
        """
    )
    result.assert_outcomes(passed=1)


def test_what_a_container_writes_into_a_copy_is_dropped(run: Run) -> None:
    result = run(
        test_it="""
            import pathlib
            def test_copies(containers, tmp_path):
                (tmp_path / "file").write_text("before")
                box = containers.run("host", ["sh", "-c", "echo after >/work/file"], copies={str(tmp_path): "/work"})
                assert box.wait() == 0, box.logs()
                assert (tmp_path / "file").read_text() == "before"
        """
    )
    result.assert_outcomes(passed=1)


def test_a_class_of_the_user_s_own(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import Container, container
            class Shell(Container):
                def say(self, word):
                    return self.exec(["echo", word]).stdout
            shell = container("host", ["sleep", "1000"], cls=Shell)
            def test_class(shell, containers):
                assert shell.say("hello") == "hello\\n"
                assert containers.run("host", ["sleep", "1000"], cls=Shell).say("x") == "x\\n"
        """
    )
    result.assert_outcomes(passed=1)


def test_hooks_and_an_orderly_end(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container
            told = []
            box = container(
                "host", ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"],
                scope="class", stop_timeout=20,
                after_start=lambda c: told.append("started"), after_ready=lambda c: told.append("ready"),
                before_stop=lambda c: told.append(("stopping", c.status)),
            )
            class TestBox:
                def test_up(self, box):
                    assert told == ["started", "ready"]
            def test_after():
                assert told[2:] == [("stopping", "running")]
        """
    )
    result.assert_outcomes(passed=2)


def test_a_flaky_start_is_tried_again(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container, wait
            tries = []
            def flaky(box):
                tries.append(box.id)
                if len(tries) < 3:
                    box.kill()
            box = container("host", ["sh", "-c", "sleep 0.2; echo ready; sleep 1000"], wait=wait.log("ready"),
                            start_attempts=3, after_start=flaky)
            def test_it(box):
                assert len(set(tries)) == 3
                assert box.id == tries[-1]
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("how", ["option", "ini", "function"])
def test_scopes_are_chosen_elsewhere_too(run: Run, pytester: pytest.Pytester, how: str) -> None:
    scope = ", scope=lambda fixture_name, config: 'module'" if how == "function" else ""
    if how == "ini":
        pytester.makeini("[pytest]\ncontainers_scope = module")
    result = run(
        *(["--containers-scope=module"] if how == "option" else []),
        test_it=f"""
            from pytest_containers import container
            box = container("host", ["sleep", "1000"]{scope})
            seen = []
            def test_1(box): seen.append(box.id)
            def test_2(box): assert box.id == seen[0]
        """,
    )
    result.assert_outcomes(passed=2)


def test_a_scope_that_there_is_not(run: Run) -> None:
    result = run("--containers-scope=planet", test_it="def test_it(): pass")
    result.stderr.fnmatch_lines(["*containers_scope must be function, class, *, not 'planet'*"])


def test_factories_of_wider_scopes(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            @pytest.fixture(scope="module")
            def box(module_containers):
                return module_containers.run("host", ["sleep", "1000"])
            seen = []
            def test_1(box, session_containers): seen.append(box.id)
            def test_2(box): assert box.id == seen[0] and box.status == "running"
        """
    )
    result.assert_outcomes(passed=2)


def test_ids_of_parameters_read_well(run: Run) -> None:
    result = run(
        "--collect-only",
        "-q",
        test_it="""
            from pytest_containers import container
            db = container("postgres", params=["postgres:15", "registry.example/postgres:16", {"env": {"A": "b"}}])
            def test_db(db): pass
        """,
    )
    result.stdout.fnmatch_lines(["*test_db?postgres:15?", "*test_db?postgres:16?", "*test_db?env=*"])


def test_several_start_at_the_same_time(run: Run) -> None:
    result = run(
        test_it="""
            import time
            from pytest_containers import ContainerSpec, wait
            def test_it(containers):
                specs = [ContainerSpec("host", ["sh", "-c", "sleep 0.5; echo up; sleep 1000"], wait=wait.log("up"))] * 4
                boxes = containers.start_all(*specs)
                assert len({box.id for box in boxes}) == 4
                assert all(box.status == "running" for box in boxes)
        """
    )
    result.assert_outcomes(passed=1)


def test_of_several_one_fails(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            from pytest_containers import ContainerError, ContainerSpec
            def test_it(containers):
                good, bad = ContainerSpec("host", ["sleep", "1000"]), ContainerSpec("host", ["no-such-program"])
                with pytest.raises(ContainerError, match="no-such-program"):
                    containers.start_all(good, bad, good)
                assert not containers._made
        """
    )
    result.assert_outcomes(passed=1)


def test_an_image_as_a_fixture(run: Run, pytester: pytest.Pytester) -> None:
    tree = pytester.mkdir("tree")
    (tree / "hello").write_text("hello from the archive")
    busybox = subprocess.run(["sh", "-c", "command -v busybox"], capture_output=True, text=True).stdout.strip()
    (tree / "bin").mkdir()
    subprocess.run(["cp", busybox, tree / "bin/busybox"], check=True)
    subprocess.run(["tar", "-C", tree, "-cf", "root.tar", "."], check=True)
    result = run(
        test_it="""
            from pytest_containers import container, image
            small = image(archive="root.tar", changes=('CMD ["/bin/busybox", "cat", "/hello"]',))
            box = container(small)
            def test_it(box, small):
                assert box.wait() == 0, box.logs()
                assert box.logs() == "hello from the archive"
                assert small.id.startswith("sha256:")
                assert small.reference.startswith("pytest-containers/small:")
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ("container('host', files={'relative': 'x'})", "must be absolute"),
        ("container('host', files={'/x': 3})", "must be bytes, text, a path or a File"),
        ("container('host', start_attempts=0)", "start_attempts must be a whole number from 1 up"),
        ("container('host', cls=int)", "cls must be a class derived from Container"),
        ("container('host', after_ready=3)", "after_ready must be a function"),
        ("container('host', volumes={'data': 'x'})", "must be an absolute path"),
        ("volume(files={'../x': 'y'})", "is not the path of a file"),
        ("image()", "an image needs a reference, an archive, or both"),
    ],
)
def test_mistakes_show_at_the_user_s_line(run: Run, definition: str, told: str) -> None:
    result = run(test_it=f"from pytest_containers import container, image, volume\n\nx = {definition}\n")
    text = result.stdout.str()
    assert told in text
    assert "test_it.py:3" in text


def test_without_pytest() -> None:
    program = (
        "from pytest_containers import Containers\n"
        "with Containers.open() as containers:\n"
        "    box = containers.run('host', ['sleep', '1000'], network=containers.network())\n"
        "    print(box.exec(['echo', 'inside']).stdout, end='')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("inside\n", "")
