"""What people and programs read: the same sentences."""

from __future__ import annotations

import json

from container_runtime.doctor.model import Finding, summary, verdict
from container_runtime.doctor.render import as_json, as_text

FINE = Finding("kernel", "ok", "Linux 6.1")
LESS = Finding("limits", "limited", "no cgroup", "no limits", "systemd-run pytest …")
NONE = Finding("user namespace", "missing", "forbidden", "nothing starts", "sysctl -w x=1")
SKIPPED = Finding("/proc", "missing", "not tried, since it takes a user namespace")


def test_text_with_symbols() -> None:
    assert as_text([FINE, LESS, NONE, SKIPPED], "user ann (1000)", symbols=True).splitlines() == [
        "✓ kernel          Linux 6.1",
        "! limits          limited",
        "    why:  no cgroup",
        "    cost: no limits",
        "    do:   systemd-run pytest …",
        "✗ user namespace  missing",
        "    why:  forbidden",
        "    cost: nothing starts",
        "    do:   sysctl -w x=1",
        "✗ /proc           not tried, since it takes a user namespace",
        "",
        "No container can be started here: user namespace: forbidden.",
    ]


def test_text_without_symbols_is_ascii() -> None:
    text = as_text([FINE, LESS], "root", symbols=False)
    assert text.isascii()
    assert text.splitlines()[:3] == ["ok      kernel  Linux 6.1", "limited limits", "          why:  no cgroup"]


def test_json_has_the_sentences_of_the_text() -> None:
    findings = [FINE, LESS, NONE]
    document = json.loads(as_json(findings, "root"))
    text = as_text(findings, "root", symbols=True)
    assert document["verdict"] is False
    assert document["user"] == "root"
    assert [list(one) for one in document["findings"]] == [["name", "state", "why", "cost", "remedy"]] * 3
    assert all(one[key] in text for one in document["findings"] for key in ("name", "why", "cost", "remedy"))
    assert document["summary"] in text


def test_the_verdict_and_its_sentence() -> None:
    assert verdict([FINE, LESS])
    assert summary([FINE], "root") == "Containers can be started here, as root."
    assert summary([FINE, LESS], "root") == "Containers can be started here, as root; limited: limits."
    assert not verdict([LESS, NONE])
    assert "(and 1 more of the above)" in summary([NONE, SKIPPED, NONE._replace(name="seccomp")], "root")
