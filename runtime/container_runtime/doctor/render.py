"""The findings for people and for programs: the same sentences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from container_runtime.doctor.model import summary, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from container_runtime.doctor.model import Finding

_SIGNS = {"ok": "✓", "limited": "!", "missing": "✗"}
_LABELS = ("why", "cost", "do")


def as_text(findings: Sequence[Finding], user: str, *, symbols: bool) -> str:
    """A line a probe, three more for what is not ok; ``symbols``: the output takes more than ASCII."""
    heads = _SIGNS if symbols else {state: state for state in _SIGNS}
    first, second = (max(len(text) for text in texts) for texts in (heads.values(), (one.name for one in findings)))
    lines: list[str] = []
    for finding in findings:
        head = f"{heads[finding.state]:<{first}} {finding.name:<{second}}"
        if not (finding.cost or finding.remedy):
            lines.append(f"{head}  {finding.why}".rstrip())
            continue
        # Where the signs are words the state need not be said twice.
        lines.append(f"{head}  {finding.state}" if symbols else head.rstrip())
        details = zip(_LABELS, (finding.why, finding.cost, finding.remedy), strict=True)
        lines += [f"{'':<{first + 1}}  {label + ':':<6}{text}" for label, text in details if text]
    text = "\n".join([*lines, "", summary(findings, user)])
    return text if symbols else text.replace("…", "...")


def as_json(findings: Sequence[Finding], user: str) -> str:
    """One document: the verdict, the sentence that says it, who was asked about, and every finding."""
    document = {
        "verdict": verdict(findings),
        "summary": summary(findings, user),
        "user": user,
        "findings": [finding._asdict() for finding in findings],
    }
    return json.dumps(document, indent=2)
