"""Health checks."""

import pytest

from tests.differential.client import keys, pick
from tests.differential.same import same

SECOND = 10**9


def check(*test, **more):
    return {"Test": list(test), "Interval": SECOND // 10, "Timeout": 5 * SECOND, "Retries": 2, **more}


CHECKS = {
    "a command": (check("CMD", "true"), "healthy"),
    "a shell's": (check("CMD-SHELL", "echo fine; true"), "healthy"),
    "a failure": (check("CMD-SHELL", "echo bad; exit 3"), "unhealthy"),
    "not found": (check("CMD", "no-such-program"), "unhealthy"),
    "too slow": (check("CMD", "sleep", "60", Timeout=SECOND // 10), "unhealthy"),
}


@pytest.mark.parametrize("what", CHECKS)
@same
def test_checks(api, what):
    healthcheck, wanted = CHECKS[what]
    one = api.run(Healthcheck=healthcheck)
    api.await_event(one, f"health_status: {wanted}")
    health = api.inspect(one)["State"]["Health"]
    entry = health["Log"][0]
    output = entry["Output"] if what in {"a command", "a shell's", "a failure"} else bool(entry["Output"])
    return (
        health["Status"],
        health["FailingStreak"] >= (2 if wanted == "unhealthy" else 0),
        keys(entry),
        entry["ExitCode"],
        output,
    )


@same
def test_before_the_first(api):
    one = api.run(Healthcheck=check("CMD", "true", Interval=60 * SECOND))
    status = next(row["Status"] for row in api.get("/containers/json").json if row["Id"] == one)
    return pick(api.inspect(one)["State"]["Health"], ("Status", "FailingStreak", "Log")), "(health: starting)" in status


@pytest.mark.parametrize("test", [["NONE"], [], None])
@same
def test_none(api, test):
    one = api.run(Healthcheck={"Test": test})
    return "Health" in api.inspect(one)["State"]


@same
def test_start_period(api):
    healthcheck = check("CMD", "test", "-e", "/ready", StartPeriod=60 * SECOND, StartInterval=SECOND // 10, Retries=1)
    one = api.run("sh", "-c", "sleep 0.5; touch /ready; sleep 600", Healthcheck=healthcheck)
    api.await_event(one, "health_status: healthy")
    return api.inspect(one)["State"]["Health"]["Status"]


@same
def test_list(api):
    one = api.run(Healthcheck=check("CMD", "true"), Labels={"of": api.prefix})
    api.await_event(one, "health_status: healthy")
    label = [f"of={api.prefix}"]
    return [
        len(api.get("/containers/json", filters={"label": label, "health": [word]}).json)
        for word in ("healthy", "unhealthy", "none", "starting")
    ]


@same
def test_after_the_end(api):
    one = api.run(Healthcheck=check("CMD", "true"))
    api.await_event(one, "health_status: healthy")
    api.ok("POST", f"/containers/{one}/kill")
    api.wait(one)
    return api.inspect(one)["State"]["Health"]["Status"]
