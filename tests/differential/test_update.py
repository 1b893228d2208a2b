"""Update, prune."""

import pytest

from tests.differential.client import pick
from tests.differential.same import same

UPDATES = {
    "memory": {"Memory": 64 << 20, "MemorySwap": 128 << 20},
    "memory alone": {"Memory": 64 << 20},
    "processors": {"CpuShares": 512, "CpusetCpus": "0"},
    "a quota": {"CpuQuota": 50_000, "CpuPeriod": 100_000},
    "whole processors": {"NanoCpus": 5 * 10**8},
    "processes": {"PidsLimit": 20},
    "a restart policy": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}},
    "nothing": {},
    "too little memory": {"Memory": 4096},
    "memory that is text": {"Memory": "64m"},
    "an unknown policy": {"RestartPolicy": {"Name": "nonsense"}},
    "too many processors": {"NanoCpus": 10**15},
    "less swap than memory": {"Memory": 64 << 20, "MemorySwap": 1 << 20},
    "processors that are not there": {"CpusetCpus": "4000"},
}


@pytest.mark.parametrize("what", UPDATES)
@pytest.mark.parametrize("running", [True, False])
@same
def test_updates(api, what, running):
    one = api.run() if running else api.create()
    answer = api.post(f"/containers/{one}/update", UPDATES[what])
    return answer.status, pick(api.inspect(one)["HostConfig"], UPDATES[what])


@same
def test_the_answer(api):
    return api.post(f"/containers/{api.run()}/update", {"CpuShares": 512}).json


@same
def test_of_nobody(api):
    answer = api.post("/containers/nobody/update", {})
    return answer.status, answer.message


@same
def test_prune(api):
    label = {"of": api.prefix}
    ended, created, running = api.run("true", Labels=label), api.create(Labels=label), api.run(Labels=label)
    api.wait(ended)
    answer = api.post("/containers/prune", filters={"label": [f"of={api.prefix}"]})
    states = [api.state(one) for one in (ended, created, running)]
    return (
        answer.status,
        sorted(answer.json["ContainersDeleted"]) == sorted([ended, created]),
        states,
        "SpaceReclaimed" in answer.json,
    )


@pytest.mark.parametrize(
    "filters",
    [
        {"until": ["nonsense"]},
        {"until": ["1h"], "label": ["x"]},
        {"nonsense": ["1"]},
        {"label!": ["a"], "label": ["nobody-has"]},
    ],
)
@same
def test_prune_filters(api, filters):
    answer = api.post("/containers/prune", filters=filters)
    return answer.status, answer.json.get("ContainersDeleted")
