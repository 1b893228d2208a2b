"""Coverage inside: measured as outside, and sent back as bytes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def begin(options: Mapping[str, Any] | None) -> Any:
    """Start measuring where it is done outside, and return the coverage object; ImportError where it is missing."""
    if options is None:
        return None
    import coverage

    measuring = coverage.Coverage(data_file=None, **options)  # data in memory: the project may be read-only
    measuring.start()
    return measuring


def end(measuring: Any) -> str | None:
    """What was measured in this process and the one that it was forked from, for a message."""
    if measuring is None:
        return None
    measuring.stop()
    return base64.b64encode(measuring.get_data().dumps()).decode()
