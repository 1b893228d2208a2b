"""Tests of the plugin with Docker 28.5 and Podman 5.8: a quick part, or all that is not the embedded engine's alone.

All of it: CONTAINERS_TEST_WHOLE=1 pytest tests/differential/test_plugin.py
"""

from __future__ import annotations

import faulthandler
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests import host_image
from tests.differential.client import Api
from tests.peers import process_of

ROOT = Path(__file__).parents[2]
LIFE = [
    "test_fixtures.py::test_life_of_a_container",
    "test_watch.py::test_pytest_that_is_killed[os.kill(os.getpid(), 9)]",
]
# What another network's containers cannot reach takes 20 s to fail with Podman.
QUICK = {
    "docker_28": [*LIFE, "test_networks.py::test_services_are_reached_from_the_test_and_by_name"],
    "podman": LIFE,
}
WHOLE = ["."] if os.environ.get("CONTAINERS_TEST_WHOLE") else []
HANG = 3000


@pytest.fixture(scope="module")
def archive() -> bytes:
    return host_image.archive()


@pytest.mark.parametrize("engine", QUICK)
def test_with(request: pytest.FixtureRequest, archive: bytes, engine: str) -> None:
    socket: Path = request.getfixturevalue(engine)
    query = urlencode({"fromSrc": "-", "repo": "host", "tag": "latest", "changes": host_image.CHANGE})
    assert Api(socket).call("POST", f"/images/create?{query}", archive).status == 200
    tests = [str(ROOT / "tests/plugin" / name) for name in WHOLE or QUICK[engine]]
    if WHOLE:  # pytest's own limit is for each of the tests in there
        faulthandler.cancel_dump_traceback_later()
    # Where published ports are, and with temporary files that the engine sees under the same name.
    enter = ["nsenter", "-t", f"{process_of(socket)}", "-n"]
    options = ["-p", "no:cacheprovider", "-q", "-rf", "--tb=short", f"--basetemp={socket.parent / 'tests'}"]
    done = subprocess.run(
        [*enter, sys.executable, "-m", "pytest", *options, *tests],
        env={**os.environ, "CONTAINERS_TEST_ENGINE": f"unix://{socket}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    # Not the exit status, which is bad for anything that comes up on the machine meanwhile (tests/leftovers.py).
    assert re.search(r"^\d+ passed(, \d+ deselected)? in ", done.stdout, re.MULTILINE), done.stdout[-20_000:]
