import os
import subprocess
import sys
import threading
from pathlib import Path

from container_runtime.images.lock import FileLock
from container_runtime.images.session import Session, living

CHILD = """
import os, signal, sys
from pathlib import Path
from container_runtime.images.session import Session
session = Session(Path(sys.argv[1]))
session.use_image("sha256:1", "box")
(session.new_directory() / "half").write_text("made")
print("ready", flush=True)
signal.pause()
"""


def test_a_killed_process_uses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert list(living(tmp_path)) == [{"images": ["sha256:1"], "layers": []}]
        child.kill()
    assert list(living(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_an_image_is_in_use_until_its_last_owner_is_gone(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.use_image("sha256:1", "a")
    session.use_image("sha256:1", "b")
    session.release("a")
    assert next(iter(living(tmp_path)))["images"] == ["sha256:1"]
    session.release("b")
    assert next(iter(living(tmp_path)))["images"] == []
    session.close()


def test_a_lock_whose_file_was_removed_still_excludes(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "lock", [0], [0]

    def work() -> None:
        for turn in range(20):
            lock = FileLock(path)
            lock.acquire()
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            os.sched_yield()
            inside[0] -= 1
            lock.release(remove=turn % 2 == 0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
