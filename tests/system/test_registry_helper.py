import subprocess
from pathlib import Path

from container_runtime.images.store import ImageStore
from tests.registry import Registry


def test_a_program_of_this_machine_runs_from_its_image(tmp_path: Path) -> None:
    """What examples rely on: the libraries that it needs are in the image."""
    store = ImageStore(tmp_path / "data")
    with Registry() as registry:
        image = store.pull(registry.push_program("tool", "/usr/bin/redis-server"))
    lowers = ":".join(store.lower_directories(image))
    point = tmp_path / "merged"
    point.mkdir()
    script = (
        f"mount -t overlay overlay -o lowerdir={lowers} {point} && exec chroot {point} /usr/bin/redis-server --version"
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    assert done.stdout.startswith("Redis server v="), done.stderr
    store.close()
