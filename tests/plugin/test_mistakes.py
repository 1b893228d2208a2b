"""Mistakes of users: each is told at a line of theirs, says what to do, and shows nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Run = Callable[..., pytest.RunResult]

OWN = ("/pytest_containers/", "_pytest/", "/pluggy/", "threading.py")
"""What would be in a line of a traceback that leads through us, pytest or the standard library."""

# By name: a definition that is the second line of its file, and what is said of it.
DEFINITIONS = {
    "misspelt": (
        'container("host", worKdir="/")',
        "TypeError: container has no option 'worKdir'; did you mean 'workdir'?",
    ),
    "limit": (
        'container("host", memory="1g")',
        "TypeError: container has no option 'memory'; limits are given as limits=Limits(memory=…)",
    ),
    "of_fixture": (
        'container("host", scop="session")',
        "TypeError: container has no option 'scop'; did you mean 'scope'?",
    ),
    "of_network": (
        "network(intern=True)",
        "TypeError: network has no option 'intern'; did you mean 'internal'?",
    ),
    "of_volume": (
        "volume(file={})",
        "TypeError: volume has no option 'file'; did you mean 'files'?",
    ),
    "of_image": (
        'image("a", chnges=())',
        "TypeError: image has no option 'chnges'; did you mean 'changes'?",
    ),
    "reuse": (
        "network(reuse=True)",
        "TypeError: network has no option 'reuse'",
    ),
    "scope": (
        'container("host", scope="sesion")',
        "ValueError: scope must be function, class, module, package or session, not 'sesion'",
    ),
    "empty": (
        'container("")',
        "TypeError: image must be a non-empty string, not ''",
    ),
    "nameless": (
        'container("host", network=network())',
        "ValueError: network= is a fixture without a name: assign it to a variable of the module first",
    ),
    "volumes": (
        'container("host", volumes={"/x": 5})',
        "TypeError: volumes: /x must be a Volume or a volume's name, not 5",
    ),
    "port": (
        'container("host", wait=wait.port("http"))',
        "ValueError: wait.port: a port is a number from 1 to 65535, not 'http'",
    ),
    "define": (
        'container.define(scope="x")(len)',
        "ValueError: scope must be function, class, module, package or session, not 'x'",
    ),
}


def test_definitions(run: Run) -> None:
    result = run(
        "--continue-on-collection-errors",
        **{
            f"test_{name}": f"from pytest_containers import container, image, network, volume, wait\nx = {definition}\n"
            for name, (definition, _) in DEFINITIONS.items()
        },
    )
    result.assert_outcomes(errors=len(DEFINITIONS))
    for name, (_, words) in DEFINITIONS.items():
        result.stdout.fnmatch_lines_random([f"test_{name}.py:2: in <module>"])
        assert f"E   {words}" in result.outlines
    assert not [line for line in result.outlines if any(own in line for own in OWN)]


def test_what_a_run_shows(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import ContainerSpec, container, network, volume, wait
            bad_name = container("Host:::x")
            no_image = container("127.0.0.1:1/no/such:1")
            hopeless = container("host", "sleep 1000", wait=wait.file("/never"), timeout=0.1)
            ended = container("host", ["sh", "-c", "echo why; exit 4"], wait=wait.port(1))
            def test_bad_name(bad_name): ...
            def test_no_image(no_image): ...
            def test_hopeless(hopeless): ...
            def test_ended(ended): ...
            def test_image(containers):
                containers.run("127.0.0.1:1/no/such:1")
            def test_option(containers):
                containers.run("host", scope="session")
            def test_several(containers):
                containers.start_all(ContainerSpec("host", "sleep 1000", wait=wait.file("/never"), timeout=0.1))
            def test_removed(containers):
                box = containers.run("host", "sleep 1000")
                box.remove()
                box.exec("true")
        """
    )
    result.assert_outcomes(errors=4, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_bad_name*",
            "cannot create container bad_name of image 'Host:::x': *invalid reference format*",
            "*ERROR at setup of test_no_image*",
            "cannot create container no_image of image '127.0.0.1:1/no/such:1': *",
            "*ERROR at setup of test_hopeless*",
            "container hopeless (host) is not ready after 0.1 s: waited for file /never, tried * it is not there; *",
            "*ERROR at setup of test_ended*",
            "container ended (host) ended with exit code 4 before it was ready (waited for port 1)",
            "why",
            "test_it.py:11: ContainerError",
            "E       TypeError: container has no option 'scope'",
            "test_it.py:13: TypeError",
            "E       *WaitTimeout: container host * is not ready after 0.1 s: waited for file /never, *",
            "test_it.py:15: WaitTimeout",
            "test_it.py:19: ContainerError",
        ]
    )
    assert not [line for line in result.outlines if any(own in line for own in OWN)]


def test_fixtures_that_do_not_fit(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import ContainerSpec, container, network, volume
            net, vol = network(), volume()
            wide = container("host", scope="session", network=net)
            filled = container("host", scope="module", volumes={"/x": vol})
            @container.define(scope="session")
            def defined(tmp_path): ...
            @container.define
            def unknown(nosuch): ...
            @container.define
            def one(two): ...
            @container.define
            def two(one): ...
            here = container("host", network="there")
            there = container("host", network="here")
            def test_wide(wide): ...
            def test_filled(filled): ...
            def test_defined(defined): ...
            def test_unknown(unknown): ...
            def test_cycle(one): ...
            def test_references(here): ...
        """
    )
    result.assert_outcomes(errors=6)
    result.stdout.fnmatch_lines(
        [
            "ScopeMismatch: *function scoped fixture net with a session scoped*",
            "test_it.py:3:  def container(request, net)",
            "test_it.py:2:  def network(request)",
            "ScopeMismatch: *function scoped fixture vol with a module scoped*",
            "test_it.py:4:  def container(request, vol)",
            "ScopeMismatch: *function scoped fixture tmp_path with a session scoped*",
            "test_it.py:5:  def defined(tmp_path*",
            "*def unknown(nosuch)*",
            "E * fixture 'nosuch' not found",
            "E * recursive dependency involving fixture 'one' detected",
            "*test_it.py:11",
            "E * recursive dependency involving fixture 'here' detected",
            "*test_it.py:14",
        ]
    )
    assert not [line for line in result.outlines if OWN[0] in line]
