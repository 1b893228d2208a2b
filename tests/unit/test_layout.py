from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = [*ROOT.glob("pytest_containers/**/*.py"), *ROOT.glob("runtime/container_runtime/**/*.py")]


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_has_more_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
