"""Medians, ratios and verdicts of the benchmark."""

from benchmarks.measure import OURS, Work, interleave
from benchmarks.report import GOALS, Results, document, goal_lines, table


def works() -> list[Work]:
    return [
        Work("cycle with network", samples={OURS: [5.0, 4.0, 60.0], "Docker 28.5.2": [250.0], "unshare": [2.5]}),
        Work("engine ready", samples={OURS: [201.0]}),
    ]


def test_goals_are_met_not_met_or_not_measured() -> None:
    lines = goal_lines(Results(works()))
    verdicts = {goal.text: line.split()[-2:] for goal, line in zip(GOALS, lines, strict=True)}
    assert verdicts["run and remove with network, faster than Docker"] == ["×", "met"]
    assert verdicts["run and remove with network, beside bare unshare"] == ["×", "met"]
    assert verdicts["engine ready"] == ["NOT", "MET"]
    assert verdicts["exec"] == ["not", "measured"]


def test_the_table_has_medians_and_ratios_to_ours() -> None:
    header, cycle, ready = table(works()).splitlines()
    assert header.split() == [OURS, "Docker", "28.5.2", "unshare"]
    assert cycle.split()[3:] == ["5.00", "ms", "250", "ms", "(50.0×)", "2.50", "ms", "(0.5×)"]
    assert ready.split()[-2:] == ["–", "–"]


def test_the_document_holds_every_sample() -> None:
    written = document(works())
    assert written["works"][0]["samples"][OURS] == [5.0, 4.0, 60.0]
    assert written["works"][0]["medians"][OURS] == 5.0
    assert {goal["text"] for goal in written["goals"]} == {goal.text for goal in GOALS}


def test_targets_take_turns_and_a_failing_one_is_left_out() -> None:
    calls: list[str] = []

    def sample(name: str) -> float:
        calls.append(name)
        if name == "broken":
            raise RuntimeError
        return 1.0

    work = interleave("x", {name: lambda name=name: sample(name) for name in ("a", "broken", "b")}, 2)
    assert calls == ["a", "broken", "b", "a", "b", "a", "b"]
    assert work.samples == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
