"""docker-py, Docker's own client for Python: what programs do with it, done with this engine."""

import gc
import hashlib
import io
import socket
import tarfile
import threading
import time

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound
from docker.types import EndpointConfig, Healthcheck, IPAMConfig, IPAMPool, LogConfig, Mount, Ulimit
from docker.utils.socket import frames_iter

from tests.engines import own_engine
from tests.registry import busybox_layer

# docker-py leaves it to the garbage collector to close the connections of its streams.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

IMAGE = "tree:1"
SECOND = 10**9


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with own_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture(scope="module")
def client(engine):
    client = docker.DockerClient(base_url=engine.address, timeout=60)
    client.api.import_image_from_data(busybox_layer().bytes(), repository="tree", tag="1", changes=['CMD ["sh"]'])
    yield client
    client.close()


@pytest.fixture(autouse=True)
def nothing_left(client):
    yield
    gc.collect()  # while the warnings about them are off
    for one in client.containers.list(all=True):
        one.remove(force=True, v=True)
    client.networks.prune()


def sleeping(client, **options):
    return client.containers.run(IMAGE, "sleep 600", detach=True, stop_signal="SIGKILL", **options)


def test_run(client):
    assert client.containers.run(IMAGE, "echo hello") == b"hello\n"
    assert client.containers.run(IMAGE, ["sh", "-c", "echo out; echo error >&2"], stderr=True, remove=True) == (
        b"out\nerror\n"
    )
    with pytest.raises(ContainerError) as caught:
        client.containers.run(IMAGE, "sh -c 'echo bad >&2; exit 3'", remove=True)
    assert (caught.value.exit_status, caught.value.stderr) == (3, b"bad\n")
    with pytest.raises(ImageNotFound):
        client.containers.create("no-such-image:1")
    with pytest.raises(APIError) as refused:
        client.containers.run(IMAGE, "no-such-program")
    assert refused.value.status_code == 400


@pytest.mark.needs("limits")
def test_life(client):
    one = client.containers.create(IMAGE, "sleep 600", name="mine", labels={"a": "b"}, stop_signal="SIGKILL")
    assert (one.status, one.name, one.labels) == ("created", "mine", {"a": "b"})
    one.start()
    one.pause()
    one.reload()
    assert one.status == "paused"
    one.unpause()
    one.rename("other")
    one.restart(timeout=1)
    one.update(mem_limit="64m", memswap_limit="64m")
    one.reload()
    assert (one.status, one.name, one.attrs["HostConfig"]["Memory"]) == ("running", "other", 64 << 20)
    assert [each.name for each in client.containers.list(filters={"label": "a=b"})] == ["other"]
    one.stop()
    assert one.wait() == {"StatusCode": 137}
    with pytest.raises(APIError) as refused:
        one.kill()
    assert refused.value.status_code == 409
    one.remove()
    with pytest.raises(NotFound):
        client.containers.get("other")


def test_wait_conditions(client):
    one = client.containers.create(IMAGE, "sh -c 'exit 5'")
    found = []
    waiting = threading.Thread(target=lambda: found.append(one.wait(condition="next-exit")))
    waiting.start()
    one.start()
    waiting.join()
    assert found[0]["StatusCode"] == 5
    assert one.wait(condition="not-running")["StatusCode"] == 5


@pytest.mark.needs("other-users")
def test_exec(client):
    one = sleeping(client, environment={"A": "1"})
    assert one.exec_run("sh -c 'echo $A; exit 3'") == (3, b"1\n")
    assert one.exec_run(["sh", "-c", "echo out; echo error >&2"], demux=True).output == (b"out\n", b"error\n")
    assert one.exec_run("id -un", user="app").output == b"app\n"
    assert one.exec_run("pwd", workdir="/etc").output == b"/etc\n"
    assert one.exec_run("sh -c 'echo $B'", environment=["B=2"]).output == b"2\n"
    assert b"".join(one.exec_run("seq 3", stream=True).output) == b"1\n2\n3\n"
    assert one.exec_run("no-such-program").exit_code == 127
    assert one.exec_run("sleep 600", detach=True).exit_code is None


def test_exec_by_its_socket(client):
    one = sleeping(client)
    made = client.api.exec_create(one.id, "cat", stdin=True)["Id"]
    stream = client.api.exec_start(made, socket=True)
    stream._sock.sendall(b"through and back\n")
    stream._sock.shutdown(socket.SHUT_WR)
    assert list(frames_iter(stream, tty=False)) == [(1, b"through and back\n")]
    stream.close()
    assert client.api.exec_inspect(made)["ExitCode"] == 0


def test_exec_with_a_terminal(client):
    one = sleeping(client)
    made = client.api.exec_create(one.id, "sh -c 'read line; stty size'", stdin=True, tty=True)["Id"]
    stream = client.api.exec_start(made, tty=True, socket=True)
    client.api.exec_resize(made, height=33, width=77)
    stream._sock.sendall(b"\n")
    assert b"".join(data for _, data in frames_iter(stream, tty=True)).endswith(b"33 77\r\n")
    stream.close()


def test_attach(client):
    one = client.containers.create(IMAGE, ["sh", "-c", "echo out; echo error >&2"])
    stream = one.attach(stream=True, demux=True)
    one.start()
    pieces = list(stream)
    assert b"".join(out or b"" for out, _ in pieces) == b"out\n"
    assert b"".join(error or b"" for _, error in pieces) == b"error\n"


def test_stdin_to_its_end(client):
    made = client.api.create_container(
        IMAGE, "md5sum", stdin_open=True, host_config=client.api.create_host_config(), detach=False
    )
    one = client.containers.get(made["Id"])
    stream = one.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    one.start()
    data = b"0123456789abcdef" * 65536
    stream._sock.sendall(data)
    stream._sock.shutdown(socket.SHUT_WR)
    assert list(frames_iter(stream, tty=False)) == [(1, f"{hashlib.md5(data).hexdigest()}  -\n".encode())]
    stream.close()


def test_logs(client):
    one = client.containers.run(IMAGE, ["sh", "-c", "for i in 1 2 3; do echo $i; done; sleep 600"], detach=True)
    follow = one.logs(stream=True, follow=True)
    assert [next(follow) for _ in range(3)] == [b"1\n", b"2\n", b"3\n"]
    one.kill()
    assert list(follow) == []
    assert one.logs(tail=2) == b"2\n3\n"
    assert one.logs(timestamps=True, tail=1).endswith(b"Z 3\n")
    assert one.logs(since=int(time.time()) + 1000) == b""
    assert one.logs(stdout=False, stderr=True) == b""


def packed(name, data, **fields):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        for field, value in fields.items():
            setattr(member, field, value)
        tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.needs("other-users")
@pytest.mark.parametrize("running", [True, False])
def test_archives(client, running):
    one = sleeping(client) if running else client.containers.create(IMAGE)
    assert one.put_archive("/tmp", packed("file", b"there and back", uid=1000, mode=0o640))
    stream, status = one.get_archive("/tmp/file")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        member = tar.getmember("file")
        assert (tar.extractfile(member).read(), member.uid, member.mode) == (b"there and back", 1000, 0o640)
    assert (status["name"], status["size"], status["mode"]) == ("file", 14, 0o640)
    with pytest.raises(NotFound):
        one.get_archive("/not/there")
    assert {"Path": "/tmp/file", "Kind": 1} in one.diff()


def test_export_and_commit(client):
    one = client.containers.run(IMAGE, "sh -c 'echo kept >/kept'", detach=True)
    one.wait()
    with tarfile.open(fileobj=io.BytesIO(b"".join(one.export()))) as tar:
        assert tar.extractfile("kept").read() == b"kept\n"
    image = one.commit("committed", "1", message="said", changes="CMD cat /kept")
    assert client.containers.run("committed:1", remove=True) == b"kept\n"
    one.remove()
    client.images.remove(image.id, force=True)


def test_events(client):
    began = int(time.time())
    events = client.events(decode=True, since=began, filters={"type": "container", "label": "of=events"})
    client.containers.run(IMAGE, "true", labels={"of": "events"}, remove=True)
    seen = []
    for event in events:
        seen.append(event["Action"])
        if event["Action"] == "destroy":
            break
    events.close()
    assert seen == ["create", "start", "die", "destroy"]


@pytest.mark.needs("limits")
def test_stats_and_top(client):
    one = sleeping(client, mem_limit="64m")
    sample = one.stats(stream=False)
    assert 0 < sample["memory_stats"]["usage"] < sample["memory_stats"]["limit"] == 64 << 20
    assert sample["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert sample["pids_stats"]["current"] == 1
    top = one.top()
    assert [row[top["Titles"].index("CMD")] for row in top["Processes"]] == ["sleep 600"]


def test_health(client):
    check = Healthcheck(test=["CMD-SHELL", "test -e /well"], interval=SECOND // 10, timeout=SECOND * 5, retries=2)
    one = sleeping(client, healthcheck=check)
    began = {"container": one.id, "event": "health_status"}
    for word, change in (("unhealthy", "touch /well"), ("healthy", "true")):
        events = client.events(decode=True, since=1, filters=began)
        assert any(event["Action"] == f"health_status: {word}" for event in events)
        events.close()
        one.reload()
        assert one.health == word
        one.exec_run(change)


def test_networks(client):
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet="10.89.1.0/24")])
    network = client.networks.create("backend", labels={"a": "b"}, ipam=pool, check_duplicate=True)
    config = {"backend": EndpointConfig("1.44", aliases=["db"], ipv4_address="10.89.1.9")}
    server = sleeping(client, name="server", network="backend", networking_config=config)
    other = sleeping(client)
    network.connect(other, aliases=["web"])
    assert [other.exec_run(f"ping -c1 -w5 {name}").exit_code for name in ("server", "db")] == [0, 0]
    assert server.exec_run("ping -c1 -w5 web").exit_code == 0
    server.reload()
    assert server.attrs["NetworkSettings"]["Networks"]["backend"]["IPAddress"] == "10.89.1.9"
    network.reload()
    assert {one.name for one in network.containers} == {"server", other.name}
    network.disconnect(other)
    assert other.exec_run("ping -c1 -w1 server").exit_code != 0
    with pytest.raises(APIError):
        network.remove()
    server.remove(force=True)
    network.remove()
    with pytest.raises(NotFound):
        client.networks.get("backend")


def test_volumes(client):
    volume = client.volumes.create("data", labels={"of": "test"})
    assert (
        client.containers.run(IMAGE, "sh -c 'echo kept >/d/file'", volumes={"data": {"bind": "/d"}}, remove=True) == b""
    )
    reading = Mount("/d", "data", read_only=True)
    assert client.containers.run(IMAGE, "cat /d/file", mounts=[reading], remove=True) == b"kept\n"
    with pytest.raises(ContainerError):
        client.containers.run(IMAGE, "touch /d/x", mounts=[reading], remove=True)
    assert [one.name for one in client.volumes.list(filters={"label": "of=test"})] == ["data"]
    volume.remove()
    with pytest.raises(NotFound):
        client.volumes.get("data")


def test_published_ports(client):
    server = sleeping(client, ports={"80/tcp": ("127.0.0.1", None)})
    server.exec_run(["sh", "-c", "echo served >/tmp/index.html; httpd -p 80 -h /tmp"])
    server.reload()
    ((address,),) = server.ports.values()
    with socket.create_connection((address["HostIp"], int(address["HostPort"])), 30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.endswith(b"served\n")


@pytest.mark.needs("limits")
@pytest.mark.needs("other-users")
def test_options(client):
    one = sleeping(
        client,
        cap_drop=["ALL"],
        dns=["10.0.0.1"],
        environment=["A=1"],
        extra_hosts={"name": "10.0.0.2"},
        hostname="here",
        init=True,
        log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
        mem_limit="64m",
        nano_cpus=500_000_000,
        pids_limit=20,
        read_only=True,
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
        security_opt=["no-new-privileges"],
        shm_size="1m",
        tmpfs={"/scratch": "size=1m"},
        ulimits=[Ulimit(name="nofile", soft=100, hard=200)],
        user="app",
        working_dir="/tmp",
    )
    script = "hostname; id -un; pwd; ulimit -n; grep -c 10.0.0.2 /etc/hosts; "
    script += "touch /x || touch /scratch/x && echo written"
    assert one.exec_run(["sh", "-c", script], demux=True).output[0] == b"here\napp\n/tmp\n100\n1\nwritten\n"
    host = one.attrs["HostConfig"]
    assert (host["NanoCpus"], host["PidsLimit"], host["ShmSize"], host["Init"]) == (500_000_000, 20, 1 << 20, True)


def test_the_engine(client):
    assert client.ping()
    assert client.version()["ApiVersion"] == "1.51"
    assert client.info()["OSType"] == "linux"
    assert {"Images", "Containers", "Volumes"} <= set(client.df())


def test_images(client):
    image = client.images.get(IMAGE)
    assert image.tag("again", "2")
    assert "again:2" in [tag for one in client.images.list("again") for tag in one.tags]
    assert client.images.get("again:2").id == image.id
    client.images.remove("again:2")
    assert image.history()


def test_prune(client):
    one = client.containers.create(IMAGE, labels={"of": "prune"})
    client.networks.create("unused", labels={"of": "prune"})
    client.volumes.create("unused", labels={"of": "prune"})
    filters = {"label": ["of=prune"]}
    assert client.containers.prune(filters)["ContainersDeleted"] == [one.id]
    assert client.networks.prune(filters)["NetworksDeleted"] == ["unused"]
    assert client.volumes.prune({**filters, "all": True})["VolumesDeleted"] == ["unused"]
