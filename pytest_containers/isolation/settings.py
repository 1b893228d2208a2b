"""What the pytest inside is told of the one outside, and the container that it needs."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_containers.definition import ContainerSpec
from pytest_containers.images import obtain
from pytest_containers.isolation.place import HOST
from pytest_containers.session import engine_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    from pytest_containers.isolation.place import Place

_COMPANIONS = ("pytest_containers", "pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py",
               "exceptiongroup", "tomli", "typing_extensions")  # fmt: skip
"""What an interpreter without pytest gets: pytest and what it needs, all of it pure Python."""
_INSIDE = "/opt/pytest-containers"
_HIDDEN = ("/tmp", "/run", "/dev", "/proc", "/sys")  # noqa: S108  directories of the machine that the image host has not
_ATTACHED: dict[str, bool] = dict.fromkeys(
    ("OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"), True
)
"""What a definition has no words for: the container's standard input is a client's."""
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2")
_PASSED = ("PYTHON", "PYTEST_", "LC_")
_PASSED_NAMES = frozenset({"CI", "BUILD_NUMBER", "LANG", "TZ", "TERM", "COLUMNS", "NO_COLOR", "FORCE_COLOR"})
_NOT_PASSED = frozenset({"PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTEST_CURRENT_TEST",
                         "PYTEST_ADDOPTS", "PYTEST_DEBUG_TEMPROOT"})  # fmt: skip
# Options of the run that would choose, report or distribute a second time inside.
_OPTIONS: dict[str, Any] = {
    "collectonly": False, "keyword": "", "markexpr": "", "deselect": None, "ignore": None, "ignore_glob": None,
    "lf": False, "failedfirst": False, "newfirst": False, "stepwise": False, "stepwise_skip": False, "maxfail": 0,
    "xmlpath": None, "log_file": None, "pastebin": None, "debug": None,
    "basetemp": None, "numprocesses": None, "maxprocesses": None, "dist": "no", "tx": [], "looponfail": False,
    "cov_source": [], "no_cov": True, "plugins": [], "pyargs": False, "keepduplicates": True,
    "setuponly": False, "setupshow": False, "setupplan": False, "showfixtures": False, "show_fixtures_per_test": False,
    "htmlpath": None,
}  # fmt: skip


def definition(item: pytest.Item, place: Place) -> tuple[ContainerSpec, dict[str, Any]]:
    """The container for a test's place, and the settings of the pytest in it."""
    config, engine = item.config, engine_of(item.config)
    image = place.image
    if image.endswith(_ARCHIVES):
        image = obtain(engine, "in_container", None, config.rootpath / image, ()).reference
    _ = engine.client  # what kind of engine it is, it says itself
    on_host = place.image == HOST and engine.own_addresses  # elsewhere it is an image like others, if there is one
    measured = coverage_options()
    names = (*_COMPANIONS, "coverage") if measured is not None else _COMPANIONS
    packages = {name: origin for name in names if (origin := _origin(name))}
    rootdir = config.rootpath
    python = _interpreter(place, rootdir, on_host=on_host)
    directories = [rootdir, config.invocation_params.dir, item.path.parent]
    if on_host:
        directories += [Path(sys.prefix), Path(sys.base_prefix), *(path.parent for path in packages.values())]
        directories += [Path(entry) for entry in sys.path if entry]
        directories += [Path(python).parent.parent] if python.startswith("/") else []
        binds = {str(path): f"{path}:ro" for path in _outermost(filter(_is_hidden, directories))}
        companions = {name: str(path.parent) for name, path in packages.items()}
    else:
        binds = {str(path): f"{path}:ro" for path in _outermost(directories)}
        binds |= {str(path): f"{_INSIDE}/{path.name}:ro" for path in packages.values()}
        companions = dict.fromkeys(packages, _INSIDE)
    binds |= {str(rootdir / source): target for source, target in place.mounts}
    boot = f"{companions['pytest_containers']}/pytest_containers/inside/boot.py"
    spec = ContainerSpec(
        image,
        entrypoint=[python, boot],
        network=place.network,
        env=_environment(read_only=str(rootdir) in binds) | {"PYTEST_IN_CONTAINER": place.image} | dict(place.env),
        limits=place.limits,
        user=place.user,
        workdir=str(config.invocation_params.dir),
        binds=binds,
        docker=_ATTACHED,
    )
    settings = {
        "where": str(place),
        "same": on_host,
        "interpreter": [*sys.version_info[:2], sys.prefix],
        "path": [entry or str(Path.cwd()) for entry in sys.path],
        "project": _project_path(rootdir),
        "companions": companions,
        "directory": str(config.invocation_params.dir),
        "args": [str(item.path), *(word for plugin in config.option.plugins or () for word in ("-p", plugin))],
        "options": _options(config),
        "coverage": measured,
    }
    return spec, settings


def _origin(name: str) -> Path | None:
    """Where a package's directory, or a module's file, is."""
    found = importlib.util.find_spec(name)
    if found is None:
        return None
    if found.submodule_search_locations:
        return Path(found.submodule_search_locations[0])
    return Path(found.origin) if found.origin else None


def _interpreter(place: Place, rootdir: Path, *, on_host: bool) -> str:
    if place.python is None:
        return sys.executable if on_host else "python3"
    return str(rootdir / place.python) if "/" in place.python else place.python


def _is_hidden(path: Path) -> bool:
    """Whether a directory of the machine is not in the image ``host`` (docs/reference.md)."""
    if any(path.is_relative_to(hidden) for hidden in _HIDDEN):
        return True
    try:
        return path.stat().st_dev != Path("/").stat().st_dev
    except OSError:
        return False


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Those directories that exist and lie in no other of them, ``/`` left out."""
    there = sorted({path for path in paths if path.exists() and path != Path("/")})
    return [path for path in there if not any(path != other and path.is_relative_to(other) for other in there)]


def _project_path(rootdir: Path) -> list[str]:
    """The entries of ``sys.path`` that are the project's own, and not those of a virtual environment in it."""
    entries = [Path(entry or Path.cwd()) for entry in sys.path]
    return [
        str(entry)
        for entry in entries
        if entry.is_relative_to(rootdir) and not {"site-packages", "dist-packages"} & set(entry.parts)
    ]


def _environment(*, read_only: bool) -> dict[str, str]:
    passed = {
        name: value
        for name, value in os.environ.items()
        if (name in _PASSED_NAMES or name.startswith(_PASSED)) and name not in _NOT_PASSED
    }
    return passed | ({"PYTHONDONTWRITEBYTECODE": "1"} if read_only else {})


def _options(config: pytest.Config) -> dict[str, Any]:
    """The run's options, as far as they are plain data, without those that are the run's own business."""
    options: dict[str, Any] = {}
    for name, value in vars(config.option).items():
        plain = str(value) if isinstance(value, os.PathLike) else value
        try:
            json.dumps(plain)
        except (TypeError, ValueError):
            continue
        options[name] = plain
    options.pop("file_or_dir", None)
    where = {"rootdir": str(config.rootpath), "inifilename": str(config.inipath) if config.inipath else None}
    return options | where | {name: value for name, value in _OPTIONS.items() if name in options}


def coverage_options() -> Mapping[str, Any] | None:
    """How coverage measures outside, in the words of ``coverage.Coverage``; None where it does not."""
    measuring = running_coverage()
    if measuring is None:
        return None
    options = measuring.config
    return {
        "config_file": options.config_file or False,
        "branch": options.branch,
        "source": options.source,
        "source_pkgs": getattr(options, "source_pkgs", None),
        "include": options.run_include,
        "omit": options.run_omit,
        "cover_pylib": options.cover_pylib,
    }


def running_coverage() -> Any:
    """The coverage object that measures in this process, or None."""
    coverage = cast("Any", sys.modules.get("coverage"))
    return None if coverage is None else coverage.Coverage.current()
