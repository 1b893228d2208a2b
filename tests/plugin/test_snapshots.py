"""``snapshot=``, ``seed=``, checkpoints."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_containers import wait
from pytest_containers.snapshots.making import resumed
from tests.registry import busybox_layer
from tests.system.test_engine import started

Run = Callable[..., pytest.RunResult]

SERVER = "trap 'echo stopped >> /srv/log; exit 0' TERM; echo start >> /srv/log; echo ready; sleep 1000 & wait"


@pytest.fixture
def box() -> str:
    """A definition that no other run has: snapshots are kept."""
    command = f"['sh', '-c', {SERVER!r}]"
    return f"container('host', {command}, wait=wait.log('ready'), env={{'OF': {os.urandom(8).hex()!r}}}, snapshot=True"


def test_each_container_starts_from_what_was_seeded_once(run: Run, box: str, tmp_path: Path) -> None:
    files = {
        "test_it": f"""
            import pytest
            from pytest_containers import SQL, container, wait
            def fill(box):
                print("SEEDING")
                open({str(tmp_path / "count")!r}, "a").write("x")
                box.exec(["sh", "-c", "echo filled > /srv/filled"], check=True)
            box = {box}, seed=[
                fill, {{"/srv/file": "text"}}, SQL("piped", client=["sh", "-c", "cat > /srv/piped"])
            ], files={{"/srv/own": b"own"}})
            @pytest.mark.parametrize("number", range(3))
            def test_it(box, number):
                shown = box.exec("cat /srv/log /srv/filled /srv/file /srv/piped /srv/own").text
                assert shown == "start\\nstopped\\nstart\\nfilled\\ntextpipedown"
                assert box.exec("ls /srv/mine").exit_code
                box.exec("touch /srv/mine", check=True)
        """
    }
    run(**files).assert_outcomes(passed=3)
    assert (tmp_path / "count").read_text() == "x"
    run(**files).assert_outcomes(passed=3)
    assert (tmp_path / "count").read_text() == "x", "the next run has it too"
    run(test_it=files["test_it"].replace("echo filled", "echo  filled")).assert_outcomes(passed=3)
    assert (tmp_path / "count").read_text() == "xx", "the function has changed"


def test_one_worker_makes_it_for_all(run: Run, box: str, tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    result = run(
        "-n3",
        test_it=f"""
            import pytest
            from pytest_containers import container, wait
            def fill(box):
                open({str(tmp_path / "count")!r}, "a").write("x")
            box = {box}, seed=fill)
            @pytest.mark.parametrize("number", range(6))
            def test_it(box, number):
                assert box.exec("cat /srv/log").text == "start\\nstopped\\nstart\\n"
        """,
    )
    result.assert_outcomes(passed=6)
    assert (tmp_path / "count").read_text() == "x"


def test_what_fails_is_tried_once_and_told_to_all(run: Run, box: str, tmp_path: Path) -> None:
    result = run(
        "-p", "no:randomly",
        test_it=f"""
            import pytest
            from pytest_containers import SQL, container, wait
            def wrong(box):
                open({str(tmp_path / "count")!r}, "a").write("x")
                raise RuntimeError("my mistake")
            function = {box}, seed=wrong)
            # It reads as clients do: of one that has ended before Podman has its input, Podman loses the output.
            client = {box}, seed=SQL("x", client=["sh", "-c", "cat >/dev/null; echo bad statement >&2; exit 3"]))
            missing = {box}, seed=SQL("x", client="no-such-client"))
            crash = {box}, seed=lambda box: box.kill())
            def test_first(function): pass
            def test_second(function): pass
            def test_client(client): pass
            def test_missing(missing): pass
            def test_crash(crash): pass
        """,
    )  # fmt: skip
    result.assert_outcomes(errors=5)
    assert (tmp_path / "count").read_text() == "x"
    text = result.stdout.str()
    assert "RuntimeError: my mistake" in text
    assert "no snapshot of function: seed: RuntimeError: my mistake" in text
    assert (
        "no snapshot of client: seed of <Container client (host)>: the client ended with exit code 3: bad statem"
        in text
    )
    assert "no snapshot of missing:" in text
    assert "no snapshot of crash: it ended before it was frozen: exited with code 137" in text
    assert "making.py" not in text, "no internal frames"


def test_wrong_arguments_point_at_their_line(run: Run) -> None:
    for wrong, message in {
        "snapshot=3": "TypeError: snapshot must be True, False or a string, not 3",
        "snapshot=True, seed=3": "TypeError: seed must be SQL text, a path, SQL(…), a mapping of files or a function",
        "seed='x'": "ValueError: seed is for snapshot=True: after_ready is a function that each container gets",
        "snapshot=True, seed={'relative': 'x'}": "ValueError: files: 'relative' must be absolute",
    }.items():
        result = run(
            test_it=f"""
                from pytest_containers import container
                box = container("host", "true", {wrong})
                def test_it(box): pass
            """
        )
        result.assert_outcomes(errors=1)
        text = result.stdout.str()
        assert message in text
        assert "test_it.py:2" in text
        assert "definition.py" not in text


def test_hooks_belong_to_each_container_and_not_to_the_snapshot(run: Run, box: str) -> None:
    run(
        test_it=f"""
            from pytest_containers import container, wait
            def mark(box):
                box.exec(["sh", "-c", "echo hook >> /srv/hook"], check=True)
            box = {box}, after_ready=mark)
            def test_one(box):
                assert box.exec("cat /srv/hook").text == "hook\\n"
            def test_two(box):
                assert box.exec("cat /srv/hook").text == "hook\\n"
        """
    ).assert_outcomes(passed=2)


def test_messages_of_the_first_start_are_not_awaited_again() -> None:
    twice = wait.log("ready", times=2) & wait.port(80)
    assert str(resumed(twice)) == str(wait.log("ready") & wait.port(80))
    assert resumed(None) is None
    port = wait.port(80)
    assert resumed(port) is port


@pytest.mark.embedded("checkpoints")
def test_checkpoint_and_restore(run: Run, box: str) -> None:
    run(
        test_it=f"""
            import pytest
            from pytest_containers import ContainerError, container, wait
            box = {box.replace("snapshot=True", "ports=[80]")})
            def test_running(box):
                box.exec("touch /srv/one", check=True)
                box.checkpoint()
                assert box.status == "running"
                box.exec("rm /srv/one", check=True)
                box.exec("touch /srv/two", check=True)
                host = box.host
                box.restore()
                assert box.status == "running" and box.host == host
                assert box.exec("ls /srv/one /srv/two").stdout == "/srv/one\\n"
                assert box.exec("cat /srv/log").text == "start\\nstopped\\nstart\\n"
                with pytest.raises(ContainerError, match="No such checkpoint: other"):
                    box.restore("other")
            def test_stopped(box):
                box.stop()
                box.checkpoint("clean")
                assert box.status == "exited"
                box.start()
                box.exec("touch /srv/two", check=True)
                box.restore("clean")
                assert box.status == "exited"
        """
    ).assert_outcomes(passed=2)


def test_another_engine_gets_an_image_by_commit(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_CONTAINERS_DATA", str(tmp_path / "data"))
    archive = tmp_path / "tree.tar"
    archive.write_bytes(busybox_layer().bytes())
    files = {
        "conftest": f"""
            from pytest_containers import container, engine, image, wait
            engine.Engine.snapshots = property(lambda self: False, lambda self, value: None)
            machine = image(archive={str(archive)!r})
            command = ["sh", "-c", "trap 'echo stopped >> /log; exit 0' TERM; echo start >> /log; echo ready; "
                "while :; do sleep 0.1; done"]
            box = container(machine, command, wait=wait.log("ready", times=1), snapshot={os.urandom(8).hex()!r},
                seed={{"/seed": b"seed"}})
        """,
        "test_it": """
            import pytest
            @pytest.mark.parametrize("number", range(3))
            def test_it(box, number):
                assert box.exec("cat /log /seed").text == "start\\nstopped\\nstart\\nseed"
                box.exec("rm /seed", check=True)
            def test_image(box):
                assert "pytest-containers/snapshot:" in box.inspect()["Config"]["Image"]
            def test_checkpoints_are_not_there(box):
                with pytest.raises(Exception, match="can have no checkpoints: only the embedded engine"):
                    box.checkpoint()
        """,
    }
    run(**files).assert_outcomes(passed=5)
    run(**files).assert_outcomes(passed=5)


def test_with_an_engine_of_another_run_nothing_is_left(run: Run, box: str, tmp_path: Path) -> None:
    with started(tmp_path) as engine:
        places = Path(tempfile.gettempdir())
        before = {*places.glob("pytest-containers-run-*-snapshots")}
        for arguments in ((), ("-n2",)):
            run(
                f"--containers-engine=unix://{engine.path}", *arguments,
                test_it=f"""
                    from pytest_containers import container, wait
                    box = {box})
                    def test_one(box): pass
                    def test_two(box): pass
                """,
            ).assert_outcomes(passed=2)  # fmt: skip
        assert {*places.glob("pytest-containers-run-*-snapshots")} <= before
