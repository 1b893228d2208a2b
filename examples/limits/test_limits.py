"""What a container may use, and how its end is told where it wants more."""

import pytest

from pytest_containers import Container, ContainerExited, Containers, Limits, container, wait

EAT = ["python3", "-c", "x = bytearray(200 << 20)"]
FORK = "n = 0\nwhile True:\n  try: os.fork() or time.sleep(60)\n  except OSError: print(n); break\n  n += 1"
SPIN = "a = time.monotonic()\nwhile time.monotonic() < a + 0.4: pass\nprint(time.process_time())"

small = container("host", "sleep 600", scope="module", limits=Limits(memory="64m"))


def test_limits_of_a_fixture(small: Container) -> None:
    result = small.exec(EAT)
    assert result.exit_code == 137  # killed; the container itself goes on
    assert small.status == "running"


@pytest.mark.container_limits(memory="32m")
def test_out_of_memory_is_named(containers: Containers) -> None:
    with pytest.raises(ContainerExited, match="out of memory") as caught:
        containers.run("host", EAT, wait=wait.log("ready"))
    assert caught.value.oom_killed


@pytest.mark.container_limits(pids=20)
def test_processes(containers: Containers) -> None:
    counting = containers.run("host", ["python3", "-c", f"import os, time\n{FORK}"])
    assert counting.logs.expect(r"^(\d+)$")[1] == "19"


@pytest.mark.container_limits(cpus=0.25)
def test_processor_time(containers: Containers) -> None:
    spinning = containers.run("host", ["python3", "-c", f"import time\n{SPIN}"])
    assert spinning.wait() == 0
    assert float(spinning.logs()) < 0.3  # of the 0.4 seconds, with some for the start of Python
