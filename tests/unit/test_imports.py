"""What a module drags in when it is imported, its libraries' imports included (import-linter sees only our own)."""

import subprocess
import sys

import pytest


def modules_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("heavy", ["asyncio", "dataclasses", "pyroute2", "requests", "typing"])
def test_launcher_imports_nothing_heavy(heavy: str) -> None:
    assert heavy not in modules_after("import container_runtime.launcher.main") - modules_after("pass")


@pytest.mark.parametrize("heavy", ["asyncio", "http.client", "container_runtime", "requests", "rich"])
def test_plugin_imports_nothing_that_only_containers_need(heavy: str) -> None:
    before = modules_after("import pytest, _pytest.config")
    assert heavy not in modules_after("import pytest, _pytest.config, pytest_containers.plugin") - before
