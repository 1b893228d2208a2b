"""The life cycle: each operation in each state, exit codes, restarts."""

import json
import re

import pytest

from tests.differential.client import pick
from tests.differential.same import same

STATES = ("created", "running", "paused", "exited", "gone")
CHANGES = {
    "start": ("POST", "/start"),
    "stop": ("POST", "/stop?t=0"),
    "kill": ("POST", "/kill"),
    "restart": ("POST", "/restart?t=0"),
    "pause": ("POST", "/pause"),
    "unpause": ("POST", "/unpause"),
    "remove": ("DELETE", ""),
    "remove by force": ("DELETE", "?force=1"),
}
QUESTIONS = {
    "resize": ("POST", "/resize?h=10&w=20"),
    "top": ("GET", "/top"),
    "logs": ("GET", "/logs?stdout=1"),
    "changes": ("GET", "/changes"),
    "stats": ("GET", "/stats?stream=0&one-shot=1"),
    "archive": ("HEAD", "/archive?path=/etc/motd"),
    "update": ("POST", "/update"),
    "exec": ("POST", "/exec"),
    "list": ("GET", "/json"),
    "wait": ("POST", "/wait?condition=nonsense"),
}
BODIES = {"update": {}, "exec": {"Cmd": ["true"]}}


def in_state(api, state):
    """A container in one of STATES; its process heeds no signal but SIGKILL."""
    if state == "gone":
        return "no-such-container"
    one = api.create(StopSignal="SIGKILL")
    if state != "created":
        api.ok("POST", f"/containers/{one}/start")
    if state == "paused":
        api.ok("POST", f"/containers/{one}/pause")
    if state == "exited":
        api.ok("POST", f"/containers/{one}/kill")
        api.wait(one)
    return one


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", CHANGES)
@same
def test_changes(api, operation, state):
    one = in_state(api, state)
    method, path = CHANGES[operation]
    status = api.call(method, f"/containers/{one}{path}").status
    return status, api.state(one)


@pytest.mark.parametrize("state", STATES)
@same
def test_questions(api, state):
    one = in_state(api, state)
    return {
        name: api.call(method, f"/containers/{one}{path}", BODIES.get(name)).status
        for name, (method, path) in QUESTIONS.items()
    }


@same
def test_messages_of_wrong_states(api):
    running, created, paused = in_state(api, "running"), in_state(api, "created"), in_state(api, "paused")
    messages = [
        api.delete(f"/containers/{running}").message,
        api.post(f"/containers/{created}/kill").message,
        api.post(f"/containers/{created}/pause").message,
        api.post(f"/containers/{created}/exec", {"Cmd": ["true"]}).message,
        api.post(f"/containers/{paused}/pause").message,
        api.post(f"/containers/{paused}/exec", {"Cmd": ["true"]}).message,
        api.post(f"/containers/{running}/unpause").message,
        api.post("/containers/nobody/start").message,
    ]
    # Docker names a container as the request did, or by its id.
    return [re.sub(rf"/?{api.prefix}\.\d", "<id>", message) for message in messages]


EXITS = {
    "nothing": ("true",),
    "failure": ("false",),
    "a number": ("sh", "-c", "exit 42"),
    "a signal": ("sh", "-c", "kill -KILL $$"),
    "a segmentation fault": ("sh", "-c", "sh -c 'kill -SEGV $$'"),
    "not found": ("no-such-program",),
    "no such path": ("/no/such/program",),
    "not executable": ("/not-executable",),
    "a directory": ("/etc",),
}
STATE = ("Status", "Running", "Paused", "Restarting", "OOMKilled", "Dead", "Pid", "ExitCode")


@pytest.mark.parametrize("how", EXITS)
@same
def test_exit_codes(api, how):
    one = api.create(*EXITS[how])
    status = api.post(f"/containers/{one}/start").status
    code = api.wait(one) if status == 204 else None
    return status, code, pick(api.inspect(one)["State"], STATE)


@same
def test_state_while_running(api):
    state = api.inspect(api.run())["State"]
    return pick(state, set(STATE) - {"Pid"}), state["Pid"] > 0, state["FinishedAt"]


@same
def test_state_while_paused(api):
    return pick(api.inspect(in_state(api, "paused"))["State"], set(STATE) - {"Pid"})


@same
def test_reason_of_a_failed_start(api):
    one = api.create("no-such-program")
    message = api.post(f"/containers/{one}/start").message
    return 'exec: "no-such-program": executable file not found in $PATH' in message, bool(
        api.inspect(one)["State"]["Error"]
    )


TRAP = "trap 'echo heard; exit 7' {}; echo ready; while :; do sleep 0.1; done"


@pytest.mark.parametrize(
    ("signal", "config"),
    [("TERM", {}), ("INT", {"StopSignal": "SIGINT"}), ("USR1", {"StopSignal": "10"}), ("HUP", {"StopSignal": "HUP"})],
)
@same
def test_stop_signal(api, signal, config):
    one = api.run("sh", "-c", TRAP.format(signal), **config)
    api.follow(one, b"ready")
    return api.post(f"/containers/{one}/stop").status, api.wait(one), api.output(one)


@same
def test_stop_with_another_signal(api):
    one = api.run("sh", "-c", TRAP.format("QUIT"))
    api.follow(one, b"ready")
    return api.post(f"/containers/{one}/stop", signal="SIGQUIT").status, api.wait(one)


@same
def test_stop_kills_after_its_time(api):
    one = api.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done", StopTimeout=1)
    api.follow(one, b"ready")
    return api.post(f"/containers/{one}/stop").status, api.wait(one)


@pytest.mark.parametrize("signal", ["SIGUSR1", "USR1", "usr1", "10", "0", "99", "NONSENSE", "", "-1"])
@same
def test_kill_with_a_signal(api, signal):
    one = api.run("sh", "-c", "trap 'echo heard; exit 7' USR1; echo ready; while :; do sleep 0.1; done")
    api.follow(one, b"ready")
    answer = api.post(f"/containers/{one}/kill", signal=signal)
    if answer.status == 204 and signal != "0":
        api.wait(one)
        return answer.status, api.inspect(one)["State"]["ExitCode"]
    return answer.status, api.state(one)


@same
def test_restart_keeps_the_writable_layer(api):
    one = api.run("sh", "-c", "cat /kept; echo again >>/kept; sleep 600", StopSignal="SIGKILL")
    api.ok("POST", f"/containers/{one}/exec", {"Cmd": ["true"]})
    api.execute(one, "sh", "-c", "until [ -s /kept ]; do sleep 0.05; done")
    api.ok("POST", f"/containers/{one}/restart")
    api.follow(one, b"again")
    return api.inspect(one)["RestartCount"], api.state(one)


@same
def test_start_again_after_the_end(api):
    one = api.run("sh", "-c", "echo once")
    first = api.wait(one)
    api.ok("POST", f"/containers/{one}/start")
    return first, api.wait(one), api.output(one)


@same
def test_remove_by_itself(api):
    one = api.create("true", Host={"AutoRemove": True})
    with api.begin("POST", f"/containers/{one}/wait", condition="removed") as answer:
        api.ok("POST", f"/containers/{one}/start")
        return json.loads(answer.read()), api.state(one)


@same
def test_stop_removes_by_itself(api):
    one = api.run(StopSignal="SIGKILL", Host={"AutoRemove": True})
    with api.begin("POST", f"/containers/{one}/wait", condition="removed") as answer:
        status = api.post(f"/containers/{one}/stop").status
        return status, json.loads(answer.read()), api.state(one)


@same
def test_ids_and_names(api):
    one = api.create(name=f"{api.prefix}.named")
    ways = [
        one,
        one[:12],
        one[:20],
        f"{api.prefix}.named",
        one + "0",
        "%00",
    ]
    return [api.get(f"/containers/{way}/json").status for way in ways]


@same
def test_out_of_memory(api):
    script = "dd if=/dev/zero of=/dev/null bs=64M count=1"
    one = api.run("sh", "-c", script, Host={"Memory": 8 << 20, "MemorySwap": 8 << 20})
    return api.wait(one)  # Docker may hear of the reason, OOMKilled, after the end or never
