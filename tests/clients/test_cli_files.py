"""``cp``, ``diff``, ``export``, ``commit`` and volumes with our command, beside docker's where the result is files."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile

import pytest

COMMAND = (sys.executable, "-m", "pytest_containers.cli.main")
HANG = 60
"""Seconds; a hang limit, not a measurement."""
LIST = "cd /t; find . -exec stat -c '%n %f %u:%g %h %N' {} + | sort"
PREPARE = (
    "mkdir -p /t/dir /t/out/x; cd /t; echo old >file; ln -s dir dlink; ln -s new dangling; echo y >out/x/y; "
    "ln -s x out/xl"
)


@pytest.fixture
def ours(docker):
    environment = {**os.environ, "DOCKER_HOST": docker.command[2]}

    def ours(*words, stdin=b""):
        ran = subprocess.run([*COMMAND, *words], input=stdin, capture_output=True, timeout=HANG, env=environment)
        return ran.returncode, ran.stdout, ran.stderr.decode()

    yield ours
    docker("rm", "-f", "files")


def fresh(docker):
    docker("rm", "-f", "files")
    docker.ok("run", "-d", "--name", "files", "host", "sh", "-c", f"{PREPARE}; exec sleep 1000")
    while docker("exec", "files", "test", "-e", "/t/out/xl")[0]:
        pass  # each attempt waits for itself


@pytest.mark.parametrize(
    "words",
    ["src dir", "src new", "src/. new", "src/. dir", "file dir", "file file", "file new", "file nodir/", "src file",
     "file dlink", "file dangling", "link new", "-L link new", "nothing dir", "-a file dir"],
)  # fmt: skip
def test_into_a_container(docker, ours, tmp_path, monkeypatch, words):
    (tmp_path / "src/sub").mkdir(parents=True)
    (tmp_path / "src/a").write_text("1")
    (tmp_path / "src/a").chmod(0o751)
    os.link(tmp_path / "src/a", tmp_path / "src/h")
    (tmp_path / "src/sub/l").symlink_to("../a")
    (tmp_path / "file").write_text("f")
    (tmp_path / "link").symlink_to("file")
    monkeypatch.chdir(tmp_path)
    *flags, source, target = words.split()
    results = []
    for copy in (docker, ours):
        fresh(docker)
        code = copy("cp", *flags, source, f"files:/t/{target}")[0]
        results.append((code, docker.ok("exec", "files", "sh", "-c", LIST)))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "words", ["out dir", "out new", "out/. new", "out/x/y file", "out/x/y new", "out/x/y nodir/", "out file",
              "out/xl new", "-L out/xl new", "nothing dir", "out/x/y no/such"],
)  # fmt: skip
def test_out_of_a_container(docker, ours, tmp_path, monkeypatch, words):
    *flags, source, target = words.split()
    fresh(docker)
    results = []
    for index, copy in enumerate((docker, ours)):
        place = tmp_path / str(index)
        (place / "dir").mkdir(parents=True)
        (place / "file").write_text("old")
        monkeypatch.chdir(place)
        code = copy("cp", *flags, f"files:/t/{source}", target)[0]
        listed = subprocess.run(
            ["find", ".", "-printf", "%p %m %U:%G %l\n"], capture_output=True, text=True, check=True
        )
        results.append((code, sorted(listed.stdout.splitlines())))
    assert results[0] == results[1]


def test_archives_through_pipes(docker, ours):
    fresh(docker)
    code, archive, err = ours("cp", "files:/t/out", "-")
    assert (code, err) == (0, "")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert "out/x/y" in [name.rstrip("/") for name in opened.getnames()]
    assert ours("cp", "-", "files:/t/dir", stdin=archive) == (0, b"", "")
    assert docker.ok("exec", "files", "cat", "/t/dir/out/x/y") == "y"
    assert ours("cp", "-", "files:/t/file", stdin=archive)[0] == 1


def test_changes(docker, ours):
    fresh(docker)
    assert b"A /t/out/x/y\n" in ours("diff", "files")[1]
    assert ours("diff", "files")[1].decode().strip() == docker.ok("diff", "files")


def test_import_export_commit(docker, ours, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        made.addfile(tarfile.TarInfo("inside"))
    code, out, err = ours("import", "-c", "CMD /none", "-", "cli-files:1", stdin=packed.getvalue())
    assert (code, err) == (0, "")
    assert out.startswith(b"sha256:")
    try:
        assert ours("create", "--name", "files", "cli-files:1")[0] == 0
        assert ours("export", "-o", f"{tmp_path}/files.tar", "files") == (0, b"", "")
        with tarfile.open(tmp_path / "files.tar") as opened:
            assert "inside" in opened.getnames()
        assert [path.name for path in tmp_path.iterdir()] == ["files.tar"]
        code, _, err = ours("export", "-o", "/no/such/directory/x", "files")
        assert (code, len(err.splitlines())) == (1, 1)
        assert ours("commit", "-m", "said", "-c", "ENV A=b", "files", "cli-files:2")[0] == 0
        assert docker.ok("image", "inspect", "-f", "{{.Comment}} {{.Config.Env}}", "cli-files:2").startswith("said [")
    finally:
        docker("rm", "-f", "files")
        code, out, _ = ours("rmi", "cli-files:2", "cli-files:1")
    assert code == 0
    assert b"Untagged: cli-files:1\n" in out


def test_volumes(docker, ours):
    assert ours("volume", "create", "--label", "a=b", "kept") == (0, b"kept\n", "")
    try:
        assert ours("run", "--rm", "-v", "kept:/data", "host", "sh", "-c", "echo 1 >/data/x")[0] == 0
        assert ours("run", "--rm", "--mount", "source=kept,target=/data", "host", "cat", "/data/x")[1] == b"1\n"
        for words in (["volume", "ls", "-f", "name=kept"], ["volume", "inspect", "kept"]):
            assert ours(*words)[1].decode().strip() == docker.ok(*words)
    finally:
        assert ours("volume", "rm", "kept")[:2] == (0, b"kept\n")
    assert ours("volume", "rm", "kept")[0] == 1
    assert ours("volume", "rm", "-f", "kept")[0] == 0
