"""The rehearsal in this very process: it changes nothing of it."""

from pathlib import Path

from container_runtime.launcher.rehearsal import rehearse


def state():
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kept = ("Umask", "Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp:", "Sig")
    streams = [Path(f"/proc/self/fd/{number}").readlink() for number in (0, 1, 2)]
    return (
        [line for line in status if line.startswith(kept)],
        Path.cwd(),
        streams,
        len([*Path("/proc/self/fd").iterdir()]),
    )


def test_a_rehearsal_changes_nothing():
    before = state()
    rehearse()
    assert state() == before
