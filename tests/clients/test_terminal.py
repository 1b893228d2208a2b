"""A person at a terminal: docker's own command under a pseudo-terminal, typed at by pexpect."""

import pexpect
import pytest

HANG = 60
"""Seconds; a hang limit, not a measurement."""


@pytest.fixture
def typed(docker):
    """Start a docker command in a terminal of 30 rows and 90 columns."""
    children = []

    def start(*words):
        child = pexpect.spawn(
            "docker", ["-H", f"unix://{docker.path}", *words], dimensions=(30, 90), timeout=HANG, env=docker.environment
        )
        child.delaybeforesend = None
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def shell(typed, name, *words):
    child = typed("run", "-it", "--name", name, *words, "host", "sh", "-c", "PS1='at-it> ' exec sh")
    child.expect("at-it> ")
    return child


def left(child):
    child.expect(pexpect.EOF)
    child.wait()
    return child.exitstatus


def test_prompt_terminal_and_exit_code(typed):
    child = shell(typed, "prompt", "--rm")
    child.sendline("tty; test -c /dev/console && echo con''sole; readlink /proc/self/fd/0")
    child.expect("/dev/pts/0\r\nconsole\r\n/dev/pts/0\r\n")
    child.sendline("exit 7")
    assert left(child) == 7


def test_resize(typed):
    child = shell(typed, "resize", "--rm")
    child.sendline("stty size")
    child.expect("30 90\r\n")
    child.setwinsize(44, 55)
    child.sendline("until [ \"$(stty size)\" = '44 55' ]; do :; done; echo resi''zed")
    child.expect("resized\r\n")
    child.sendline("exit")
    assert left(child) == 0


@pytest.mark.parametrize("init", [[], ["--init"]])
def test_interrupt(typed, init):
    child = shell(typed, f"interrupt{len(init)}", "--rm", *init)
    child.sendline("(echo run''ning; exec sleep 1000)")
    child.expect("running\r\n")
    child.sendintr()
    child.expect("at-it> ")
    child.sendline("echo still-he''re")
    child.expect("still-here\r\n")
    child.sendeof()
    assert left(child) in {0, 130}


def test_detach_and_attach_again(docker, typed):
    child = shell(typed, "detach")
    child.send("\x10\x11")
    assert left(child) == 0
    assert docker.ok("inspect", "-f", "{{.State.Running}}", "detach") == "true"
    again = typed("attach", "--detach-keys", "ctrl-a,d", "detach")
    again.sendline("echo ba''ck")
    again.expect("back\r\n")
    again.send("\x01d")
    left(again)
    last = typed("attach", "detach")
    last.sendline("exit 3")
    assert left(last) == 3
    docker.ok("rm", "detach")


def test_exec_with_a_terminal(docker, typed):
    docker.ok("run", "-d", "--name", "exec-it", "host", "sleep", "1000")
    child = typed("exec", "-it", "exec-it", "sh", "-c", "PS1='in-it> ' exec sh")
    child.expect("in-it> ")
    child.sendline("tty; stty size")
    child.expect("/dev/pts/[0-9]+\r\n30 90\r\n")
    child.setwinsize(20, 40)
    child.expect_exact("in-it> ")
    child.sendline("until [ \"$(stty size)\" = '20 40' ]; do :; done; echo resi''zed")
    child.expect("resized\r\n")
    child.sendline("exit 5")
    assert left(child) == 5
    other = typed("exec", "-it", "--detach-keys", "ctrl-x", "exec-it", "sh", "-c", "echo he''re; exec cat")
    other.expect("here\r\n")
    other.send("\x18")
    other.expect(pexpect.EOF)
    assert "cat" in docker.ok("top", "exec-it")
    docker.ok("rm", "-f", "exec-it")


def test_start_attached_and_interactive(docker, typed):
    docker.ok("create", "-it", "--name", "start-ai", "host", "sh", "-c", "PS1='at-it> ' exec sh")
    for code in (4, 6):
        child = typed("start", "-ai", "start-ai")
        child.expect("at-it> ")
        child.sendline(f"exit {code}")
        assert left(child) == code
    docker.ok("rm", "start-ai")
