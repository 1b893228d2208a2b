"""Two virtual environments, each with another version of a library, as pip would have made them."""

import os
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VERSIONS = {
    "1": "def table(rows): return '\\n'.join(' '.join(row) for row in rows)",
    "2": "def table(rows, *, sep): return '\\n'.join(sep.join(row) for row in rows)",
}
collect_ignore = [] if (HERE / "debian13.tar").exists() else ["test_debian.py"]


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or "PYTEST_IN_CONTAINER" in os.environ:
        return  # they are there already
    for version, text in VERSIONS.items():
        place = HERE / "environments" / version
        venv.create(place, clear=True)
        next(place.glob("lib/python*/site-packages")).joinpath("tables.py").write_text(text)
