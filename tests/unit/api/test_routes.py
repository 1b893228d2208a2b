"""The table of routes: its handlers are named, and found when they are needed."""

import subprocess
import sys
from inspect import iscoroutinefunction
from types import SimpleNamespace

import pytest

from container_runtime.api import routes
from container_runtime.errors import NotFound


@pytest.mark.parametrize(("method", "pattern", "where"), routes.TABLE)
def test_every_route_has_its_handler(method, pattern, where):
    path = pattern.replace("{name:path}", "registry/image:1")
    for name in ("id", "name", "key", "port"):
        path = path.replace(f"{{{name}}}", name)
    for prefix in ("", "/v1.45"):
        request = SimpleNamespace(method=method, path=prefix + path, parameters=None)
        found = routes.Router().find(request)
        assert iscoroutinefunction(found)
        assert f"{found.__module__}.{found.__name__}" == f"container_runtime.api.{where}"
    assert request.parameters == {
        name: "registry/image:1" if "path" in pattern else name
        for name in ("id", "name", "key", "port")
        if f"{{{name}" in pattern
    }


@pytest.mark.parametrize("path", ["/containers/a/b/json", "/containers//json", "/version/", "/v1.45", "/v1.45version"])
def test_what_is_no_path(path):
    with pytest.raises(NotFound):
        routes.Router().find(SimpleNamespace(method="GET", path=path))


def test_nothing_is_imported_before_it_is_asked_for():
    code = "import sys; from container_runtime.api.routes import Router; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("container_runtime.api.")}
    named = {f"container_runtime.api.{where.partition('.')[0]}" for _, _, where in routes.TABLE}
    assert "container_runtime.api.server" in loaded
    assert not loaded & named
