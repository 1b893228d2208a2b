"""Exec: exit codes, what it is given, what is refused."""

import pytest

from tests.differential.client import by_stream, keys, pick
from tests.differential.same import same

RUNS = {
    "nothing": (["true"], {}),
    "a number": (["sh", "-c", "exit 42"], {}),
    "a signal": (["sh", "-c", "kill -9 $$"], {}),
    "both streams": (["sh", "-c", "echo out; echo error >&2"], {}),
    "an environment": (["sh", "-c", "echo $A $PATH"], {"Env": ["A=1"]}),
    "a working directory": (["pwd"], {"WorkingDir": "/etc"}),
    "a user by name": (["id"], {"User": "app"}),
    "a user by number": (["sh", "-c", "id -u; id -g"], {"User": "1234:5678"}),
    "a group by name": (["id"], {"User": "app:extra"}),
    "privileges": (["grep", "CapEff", "/proc/self/status"], {"Privileged": True}),
    "no privileges": (["grep", "Cap", "/proc/self/status"], {}),
    "a user without privileges": (["grep", "Cap", "/proc/self/status"], {"User": "app"}),
    "its home": (["sh", "-c", "echo $HOME"], {"User": "app"}),
}


@pytest.mark.parametrize("what", RUNS)
@same
def test_runs(api, what):
    command, config = RUNS[what]
    code, output = api.execute(api.run(), *command, **config)
    if code in {126, 127}:
        return code, {stream: bool(data) for stream, data in output.items()}
    return code, output


@same
def test_environment_of_the_container(api):
    return api.execute(api.run(Env=["A=container", "B=container"]), "sh", "-c", "echo $A $B", Env=["B=own"])


@same
def test_user_and_directory_of_the_container(api):
    return api.execute(api.run(User="app", WorkingDir="/tmp"), "sh", "-c", "id -un; pwd")


BODIES = {
    "no command": {},
    "an empty command": {"Cmd": []},
    "a command of the wrong type": {"Cmd": 1},
    "a command that is text": {"Cmd": "true"},
    "an environment of the wrong type": {"Cmd": ["true"], "Env": "A=1"},
    "a user of the wrong type": {"Cmd": ["true"], "User": 0},
    "an unknown user": {"Cmd": ["id"], "User": "nobody-knows"},
    "no body": None,
}


@pytest.mark.parametrize("what", BODIES)
@same
def test_refused(api, what):
    return api.post(f"/containers/{api.run()}/exec", BODIES[what]).status


@same
def test_unknown(api):
    return [
        api.post("/exec/nobody/start", {}).status,
        api.get("/exec/nobody/json").message,
        api.post("/exec/nobody/resize?h=1&w=1").status,
        api.post("/containers/nobody/exec", {"Cmd": ["true"]}).message,
    ]


def _made(api, *command, **config):
    one = api.run()
    body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **config}
    return one, api.ok("POST", f"/containers/{one}/exec", body).json["Id"]


@same
def test_inspect(api):
    one, made = _made(api, "sh", "-c", "exit 3", User="app")
    before = api.get(f"/exec/{made}/json").json
    api.hijack(f"/exec/{made}/start", {}).read()
    after = api.get(f"/exec/{made}/json").json
    names = ("CanRemove", "ExitCode", "OpenStderr", "OpenStdin", "OpenStdout", "ProcessConfig", "Running", "DetachKeys")
    return keys(before), pick(before, names), pick(after, names), before["ContainerID"] == one


@same
def test_detached(api):
    one, made = _made(api, "sh", "-c", "echo done >/result")
    answer = api.post(f"/exec/{made}/start", {"Detach": True})
    return answer.status, answer.body, api.execute(one, "sh", "-c", "until [ -s /result ]; do sleep 0.05; done")


@same
def test_detached_not_found(api):
    _, made = _made(api, "no-such-program")
    answer = api.post(f"/exec/{made}/start", {"Detach": True})
    return answer.status, "executable file not found" in answer.message


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("tty", [True, False])
@same
def test_heads(api, tty, upgrade):
    _, made = _made(api, "true", Tty=tty)
    stream = api.hijack(f"/exec/{made}/start", {"Tty": tty}, upgrade=upgrade)
    stream.read()
    return stream.status, stream.headers.get("content-type"), stream.headers.get("upgrade")


@same
def test_input_to_its_end(api):
    _, made = _made(api, "cat", AttachStdin=True)
    stream = api.hijack(f"/exec/{made}/start", {})
    stream.send(b"one\ntwo\n")
    stream.end_input()
    return by_stream(stream.read()), api.get(f"/exec/{made}/json").json["ExitCode"]


@same
def test_resize(api):
    _, made = _made(api, "sh", "-c", "read line; stty size", Tty=True, AttachStdin=True)
    stream = api.hijack(f"/exec/{made}/start", {"Tty": True})
    status = api.post(f"/exec/{made}/resize", h=33, w=77).status
    stream.send(b"\n")
    return status, stream.read()
