"""Runs where no engine can be had: what is said, and ``--containers-missing``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

NOWHERE = "--containers-engine=unix:///nosuch/engine.sock"
REASON = (
    "the container engine cannot be used: no engine answers at unix:///nosuch/engine.sock: No such file or directory"
)
NEEDS = """
    import pytest
    from pytest_containers import container, image, network, volume
    net, box, vol, img = network(), container("host", "true"), volume(), image("host")
    def test_net(net): ...
    def test_box(box): ...
    def test_vol(vol): ...
    def test_img(img): ...
    def test_body(containers): containers.run("host", "true")
    @pytest.mark.container_images("nosuch:1")
    def test_pull(): ...
    @pytest.mark.in_container
    def test_in(): ...
    def test_without(): ...
"""


def test_what_was_tried_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", f"{tmp_path}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/run")
    result = run(
        "--containers-engine=auto",
        conftest="""
            from pytest_containers import discovery, locate
            discovery.DOCKER_SOCKET = "/nosuch/docker.sock"
            discovery.podman_sockets = lambda search: None
            locate._why_not_embedded = lambda: "the embedded engine is not for today"
        """,
        test_it="""
            from pytest_containers import container
            box = container("host", "true")
            def test_it(box): ...
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "no container engine (--containers-engine=auto); tried",
            "  embedded: the embedded engine is not for today",
            "  DOCKER_HOST: not set",
            "  docker context: none chosen (*",
            "  /nosuch/docker.sock (Docker): not there",
            f"  {tmp_path}/.orbstack/run/docker.sock (OrbStack): not there",
            "start one of them, *--containers-missing=skip",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_such_tests_fail(run: Run) -> None:
    result = run(NOWHERE, test_it=NEEDS)
    result.assert_outcomes(passed=1, failed=1, errors=6)
    assert result.stdout.str().count(REASON) >= 7


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["here", "xdist"])
def test_or_are_skipped(run: Run, pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makeini("[pytest]\ncontainers_missing = skip\n")
    result = run(NOWHERE, "-rs", *workers, test_it=NEEDS)
    result.assert_outcomes(passed=1, skipped=7)
    assert result.ret == 0
    assert result.stdout.str().count(REASON) >= 2
    result.stdout.no_fnmatch_line("*Traceback*")


def test_what_a_test_catches_is_its_own_affair(run: Run) -> None:
    result = run(
        NOWHERE,
        "--containers-missing=skip",
        test_it="""
            import pytest
            from pytest_containers import ContainerError
            def test_it(containers):
                with pytest.raises(ContainerError, match="no engine answers"):
                    containers.run("host")
            def test_other(containers):
                assert False
        """,
    )
    result.assert_outcomes(passed=1, failed=1)
