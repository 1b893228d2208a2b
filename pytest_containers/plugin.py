"""The hooks that pytest calls. Importing this costs next to nothing: the rest comes when a test needs a container."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import pytest

import pytest_containers
from pytest_containers import given

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_containers.errors import ContainerError
    from pytest_containers.external import Externals

INSIDE = pytest.StashKey[bool]()
"""There in the configuration of the pytest that runs inside the container of a test (``pytest_containers.inside``)."""
_BEGUN = pytest.StashKey[bool]()
_FAILED_IMAGES: pytest.StashKey[dict[str, ContainerError]] = pytest.StashKey()

_OPTIONS = (
    (
        "engine",
        "ENGINE",
        "auto",
        "auto (what can be had), embedded (our own, on Linux), docker, podman, unix:///path, tcp://host:port, ssh://host",
    ),
    ("missing", "fail|skip", "fail", "what becomes of tests that need an engine where there is none"),
    (
        "scope",
        "SCOPE",
        "function",
        "scope of the definitions that name none: function, class, module, package or session",
    ),
    ("timeout", "SECONDS", "60", "how long a container may take to become ready, and wait() may wait"),
    (
        "limits",
        "enforce|warn",
        "enforce",
        "a limit that the engine cannot set: enforce: the container does not start, warn: it starts without it",
    ),
    (
        "lookahead",
        "on|off",
        "on",
        "whether the next test's containers are started, and the last test's removed, while a test runs",
    ),
    (
        "shared",
        "true|false",
        "false",
        "whether all workers of pytest-xdist have the same session containers, networks and volumes",
    ),
    ("max", "NUMBER", "0", "how many containers all workers may have at a time; who wants more waits; 0: no bound"),
    (
        "memory",
        "SIZE",
        "0",
        "what the memory limits of all containers may come to (8g), 256m for one without; who wants more waits; 0: any",
    ),
    ("log-lines", "LINES", "50", "how many last lines of a container's output messages and reports show"),
    ("logs", "DIR", "", "write all that each container wrote there, into a file of its own"),
    ("keep", "failed|all|none", "none", "keep the containers of failed tests, or all, and say how to look inside"),
    ("report", "PATH", "", "write an HTML page of the run's containers there: when each lived, what failed"),
)
# Options without a value: name, what the ini setting says by default, what the option sets it to, words.
_FLAGS = (
    (
        "follow",
        "auto",
        "always",
        "show what containers write as it comes; ini: always, never, or auto: with -s",
    ),
)
_AT_REST = frozenset(("", "auto", "never", "none", "no"))
"""Settings of reports that ask for nothing."""
_REPORTS = ("logs", "report", "keep", "follow")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options under a heading of their own, and ini settings of the same names."""
    group = parser.getgroup("containers", "containers")
    for name, kind, default, words in _OPTIONS:
        key = f"containers_{name.replace('-', '_')}"
        group.addoption(
            f"--containers-{name}", dest=key, metavar=kind, default=None, help=f"{words} (default: {default})"
        )
        parser.addini(key, f"{words}; --containers-{name}", default=default)
    words = "in place of the container fixture NAME use the server at URL, which runs already; may be repeated"
    group.addoption(
        "--containers-external",
        dest="containers_external",
        metavar="NAME=URL",
        action="append",
        default=None,
        help=words,
    )
    parser.addini("containers_external", f"{words}; a line each; --containers-external", type="linelist", default=[])
    words = "open a shell in one of a failing test's containers, before they are removed"
    group.addoption("--containers-debug", dest="containers_debug", action="store_true", default=False, help=words)
    for name, default, value, words in _FLAGS:
        key = f"containers_{name}"
        group.addoption(f"--containers-{name}", dest=key, action="store_const", const=value, default=None, help=words)
        parser.addini(key, f"{words}; --containers-{name}", default=default)


def pytest_configure(config: pytest.Config) -> None:
    """Markers and fixtures; and settings are looked at before anything runs."""
    config.pluginmanager.register(given, given.__name__)
    config.addinivalue_line(
        "markers",
        "container_limits(memory='64m', swap='0', cpus=0.5, cpu_shares=512, pids=50): "
        "limits of the containers that the test starts",
    )
    config.addinivalue_line(
        "markers", "container_images(*images): images that are pulled before the first test, at the same time"
    )
    config.addinivalue_line(
        "markers",
        "container_timeout(seconds): how long the containers that the test starts may take to become ready, and how "
        "long it waits for their end and their output",
    )
    config.addinivalue_line(
        "markers",
        "in_container(image='host', python=None, network=True, memory='64m', cpus=0.5, pids=50, env={}, mounts={}, "
        "user=None, timeout=None): run the test itself in a container; several images or interpreters, as a list or a "
        "dict of ids, make a test of each",
    )
    if any(config.getoption(f"containers_{name.replace('-', '_')}") is not None for name, *_ in _OPTIONS):
        _check_settings(config)
    if INSIDE not in config.stash:
        if config.getoption("containers_external") or config.getini("containers_external"):
            from pytest_containers import external

            external.configure(config)
        _configure_reports(config)
        if config.getoption("containers_debug"):
            from pytest_containers.debug import register

            register(config)


def _configure_reports(config: pytest.Config) -> None:
    """Nothing of reports is imported unless a setting asks for it."""
    keys = [(name, f"containers_{name}") for name in _REPORTS]
    wanted = {name: str(config.getoption(key) or config.getini(key)) for name, key in keys}
    if wanted["follow"] == "auto" and config.getoption("capture") == "no" and not hasattr(config, "workerinput"):
        wanted["follow"] = "always"
    if not _AT_REST.issuperset(wanted.values()):
        from pytest_containers.reports.plugin import register

        register(config, wanted)


def _check_settings(config: pytest.Config) -> None:
    from pytest_containers.checks import check_settings

    check_settings(config)


# -- xdist: the controller collects nothing, but its end is the run's end


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker where the run's engine is, or will be."""
    import os

    from pytest_containers.session import PLACE, WORKER_KEY, Place, place_of

    config = node.config
    if PLACE not in config.stash:
        own = place_of(config)
        config.stash[PLACE] = Place(own.directory, os.getpid(), shared=True)
    node.workerinput[WORKER_KEY] = (str(config.stash[PLACE].directory), os.getpid())


# -- collection


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Wrong arguments of markers are errors of collection; and servers take the place of containers."""
    if (externals := _externals(collector.config)) is not None:
        externals.replace(collector)
    made: object = yield
    several = cast("list[object]", made) if isinstance(made, list) else [made]
    items = [item for item in several if isinstance(item, pytest.Item)]
    if any(mark.name.startswith(("container_", "in_container")) for item in items for mark in item.iter_markers()):
        from pytest_containers.markers import check

        check(items)
    return made


def _externals(config: pytest.Config) -> Externals | None:
    from sys import modules

    loaded = modules.get("pytest_containers.external")  # the settings have loaded it, or there are none
    return loaded.of(config) if loaded else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A mark that names several images or interpreters makes a test of each."""
    mark = metafunc.definition.get_closest_marker("in_container")
    if mark is not None:
        from pytest_containers.isolation.place import parametrize

        parametrize(metafunc, mark)


def needs_engine(item: pytest.Item) -> bool:
    """Whether a test will start a container, as far as it can be seen."""
    marks = ("container_images", "in_container")
    if any(item.get_closest_marker(mark) for mark in marks):
        return True
    if not given.NAMES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs.values() if info else ()
    return any(hasattr(each[-1].func, "__pytest_containers__") for each in definitions if each)


_ONLY_SHOW = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test")
"""pytest's options that run no test and set up no fixture."""


def _runs_tests(config: pytest.Config) -> bool:
    return INSIDE not in config.stash and not any(getattr(config.option, name, False) for name in _ONLY_SHOW)


def _selects(config: pytest.Config) -> bool:
    """Whether tests that were collected may be left out."""
    option = config.option
    return bool(option.keyword or option.markexpr or getattr(option, "deselect", None) or getattr(option, "lf", False))


def _begin_early(config: pytest.Config) -> None:
    """Start the engine while the module imports what it needs, ours among it."""
    with contextlib.suppress(pytest.UsageError):  # an import is no place to tell it; it comes again
        _begin(config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, object, object]:
    """A module of tests that has definitions of its own has tests that use them."""
    config = collector.config
    if (
        _BEGUN in config.stash
        or not isinstance(collector, pytest.Module)
        or _selects(config)
        or not _runs_tests(config)
    ):
        return (yield)
    pytest_containers.on_definition.append(lambda: _begin_early(config))
    try:
        return (yield)
    finally:
        pytest_containers.on_definition.clear()


def _begin(config: pytest.Config) -> None:
    from pytest_containers import session

    _check_settings(config)
    config.stash[_BEGUN] = True
    session.begin(config)
    from pytest_containers import running

    config.pluginmanager.register(running, running.__name__)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Start the engine in the background as soon as a test is seen to need it, and to pull what its marker names."""
    config = item.config
    if _selects(config) or not _runs_tests(config):
        return
    if _BEGUN not in config.stash and needs_engine(item):
        _begin(config)
    if _BEGUN in config.stash and item.get_closest_marker("container_images") is not None:
        from pytest_containers import markers, pulls

        pulls.of(config).begin(markers.images_of([item]))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where tests are selected, only what is left counts."""
    config = session.config
    if (externals := _externals(config)) is not None:
        externals.check(session)
    if _BEGUN not in config.stash and _runs_tests(config) and any(needs_engine(item) for item in session.items):
        _begin(config)


# -- running


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Have the images that markers name."""
    config = session.config
    if _BEGUN not in config.stash or not _runs_tests(config):
        return
    from pytest_containers import markers, pulls

    images = markers.images_of(session.items)
    if images:
        pulls.of(config).begin(images)
        config.stash[_FAILED_IMAGES] = pulls.of(config).finish()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test that runs in a container is run by the pytest there."""
    if item.get_closest_marker("in_container") is None or not _runs_tests(item.config):
        return None
    from pytest_containers.isolation.run import run

    run(item, nextitem)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test whose images could not be pulled fails with the reason."""
    failed = item.config.stash.get(_FAILED_IMAGES, None)
    if not failed:
        return
    from pytest_containers.markers import images_of

    reasons = [(image, failed[image]) for image in images_of([item]) if image in failed]
    if reasons:
        from pytest_containers.missing import engine_is_missing

        engine_is_missing(reasons[0][1])
        words = [f"image {image} cannot be pulled: {reason}" for image, reason in reasons]
        pytest.fail("\n".join(words), pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the warm containers of tests that ran in them; the last of xdist's workers removes what they shared."""
    from sys import modules

    if "pytest_containers.isolation.run" in modules:
        modules["pytest_containers.isolation.run"].close(session.config)
    if _BEGUN in session.config.stash and hasattr(session.config, "workerinput"):
        from pytest_containers.sharing.things import finish

        finish(session.config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the engine with the run."""
    from sys import modules

    if "pytest_containers.session" in modules:
        modules["pytest_containers.session"].close(config)


@pytest.fixture
def _in_container_case(request: pytest.FixtureRequest) -> object:
    return request.param
