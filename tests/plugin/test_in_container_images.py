"""Tests that run in a container of another image than the machine's own: here Debian's Python and what it loads."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.host_image import PYTHON, libraries

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

_PLACE = "import sys, sysconfig; print(sys.executable, sysconfig.get_path('stdlib'), sep='\\n')"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root filesystem with an interpreter, its standard library and nothing else: no pytest."""
    program, library = subprocess.run(
        [PYTHON, "-I", "-c", _PLACE], capture_output=True, text=True, check=True
    ).stdout.split()
    path = tmp_path_factory.mktemp("image") / "python.tar"
    modules = list(Path(library).glob("lib-dynload/*.so"))
    with tarfile.open(path, "w") as tar:
        tar.add(Path(program).resolve(), PYTHON)
        tar.add(library, filter=lambda member: None if "/test/" in member.name else member)
        for file in sorted(libraries(Path(program).resolve(), *modules)):
            tar.add(file.resolve(), str(file))
        for name in ("tmp", "proc", "sys", "dev", "etc"):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(member)
    return path


def test_an_image_without_pytest_gets_it_and_nothing_else(run: Run, archive: Path) -> None:
    result = run(
        "--cov=product",
        "--cov-report=term-missing",
        product="def f():\n    return 5",
        test_it=f"""
            import importlib.util, pytest, product
            pytestmark = pytest.mark.in_container("{archive}", network=False)
            def test_it(tmp_path):
                assert not [name for name in ("xdist", "hypothesis", "filelock") if importlib.util.find_spec(name)]
                assert product.f() == 5
            def test_writes(pytestconfig):
                with pytest.raises(OSError):
                    (pytestconfig.rootpath / "new").write_text("")
        """,
    )
    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines([r"product\.py +2 +0 +100%"])


@pytest.mark.embedded("the image of the machine's own files")
def test_another_image_beside_the_machines_own(run: Run, archive: Path) -> None:
    result = run(
        "-rA",
        test_it=f"""
            import importlib.util, os, pytest
            @pytest.mark.in_container(image={{"here": "host", "there": "{archive}"}})
            def test_it():
                there = not os.path.exists("/usr/bin/env")
                assert bool(importlib.util.find_spec("xdist")) != there
                assert there
        """,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*test_it[[]here[]]*", "E       assert False", "PASSED test_it.py::test_it[[]there[]]"]
    )


@pytest.mark.embedded("an interpreter of the machine in its containers")
def test_another_interpreter_sees_the_project_and_not_the_packages_of_ours(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config -p pytester\nfilterwarnings = error")
    result = run(
        product="",
        test_it=f"""
            import importlib.util, os, sys, pytest
            @pytest.mark.in_container(python=["{PYTHON}", "{sys.executable}"])
            def test_it(request):
                import product
                ours = sys.prefix == {sys.prefix!r}
                assert ours == ("{sys.executable}" in request.node.name)
                assert bool(importlib.util.find_spec("xdist")) == ours
        """,
    )
    result.assert_outcomes(passed=2)


def test_an_image_without_python(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.tar"
    with tarfile.open(path, "w") as tar:
        tar.add("/etc/hostname", "etc/hostname")
    result = run(
        test_it=f"""
            import pytest
            @pytest.mark.in_container("{path}")
            def test_it(): ...
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("test_it in a container (image *empty.tar): *python3*")


def test_an_engine_that_does_not_see_our_files(run: Run, archive: Path) -> None:
    result = run(
        conftest="""
            from pytest_containers.isolation import settings
            definition = settings.definition
            def elsewhere(item, place):
                import dataclasses
                spec, told = definition(item, place)
                binds = {source: target for source, target in spec.binds.items() if "pytest_containers" not in source}
                return dataclasses.replace(spec, binds=binds), told
            settings.definition = elsewhere
        """,
        test_it=f"""
            import pytest
            @pytest.mark.in_container("{archive}")
            def test_it(): ...
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("test_it in a container *: the interpreter there has ended*needs one on this machine)")
