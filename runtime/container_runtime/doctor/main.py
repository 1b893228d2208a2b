"""All probes in their order, and the command."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from container_runtime.doctor import machine
from container_runtime.doctor.model import Finding, verdict
from container_runtime.doctor.render import as_json, as_text
from container_runtime.doctor.surroundings import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from container_runtime.doctor.surroundings import Surroundings

    Probe = Callable[[Surroundings], Finding | list[Finding]]

_FIRST: tuple[tuple[str, Probe], ...] = (("kernel", machine.kernel), ("user", machine.user))
_INTERRUPTED = 130  # 128 and the number of SIGINT


def examine(here: Surroundings) -> list[Finding]:
    """Run every probe that makes sense here."""
    found = _run(_FIRST, here)
    if not verdict(found):
        return found
    # Only now: system calls of Linux are looked up when these are imported.
    from container_runtime.doctor import users
    from container_runtime.doctor.attempt import adopt_orphans

    adopt_orphans()
    rights = True
    if here.needs_user_namespace:
        made = _run((("user namespace", users.user_namespace),), here)
        rights = verdict(made)
        found += made
        if rights:
            found += _run((("subordinate ids", users.subordinate_ids),), here)
    if rights:
        found += _run(_with_rights(), here)
    else:
        why = "not tried, since it takes a user namespace"
        found += [Finding(name, "missing", why) for name, _ in _with_rights()]
    return found + _run((("other engine", machine.another_engine),), here)


def _with_rights() -> tuple[tuple[str, Probe], ...]:
    from container_runtime.doctor import filesystems, isolation, limits, network, storage

    return (
        ("namespaces", isolation.namespaces),
        ("system calls", isolation.system_calls),
        ("/proc", filesystems.proc),
        ("filesystems", filesystems.others),
        ("network", network.links),
        ("redirection", network.redirection),
        ("datagrams", network.datagrams),
        ("seccomp", isolation.seccomp),
        ("directories", storage.storage),
        ("limits", limits.limits),
    )


def _run(probes: Sequence[tuple[str, Probe]], here: Surroundings) -> list[Finding]:
    found: list[Finding] = []
    for name, probe in probes:
        try:
            result = probe(here)
        except Exception as error:  # noqa: BLE001  one probe's mistake must not hide what the others say
            why = f"the probe itself failed: {type(error).__name__}: {error}"
            result = Finding(name, "missing", why, "whether it works is not known", "report this as an error")
        found += result if isinstance(result, list) else [result]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what works here; returns 0 where containers can be started, else 1."""
    parser = argparse.ArgumentParser(
        prog="pytest-containers doctor", description="Try what the engine needs of this machine, and say what helps."
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines for people")
    options = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    try:
        here = gather()
        findings = examine(here)
    except KeyboardInterrupt:
        return _INTERRUPTED
    symbols = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = as_json(findings, here.who) if options.json else as_text(findings, here.who, symbols=symbols)
    data = f"{text}\n".encode(sys.stdout.encoding or "ascii", "replace")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:  # `doctor | head`: nobody reads the rest; the exit code still says
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if verdict(findings) else 1
