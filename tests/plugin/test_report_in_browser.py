"""The page of ``--containers-report`` as a browser shows it, on a phone and on a desk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import browser

Run = Callable[..., pytest.RunResult]

PROJECT = """
    import pytest
    from pytest_containers import container, wait
    db = container("host", ["sh", "-c", "echo the database is up; exec sleep 1000"], wait=wait.log("up"))
    broken = container("host", ["sh", "-c", "echo unbroken" + "_line" * 80 + "; exit 3"], wait=wait.log("never"))
    @pytest.mark.parametrize("name", ["short", "wider_than_any_telephone" * 8])
    def test_good(db, name): pass
    def test_bad_with_a_name_that_is_wider_than_any_telephone_was(db):
        assert "<script>console.error(1)</script>" == "x" * 300
    def test_broken(broken): pass
"""
# Elements that are seen: they have a size, lie within the width, and are not hidden by anything above them.
SEEN = """(selector => [...document.querySelectorAll(selector)].filter(element => {
    element.scrollIntoView({block: "center"});
    const box = element.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2;
    const top = document.elementFromPoint(x, y);
    return box.width > 0 && box.height > 0 && box.left >= 0 && box.right <= innerWidth + 0.5
        && top !== null && (element.contains(top) || top.contains(element));
}).map(element => element.innerText || element.className))"""


@pytest.fixture
def page(run: Run, pytester: pytest.Pytester) -> Path:
    run("--containers-report=page.html", "-p", "no:randomly", test_it=PROJECT).assert_outcomes(
        passed=2, failed=1, errors=1
    )
    return pytester.path / "page.html"


def test_page_fits_and_shows_everything(page: Path) -> None:
    for width, height in ((390, 844), (1440, 900)):
        with browser() as shown:
            shown.show(page, width, height)
            assert shown.evaluate("innerWidth") == width
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            rows = shown.evaluate(f"{SEEN}('.row .who')")
            assert len(rows) == 1 + 4  # the tests, and each container
            assert sum(row.startswith("db host, ") for row in rows) == 3
            assert len(shown.evaluate(f"{SEEN}('.row .line')")) == len(rows)
            assert set(shown.evaluate(f"{SEEN}('.line i')")) >= {"passed", "failed", "ready", "bad"}

            # A click opens what is known of the container; nothing becomes wider by it.
            assert shown.evaluate(f"{SEEN}('.row pre')") == []
            shown.evaluate("document.querySelectorAll('details.row > summary').forEach(one => one.click())")
            logs = shown.evaluate(f"{SEEN}('.row pre')")
            assert "the database is up" in "".join(logs)
            assert any(text.startswith("unbroken_line_line") for text in logs)
            assert shown.evaluate("document.documentElement.scrollWidth") <= width

            # Failures are open from the start, and text in them stays text.
            failures = shown.evaluate(f"{SEEN}('section > details:not(.row) pre')")
            assert "<script>console.error(1)</script>" in failures[0]
            assert "ended with exit code 3 before it was ready" in failures[1]
            assert shown.errors == []
