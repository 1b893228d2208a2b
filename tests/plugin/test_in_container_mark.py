"""The mark in_container: what it takes, and where each mistake is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'host', 'python3'", "takes one positional argument, the image"),
        ("'host', image='host'", "names the image twice"),
        ("imaeg='host'", "unknown argument 'imaeg'; there are image, python, network, memory, *"),
        ("image=5", "image: 5 is not the name of an image"),
        ("image=[]", "image names none"),
        ("python=['']", "python: '' is not the name of an interpreter*"),
        ("network=3", "network must be True, False or the name of a network, not 3"),
        ("memory='lots'", "memory must be bytes or a size such as '64m' or '1.5g', not 'lots'"),
        ("env=['A=b']", "env must map strings to strings, not be *'A=b'*"),
        ("mounts={'a': 1}", "mounts must map strings to strings, but holds 'a': 1"),
        ("user=0", "user must be 'name', 'uid' or 'uid:gid', not 0"),
        ("timeout=0", "timeout must be a number of seconds above 0, not 0"),
    ],
)
def test_wrong_arguments_fail_at_collection_with_file_and_line(run: Run, arguments: str, words: str) -> None:
    result = run(
        test_it=f"""
            import pytest

            class TestIt:
                @pytest.mark.in_container({arguments})
                def test_it(self): ...
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(f"*test_it.py:4: marker in_container of test_it: {words}")
    assert "Traceback" not in result.stdout.str()


def test_several_at_a_parameter(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.in_container(image=["host", "b"]))])
            def test_it(n): ...
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*a function, a class or a module may have several, a parameter one")


def test_several_images_and_interpreters_are_tests_of_their_own(run: Run) -> None:
    result = run(
        "--collect-only",
        "-q",
        test_it="""
            import pytest
            @pytest.mark.in_container(image=["host", "debian:13"], python={"old": "python3.11", "new": "python3.13"})
            def test_it(): ...
            @pytest.mark.in_container(python=["python3", "/usr/bin/python3"])
            class TestIt:
                @pytest.mark.parametrize("n", [1])
                def test_it(self, n): ...
        """,
    )
    assert result.outlines[:6] == [
        "test_it.py::test_it[host-old]",
        "test_it.py::test_it[host-new]",
        "test_it.py::test_it[debian:13-old]",
        "test_it.py::test_it[debian:13-new]",
        "test_it.py::TestIt::test_it[python3-1]",
        "test_it.py::TestIt::test_it[/usr/bin/python3-1]",
    ]


def test_it_is_described(run: Run) -> None:
    run("--markers").stdout.fnmatch_lines("@pytest.mark.in_container(image='host', python=None, network=True, *")


def test_an_interpreter_or_image_that_is_not_there(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            @pytest.mark.in_container(python="/no/such/python")
            def test_python(): ...
            @pytest.mark.in_container("127.0.0.1:1/no/such:1")
            def test_image(): ...
            @pytest.mark.in_container("no/such.tar")
            def test_archive(): ...
            def test_here(): ...
        """
    )
    result.assert_outcomes(errors=3, passed=1)
    result.stdout.fnmatch_lines(
        [
            "test_python in a container (image host, /no/such/python): *no such file or directory*",
            "test_image in a container (image 127.0.0.1:1/no/such:1): *",
            "test_archive in a container (image no/such.tar): *no/such.tar: No such file or directory",
        ]
    )
