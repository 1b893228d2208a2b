"""What is asked of ps, and what is taken of its answer."""

import pytest

from container_runtime.engine.views.top import check_arguments, select
from container_runtime.errors import EngineError

OUTPUT = """\
UID   PID  PPID CMD
root    1     0 /sbin/init
root  100     1 sh -c echo a  b
app   101   100 sleep 10
"""


def test_lines_of_the_container_with_the_last_column_whole():
    assert select(OUTPUT, {100, 101}) == {
        "Titles": ["UID", "PID", "PPID", "CMD"],
        "Processes": [["root", "100", "1", "sh -c echo a b"], ["app", "101", "100", "sleep 10"]],
    }


def test_threads_follow_their_process():
    output = "  PID TTY\n  100 ?\n    - ?\n  200 ?\n    - pts/0\n"
    assert select(output, {200})["Processes"] == [["200", "?"], ["-", "pts/0"]]


@pytest.mark.parametrize(
    ("output", "told"), [("CMD\nsh\n", "find PID"), ("", "find PID"), ("PID CMD\nx sh\n", "Unexpected pid 'x'")]
)
def test_output_without_process_ids(output, told):
    with pytest.raises(EngineError, match=told):
        select(output, {1})


@pytest.mark.parametrize("arguments", ["", "-ef", "aux", "-o pid,cmd", "-o pid=PID", "-eo user=USER,pid"])
def test_arguments(arguments):
    check_arguments(arguments)


@pytest.mark.parametrize("arguments", ["-o user=PID", "-eo user,pid=PID", "-o ppid=PIDX", "-o ppid= PID"])
def test_another_column_may_not_be_called_so(arguments):
    with pytest.raises(EngineError, match="is not allowed"):
        check_arguments(arguments)
