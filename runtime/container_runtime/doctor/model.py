"""What a probe returns, and what all of them together mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

State = Literal["ok", "limited", "missing"]


class Finding(NamedTuple):
    """One probe's result.

    ``limited``: containers start, and something is not as it could be. ``missing``: none can start. ``why`` of what is
    ``ok`` says what was found.
    """

    name: str
    state: State
    why: str = ""
    cost: str = ""
    remedy: str = ""


def verdict(findings: Sequence[Finding]) -> bool:
    """Whether containers can be started here."""
    return all(finding.state != "missing" for finding in findings)


def summary(findings: Sequence[Finding], user: str) -> str:
    """The verdict as one sentence."""
    missing = [finding for finding in findings if finding.state == "missing"]
    if missing:
        # What was not tried for lack of the first has no remedy of its own.
        first, others = missing[0], sum(1 for finding in missing[1:] if finding.remedy)
        more = f" (and {others} more of the above)" if others else ""
        return f"No container can be started here: {first.name}: {first.why}{more}."
    limited = ", ".join(finding.name for finding in findings if finding.state == "limited")
    return f"Containers can be started here, as {user}" + (f"; limited: {limited}." if limited else ".")
