"""Restart policies."""

import pytest

from tests.differential.client import pick
from tests.differential.same import same


def policy(name, number=0):
    return {"RestartPolicy": {"Name": name, "MaximumRetryCount": number}}


COUNT = "echo run >>/runs; [ $(wc -l </runs) -ge {} ] && exec sleep 600; exit {}"


@pytest.mark.parametrize(
    ("name", "code", "number"),
    [("no", 1, 0), ("on-failure", 0, 0), ("on-failure", 1, 2), ("on-failure", 3, 1), ("", 1, 0)],
)
@same
def test_it_ends(api, name, code, number):
    one = api.create("sh", "-c", f"exit {code}", Host=policy(name, number))
    api.ok("POST", f"/containers/{one}/start")
    with api.begin("GET", "/events", since="1", filters={"container": [one], "event": ["die"]}) as answer:
        ends = [bool(answer.readline()) for _ in range(number + 1)]
    api.wait(one)
    found = api.inspect(one)
    return ends, found["RestartCount"], pick(found["State"], ("Status", "ExitCode", "Restarting"))


@pytest.mark.parametrize(("name", "code"), [("always", 0), ("unless-stopped", 1), ("on-failure", 1)])
@same
def test_it_comes_back(api, name, code):
    one = api.run("sh", "-c", COUNT.format(3, code), Host=policy(name), StopSignal="SIGKILL")
    with api.begin("GET", "/events", since="1", filters={"container": [one], "event": ["start"]}) as answer:
        starts = [bool(answer.readline()) for _ in range(3)]
    found = api.inspect(one)
    status = api.post(f"/containers/{one}/stop").status
    return starts, found["RestartCount"], status, api.state(one)


@same
def test_kill_ends_it_where_stopped_by_hand(api):
    one = api.run(Host=policy("unless-stopped"), StopSignal="SIGKILL")
    api.ok("POST", f"/containers/{one}/stop")
    return api.state(one), api.inspect(one)["RestartCount"]


@same
def test_update_of_the_policy(api):
    one = api.run(Host=policy("always"))
    status = api.post(f"/containers/{one}/update", policy("no")).status
    api.ok("POST", f"/containers/{one}/kill")
    api.wait(one)
    return status, api.inspect(one)["HostConfig"]["RestartPolicy"], api.state(one)
