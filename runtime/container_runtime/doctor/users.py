"""The user namespace of an engine without root's rights, and the users that containers have in it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from container_runtime.doctor import reasons
from container_runtime.doctor.attempt import attempt, enter
from container_runtime.doctor.model import Finding
from container_runtime.doctor.surroundings import read
from container_runtime.kernel import syscalls, userns

if TYPE_CHECKING:
    from container_runtime.doctor.surroundings import Surroundings

_ONE_USER = (
    "containers have one user, root: programs that switch to another, as images such as postgres and redis do, fail, "
    "and files of an image that belong to others belong to root"
)
_INSTALL = "as root: apt-get install uidmap"  # Debian and Ubuntu; elsewhere a part of shadow-utils
_FIRST, _COUNT = 100000, 65536


def user_namespace(here: Surroundings) -> Finding:
    """Whether one can be made, and has the rights that belong to it."""
    outcome = attempt(lambda: enter(here))
    if outcome.failure is None:
        return Finding("user namespace", "ok", "can be made, with all rights in it")
    reason = reasons.user_namespaces(outcome.failure, here)
    cost = "without root and without a user namespace nobody may make containers"
    return Finding("user namespace", "missing", reason.why, cost, reason.remedy)


def ranges_command(name: str) -> str:
    """The command that gives a user subordinate ids."""
    ids = f"{_FIRST}-{_FIRST + _COUNT - 1}"
    return f"as root: usermod --add-subuids {ids} --add-subgids {ids} {name}"


def _by_number(user: int) -> str:
    return f"as root: echo {user}:{_FIRST}:{_COUNT} | tee -a /etc/subuid /etc/subgid"


def has_range(text: str, user: int, name: str) -> bool:
    """Whether the text of /etc/subuid or /etc/subgid gives the user ids (subuid(5))."""
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) == 3 and fields[0] in {f"{user}", name or f"{user}"} and fields[2].isdigit() and int(fields[2]):
            return True
    return False


def missing_parts(here: Surroundings, helpers: dict[str, str | None], subuid: str, subgid: str) -> reasons.Reason:
    """Which of the helpers and entries are not there; both texts are empty where nothing is missing."""
    absent = [name for name, path in helpers.items() if not path]
    without = [
        path
        for path, text in (("/etc/subuid", subuid), ("/etc/subgid", subgid))
        if not has_range(text, here.user, here.name)
    ]
    why: list[str] = []
    remedy: list[str] = []
    if not here.name:
        why.append(f"user {here.user} has no name (passwd(5)), and newuidmap works for those with one")
        remedy.append(f"as root: useradd --uid {here.user} tester")
    if absent:
        why.append(f"{' and '.join(absent)} {'are' if len(absent) > 1 else 'is'} not installed")
        remedy.append(_INSTALL)
    if without:
        why.append(f"{here.name or here.user} is not in {' and '.join(without)}")
        remedy.append(ranges_command(here.name) if here.name else _by_number(here.user))
    return reasons.Reason("; ".join(why), "; ".join(remedy))


def subordinate_ids(here: Surroundings) -> Finding:
    """Helpers, entries, and whether the mapping is really made; a container's root maps all that it has itself."""

    def mapped() -> int:
        enter(here)
        return userns.mapped_ids()

    if here.user == 0:
        outcome = attempt(mapped)
        if outcome.failure is None and outcome.value > 1:
            return Finding("subordinate ids", "ok", f"containers have {outcome.value} users")
    where = f"{os.environ.get('PATH', '')}:/usr/bin:/bin"  # as ``kernel.userns`` searches
    helpers = {name: shutil.which(name, path=where) for name in ("newuidmap", "newgidmap")}
    missing = missing_parts(here, helpers, read("/etc/subuid"), read("/etc/subgid"))
    if missing.why:
        return Finding("subordinate ids", "limited", missing.why, _ONE_USER, missing.remedy)
    outcome = attempt(mapped)
    if outcome.failure is None and outcome.value > 1:
        return Finding("subordinate ids", "ok", f"containers have {outcome.value} users")
    reason = _refused_mapping(here, helpers)
    return Finding("subordinate ids", "limited", reason.why, _ONE_USER, reason.remedy)


def _refused_mapping(here: Surroundings, helpers: dict[str, str | None]) -> reasons.Reason:
    """Why newuidmap and newgidmap did not do what they are for."""
    if here.no_new_privileges:
        return reasons.Reason(
            "no_new_privs is set for this process, so that newuidmap has no rights either (prctl(2))",
            "start the tests outside of what sets it: a sandbox, a systemd unit with NoNewPrivileges=, or a container "
            "with --security-opt no-new-privileges",
        )
    for path in filter(None, helpers.values()):
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            return reasons.Reason(f"{path} lies on a filesystem mounted nosuid", "mount it with the option suid")
        if not _is_privileged(path):
            return reasons.Reason(
                f"{path} is neither set-user-ID root nor has it file capabilities",
                "as root: apt-get install --reinstall uidmap",
            )
    if userns.subordinate_ranges(here.user) is None:  # it knows the names of /etc/passwd only
        return reasons.Reason(
            f"the ranges are for {here.name}, which is not in /etc/passwd",
            _by_number(here.user),
        )
    said = attempt(lambda: _words_of_helpers(here, [path for path in helpers.values() if path]))
    if said.failure is not None:
        return reasons.Reason(f"the mapping could not be made: {said.failure.message}", "run as root")
    return reasons.Reason(
        f"the helpers refused: {said.value or 'without a word'}",
        "give the user a range of ids that are there: " + ranges_command(here.name or "NAME"),
    )


def _is_privileged(path: str) -> bool:
    status = Path(path).stat()
    if status.st_mode & stat.S_ISUID and status.st_uid == 0:
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def _words_of_helpers(here: Surroundings, helpers: list[str]) -> str:
    """What newuidmap and newgidmap say when they are called for a process of ours."""
    ranges = userns.subordinate_ranges(here.user)
    if ranges is None:
        return "no range"
    reading, writing = os.pipe()
    inside = os.fork()
    if inside == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            os.write(writing, b"x")
            os.close(reading)
            while True:
                signal.pause()  # until it is killed
        finally:
            os._exit(1)
    os.close(writing)
    said: list[str] = []
    if os.read(reading, 1):
        for helper, own, (first, count) in zip(helpers, (os.geteuid(), os.getegid()), ranges, strict=False):
            words = [helper, f"{inside}", "0", f"{own}", "1", "1", f"{first}", f"{count}"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
            said += [line for line in done.stderr.splitlines() if done.returncode]
    os.kill(inside, signal.SIGKILL)
    os.waitpid(inside, 0)
    return "; ".join(said)
