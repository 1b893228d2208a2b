"""Where the writable layers of a root lie that is put together of parts."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

from container_runtime.engine.storage.roots import layer


def test_no_layer_lies_in_another_whatever_the_machine_calls_its_directories():
    """A machine may have a /work and an /upper, which are what overlayfs's own directories are called here."""
    engine, container = SimpleNamespace(run=SimpleNamespace(layers=Path("/layers"))), SimpleNamespace(id="c")
    used = [
        layer(engine, container, destination) / kind
        for destination in ("/", "/work", "/upper", "/parts", "/usr", "/work/deeper", "/upper/work")
        for kind in ("upper", "work")
    ]
    assert len(set(used)) == len(used)
    assert not [pair for pair in combinations(used, 2) if pair[0] in pair[1].parents or pair[1] in pair[0].parents]
