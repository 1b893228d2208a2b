"""The life of a container by docker's command: paused, started again by its policy, watched by its health check."""

import json
import time

import pytest

from tests.waiting import until


def inspect(docker, name):
    return json.loads(docker.ok("inspect", name))[0]


def state(docker, name):
    return inspect(docker, name)["State"]


@pytest.mark.needs("limits")
def test_a_paused_container_stands_still_and_goes_on(docker, run, tmp_path):
    tmp_path.chmod(0o777)
    counter = tmp_path / "counter"
    name = run(
        "-v", f"{tmp_path}:/shared", "host", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/shared/counter; done"
    )
    until(lambda: counter.exists() and counter.read_text())
    docker.ok("pause", name)
    assert state(docker, name)["Paused"]
    assert state(docker, name)["Status"] == "paused"
    assert "(Paused)" in docker.ok("ps", "--format", "{{.Status}}", "--filter", f"id={name}")
    before = counter.read_text()
    time.sleep(0.2)  # long enough for thousands of rounds of a loop that goes on
    assert counter.read_text() == before
    code, _, err = docker("exec", name, "true")
    assert code == 1
    assert "is paused, unpause the container before exec" in err
    assert "already paused" in docker("pause", name)[2]
    assert "cannot start a paused container" in docker("start", name)[2]
    assert "must be unpaused first" in docker("rm", name)[2]
    docker.ok("unpause", name)
    assert state(docker, name)["Status"] == "running"
    until(lambda: counter.read_text() not in {"", before})
    assert "is not paused" in docker("unpause", name)[2]


@pytest.mark.needs("limits")
@pytest.mark.parametrize("words", [["kill"], ["stop", "-t", "20"], ["rm", "-f"], ["kill", "-s", "TERM"]])
def test_a_paused_container_can_be_ended(docker, run, words):
    name = run("host", "sh", "-c", "trap 'exit 7' TERM; sleep 1000 & wait; wait")
    docker.ok("pause", name)
    started = time.monotonic()
    docker.ok(*words, name)
    if words[0] != "rm":
        assert docker.ok("wait", name) in {"137", "7"}
    else:
        assert docker("inspect", name)[0] == 1
    assert time.monotonic() - started < 20  # the time limit of stop: nobody waited for a frozen process to hear it


@pytest.mark.needs("limits")
def test_a_process_that_was_started_later_is_paused_too(docker, run):
    name = run("host", "sleep", "1000")
    docker.ok("pause", name)
    docker.ok("unpause", name)
    docker.ok("exec", "-d", name, "sh", "-c", "while :; do echo x >>/tmp/grows; done")
    until(lambda: docker("exec", name, "test", "-s", "/tmp/grows")[0] == 0)
    docker.ok("pause", name)
    docker.ok("unpause", name)
    docker.ok("kill", name)


def test_restarts_on_failure_are_counted_and_end(docker, run):
    name = run("--restart", "on-failure:2", "host", "sh", "-c", "echo once; exit 3")
    until(lambda: state(docker, name)["Status"] == "exited")
    found = inspect(docker, name)
    assert found["RestartCount"] == 2
    assert found["State"]["ExitCode"] == 3
    assert docker.ok("logs", name) == "once\nonce\nonce"


def test_a_success_is_not_started_again(docker, run):
    name = run("--restart", "on-failure", "host", "true")
    docker.ok("wait", name)
    assert inspect(docker, name)["RestartCount"] == 0
    assert state(docker, name)["Status"] == "exited"


def test_always_means_until_a_client_stops_it(docker, run):
    name = run("--restart", "always", "host", "sh", "-c", "echo again; exit 0")
    until(lambda: inspect(docker, name)["RestartCount"] >= 2)
    until(lambda: docker("stop", name)[0] == 0)
    count = inspect(docker, name)["RestartCount"]
    assert state(docker, name)["Status"] == "exited"
    assert not state(docker, name)["Restarting"]
    docker.ok("start", name)  # the count begins anew
    assert inspect(docker, name)["RestartCount"] <= count


def test_while_it_waits_for_its_next_start(docker, run):
    name = run("--restart", "always", "host", "sh", "-c", "exit 5")
    until(lambda: state(docker, name)["Restarting"] and inspect(docker, name)["RestartCount"] >= 3)
    found = state(docker, name)
    if found["Restarting"]:
        assert found["Running"]
        assert found["Status"] == "restarting"
    assert "Restarting (5)" in until(
        lambda: (
            (text := docker.ok("ps", "--format", "{{.Status}}", "--filter", f"id={name}")) and "Rest" in text and text
        )
    )
    docker.ok("rm", "-f", name)


def test_a_signal_ends_the_policy(docker, run):
    name = run("--restart", "unless-stopped", "host", "sleep", "1000")
    docker.ok("kill", name)
    assert state(docker, name)["Status"] == "exited"
    assert inspect(docker, name)["RestartCount"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--restart", "on-failure:-1"], "maximum retry count cannot be negative"),
        (["--restart", "always:3"], "maximum retry count can only be used with 'on-failure'"),
        (["--restart", "sometimes"], "unknown policy 'sometimes'"),
        (["--health-cmd", "true", "--health-interval", "1ns"], "Interval in Healthcheck cannot be less than 1ms"),
    ],
)
def test_wrong_policies_and_checks(docker, words, told):
    code, _, err = docker("create", *words, "host", "true")
    assert code != 0
    assert told in err


def test_health(docker, run):
    name = run(
        *("--health-cmd", "cat /tmp/fine", "--health-interval", "100ms", "--health-retries", "2"),
        *("host", "sleep", "1000"),
    )
    assert state(docker, name)["Health"]["Status"] in {"starting", "unhealthy"}
    until(lambda: state(docker, name)["Health"]["Status"] == "unhealthy")
    assert "(unhealthy)" in docker.ok("ps", "--format", "{{.Status}}", "--filter", f"id={name}")
    health = state(docker, name)["Health"]
    assert health["FailingStreak"] >= 2
    assert "No such file" in health["Log"][-1]["Output"]
    assert health["Log"][-1]["ExitCode"] == 1
    docker.ok("exec", name, "sh", "-c", "echo well >/tmp/fine")
    until(lambda: state(docker, name)["Health"]["Status"] == "healthy")
    health = state(docker, name)["Health"]
    assert health["FailingStreak"] == 0
    assert health["Log"][-1]["Output"] == "well\n"
    assert len(health["Log"]) <= 5
    told = docker.ok(
        "events",
        "--since",
        "1000s",
        "--until",
        str(int(time.time()) + 1),
        "--filter",
        f"container={name}",
        "--format",
        "{{.Action}}",
    )
    assert [line for line in told.splitlines() if line.startswith("health_status")] == [
        "health_status: unhealthy",
        "health_status: healthy",
    ]


def test_a_check_that_hangs_is_a_failure_and_does_not_stay(docker, run):
    name = run(
        *("--health-cmd", "echo begun; exec sleep 987", "--health-interval", "50ms", "--health-timeout", "200ms"),
        *("--health-retries", "1", "host", "sleep", "1000"),
    )
    until(lambda: state(docker, name)["Health"]["Status"] == "unhealthy")
    result = state(docker, name)["Health"]["Log"][0]
    assert result["ExitCode"] == -1
    assert "Health check exceeded timeout (200ms)" in result["Output"]
    docker.ok("kill", name)


def test_failures_in_the_start_period_do_not_count(docker, run):
    name = run(
        *("--health-cmd", "false", "--health-interval", "50ms", "--health-start-interval", "50ms"),
        *("--health-retries", "1", "--health-start-period", "100s", "host", "sleep", "1000"),
    )
    health = until(lambda: (found := state(docker, name)["Health"]) and len(found["Log"]) >= 3 and found)
    assert health["Status"] == "starting"
    assert health["FailingStreak"] == 0


def test_no_check_where_none_is_wanted(docker, run):
    name = run("--no-healthcheck", "host", "sleep", "1000")
    assert "Health" not in state(docker, name)


@pytest.mark.needs("limits")
def test_update_changes_limits_while_it_runs(docker, run):
    name = run("-m", "64m", "host", "sleep", "1000")
    docker.ok("update", "-m", "200m", "--memory-swap", "300m", "--pids-limit", "50", "--cpus", "0.5", name)
    host = inspect(docker, name)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (200 << 20, 300 << 20, 50)
    assert docker("exec", name, "dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1")[0] == 0
    docker.ok("update", "-m", "64m", "--memory-swap", "64m", name)
    assert docker("exec", name, "dd", "if=/dev/zero", "of=/dev/null", "bs=150M", "count=1")[0] == 137


def test_update_of_the_restart_policy(docker, run):
    name = run("host", "sleep", "1000")
    docker.ok("update", "--restart", "on-failure:3", name)
    assert inspect(docker, name)["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    docker.ok("update", "--restart", "no", name)


def test_update_while_it_waits_for_its_next_start_ends_the_loop(docker, run):
    name = run("--restart", "always", "host", "false")
    until(lambda: state(docker, name)["Status"] == "restarting")
    docker.ok("update", "--restart", "no", name)
    until(lambda: state(docker, name)["Status"] == "exited")  # the start that was due is the last one


@pytest.mark.needs("limits")
def test_update_of_what_does_not_run_holds_for_its_start(docker, run):
    name = run("-m", "64m", "--pids-limit", "20", "host", "sh", "-c", "exec sleep 1000")
    docker.ok("kill", name)
    docker.ok("update", "--pids-limit", "3", name)
    docker.ok("start", name)
    code, _, _ = docker("exec", name, "sh", "-c", "sleep 0 & sleep 0 & sleep 0 & sleep 0 & wait")
    assert code != 0


def test_health_of_what_is_not_checked(docker, run):
    """As Docker: what nobody checks is unhealthy, and the results outlive a start."""
    name = run("--health-cmd", "true", "--health-interval", "50ms", "host", "sleep", "1000")
    until(lambda: state(docker, name)["Health"]["Status"] == "healthy")
    docker.ok("kill", name)
    assert state(docker, name)["Health"]["Status"] == "unhealthy"
    docker.ok("update", "--restart", "no", name)
    docker.ok("start", name)
    assert state(docker, name)["Health"]["Log"]
    until(lambda: state(docker, name)["Health"]["Status"] == "healthy")


@pytest.mark.needs("limits")
def test_any_signal_thaws_what_chose_no_stop_signal(docker, run):
    name, other = (run(*words, "host", "sleep", "1000") for words in ([], ["--stop-signal", "TERM"]))
    docker.ok("pause", name, other)
    docker.ok("kill", "-s", "WINCH", name, other)
    assert state(docker, name)["Status"] == "running"
    assert state(docker, other)["Status"] == "paused"


def test_what_update_refuses(docker, run):
    name = run("host", "sleep", "1000")
    assert "Minimum memory limit allowed is 6MB" in docker("update", "-m", "1m", name)[2]
    assert docker("update", "--restart", "no", "no-such-container")[0] == 1
