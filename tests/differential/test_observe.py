"""Statistics, processes, and what the engine says of itself."""

import json

from tests.differential.client import pick
from tests.differential.same import same


def shape(value):
    """Names and kinds of what is there, in place of numbers."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in sorted(value.items())}
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


PARTS = ("read", "preread", "pids_stats", "num_procs", "cpu_stats", "precpu_stats", "name", "id", "networks")


@same
def test_stats(api):
    one = api.run(Host={"NetworkMode": "bridge"})
    found = api.get(f"/containers/{one}/stats", stream=0).json
    return {name: shape(found.get(name)) for name in PARTS if not name.startswith(("cpu", "precpu"))}


@same
def test_stats_of_processors(api):
    one = api.run()
    found = api.get(f"/containers/{one}/stats", stream=0).json
    return shape(found["cpu_stats"]), shape(found["precpu_stats"])


@same
def test_stats_of_memory(api):
    one = api.run(Host={"Memory": 64 << 20})
    found = api.get(f"/containers/{one}/stats", stream=0, **{"one-shot": 1}).json["memory_stats"]
    return found["limit"], 0 < found["usage"] < 64 << 20, "stats" in found


@same
def test_stats_at_once(api):
    one = api.run()
    found = api.get(f"/containers/{one}/stats", stream=0, **{"one-shot": 1}).json
    return found["preread"], found["pids_stats"]["current"], found["precpu_stats"]["cpu_usage"]["total_usage"]


@same
def test_stats_of_what_does_not_run(api):
    answer = api.get(f"/containers/{api.create()}/stats", stream=0, **{"one-shot": 1})
    return answer.status, answer.json["read"], answer.json["memory_stats"]


@same
def test_stats_stream(api):
    one = api.run()
    with api.begin("GET", f"/containers/{one}/stats") as answer:
        first, second = json.loads(answer.readline()), json.loads(answer.readline())
    return second["preread"] == first["read"], first["name"]


@same
def test_top(api):
    one = api.run("sh", "-c", "sleep 600; true")
    api.execute(one, "true")
    found = api.get(f"/containers/{one}/top").json
    column = found["Titles"].index("CMD")
    return found["Titles"], sorted(row[column] for row in found["Processes"])


@same
def test_top_with_options(api):
    one = api.run()
    found = api.get(f"/containers/{one}/top", ps_args="-o pid,user,args").json
    return found["Titles"], [row[1:] for row in found["Processes"]]


@same
def test_top_refused(api):
    running, created = api.run(), api.create()
    return [
        api.get(f"/containers/{created}/top").status,
        api.get("/containers/nobody/top").status,
        api.get(f"/containers/{running}/top", ps_args="--nonsense").status,
        api.get(f"/containers/{running}/top", ps_args="-o comm").status,
    ]


@same
def test_version(api):
    found = api.get("/version").json
    return pick(found, ("ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion")), [
        name for name in ("Version", "Platform", "Components", "GitCommit", "GoVersion", "BuildTime") if name in found
    ]


INFO = (
    "ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus Plugins MemoryLimit "
    "SwapLimit CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit IPv4Forwarding Debug NFd OomKillDisable NGoroutines "
    "SystemTime LoggingDriver CgroupDriver CgroupVersion NEventsListener KernelVersion OperatingSystem OSVersion "
    "OSType Architecture IndexServerAddress RegistryConfig NCPU MemTotal DockerRootDir HttpProxy HttpsProxy NoProxy "
    "Name Labels ExperimentalBuild ServerVersion Runtimes DefaultRuntime Swarm LiveRestoreEnabled Isolation InitBinary "
    "SecurityOptions Warnings"
).split()


@same
def test_ping(api):
    found = [api.call(method, "/_ping") for method in ("GET", "HEAD")]
    names = (
        "Api-Version",
        "Ostype",
        "Docker-Experimental",
        "Content-Type",
        "Cache-Control",
        "Swarm",
    )
    return [(one.status, one.body, pick(one.headers, names)) for one in found]


@same
def test_disk_usage(api):
    found = api.get("/system/df").json
    images = next(row for row in found["Images"] if "tree:1" in row["RepoTags"])
    return sorted(set(found) & {"Images", "Containers", "Volumes", "BuildCache", "LayersSize"}), images["Size"] > 10**6


@same
def test_what_a_swarm_has(api):
    paths = ("/nodes", "/services", "/tasks", "/swarm")
    return [api.get(path).status for path in paths[:1]]
