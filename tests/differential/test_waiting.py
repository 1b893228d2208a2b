"""Wait: its conditions."""

import json

import pytest

from tests.differential.same import same


@pytest.mark.parametrize("condition", ["", "not-running", "next-exit", "removed", "nonsense"])
@same
def test_until_the_end(api, condition):
    one = api.create("sh", "-c", "exit 3")
    if condition == "nonsense":
        answer = api.post(f"/containers/{one}/wait", condition=condition)
        return answer.status, answer.message
    with api.begin("POST", f"/containers/{one}/wait", condition=condition) as answer:
        api.ok("POST", f"/containers/{one}/start")
        if condition == "removed":
            api.post(f"/containers/{one}/wait", condition="not-running")
            api.ok("DELETE", f"/containers/{one}")
        return answer.status, json.loads(answer.read())


@same
def test_for_what_runs(api):
    one = api.run()
    with api.begin("POST", f"/containers/{one}/wait") as answer:
        api.ok("POST", f"/containers/{one}/kill")
        return json.loads(answer.read())


@same
def test_for_what_has_ended(api):
    one = api.run("sh", "-c", "exit 3")
    return api.wait(one), api.wait(one), api.wait(one, condition="not-running")


@same
def test_for_nobody(api):
    answer = api.post("/containers/nobody/wait")
    return answer.status, answer.message


@same
def test_for_the_removal_of_what_has_ended(api):
    one = api.run("sh", "-c", "exit 3")
    api.wait(one)
    with api.begin("POST", f"/containers/{one}/wait", condition="removed") as answer:
        api.ok("DELETE", f"/containers/{one}")
        return json.loads(answer.read())


@same
def test_for_the_removal_of_what_runs(api):
    one = api.run()
    with api.begin("POST", f"/containers/{one}/wait", condition="removed") as answer:
        api.ok("DELETE", f"/containers/{one}", force=1)
        return json.loads(answer.read())


@same
def test_through_a_restart(api):
    one = api.run(StopSignal="SIGKILL")
    with api.begin("POST", f"/containers/{one}/wait", condition="next-exit") as answer:
        api.ok("POST", f"/containers/{one}/restart")
        return json.loads(answer.read()), api.state(one)
