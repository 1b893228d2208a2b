"""docker cp, diff, export and commit against our engine."""

import io
import os
import shutil
import tarfile

import pytest

from tests import roots
from tests.clients.conftest import serving
from tests.registry import Layer, busybox_layer

pytestmark = [
    pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command (tests/run installs it)"),
]


@pytest.fixture(scope="module", params=roots.WAYS)
def way(request):
    return request.param


@pytest.fixture(scope="module")
def docker(way, tmp_path_factory):
    directory = tmp_path_factory.mktemp("engine")
    roots.remember(way, directory / "data")
    with serving(directory, PYTEST_CONTAINERS_DATA=str(directory / "data")) as docker:
        yield docker


@pytest.fixture(scope="module")
def image(docker):
    docker.ok("import", "-", "files:1", stdin=busybox_layer().bytes())
    return "files:1"


@pytest.fixture(params=["running", "created"])
def target(docker, image, request):
    if request.param == "running":
        made = docker.ok("run", "-d", image, "sleep", "1000")
    else:
        made = docker.ok("create", image, "true")
    yield made
    docker("rm", "-f", made)


@pytest.fixture
def tree(tmp_path):
    """A directory with what copies get wrong: links, modes, times, a file with two names, an empty directory."""
    top = tmp_path / "tree"
    (top / "sub/empty").mkdir(parents=True)
    (top / "f").write_bytes(os.urandom(300_000))
    (top / "f").chmod(0o4751)
    (top / "near").symlink_to("f")
    (top / "sub/l").symlink_to("../f")
    (top / "sub/abs").symlink_to("/etc/passwd")
    (top / "sub/broken").symlink_to("nothing")
    os.link(top / "f", top / "sub/h")
    (top / "sub").chmod(0o2711)
    os.utime(top / "f", (1_500_000_000, 1_500_000_000))
    return top


def describe(top):
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        kind = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(top))] = (oct(status.st_mode), kind, path.is_file() and int(status.st_mtime))
    return found


def test_a_tree_comes_back_as_it_went(docker, way, target, tree, tmp_path):
    docker.ok("cp", str(tree), f"{target}:/home")
    docker.ok("cp", f"{target}:/home/tree", str(tmp_path / "back"))
    assert describe(tmp_path / "back") == describe(tree)
    if way != "fuse-overlayfs":  # started anew, it has a number of its own for each name of a file
        assert (tmp_path / "back/f").stat().st_ino == (tmp_path / "back/sub/h").stat().st_ino


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        ("tree", "/home", "/home/tree/f"),
        ("tree/.", "/home", "/home/f"),
        ("tree", "/home/new", "/home/new/f"),
        ("tree/f", "/home", "/home/f"),
        ("tree/f", "/home/g", "/home/g"),
        ("tree/f", "/var/to-home/", "/home/f"),
        ("tree/near", "/home", "/home/near"),
    ],
)
def test_where_a_copy_ends_up(docker, target, tree, tmp_path, source, destination, expected):
    docker.ok("cp", "-", f"{target}:/var", stdin=Layer().symlink("to-home", "/home").bytes())
    docker.ok("cp", f"{tree.parent}/{source}", f"{target}:{destination}")
    docker.ok("cp", f"{target}:{expected}", str(tmp_path / "back"))
    assert os.path.lexists(tmp_path / "back")


def test_a_link_is_copied_and_followed_where_asked(docker, target, tree, tmp_path):
    docker.ok("cp", str(tree), f"{target}:/home")
    docker.ok("cp", f"{target}:/home/tree/near", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    docker.ok("cp", "-L", f"{target}:/home/tree/near", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_bytes() == (tree / "f").read_bytes()
    docker.ok("cp", "-L", str(tree / "near"), f"{target}:/home/followed")
    docker.ok("cp", f"{target}:/home/followed", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tree / "f").read_bytes()


@pytest.mark.needs("other-users")
def test_owners_of_an_archive(docker, image):
    for words, expected in (((), (1000, 2000)), (("-a",), (7, 8))):
        made = docker.ok("create", "-u", "7:8", image, "true")
        docker.ok("cp", *words, "-", f"{made}:/home", stdin=Layer().add("f", uid=1000, gid=2000).bytes())
        ran = docker.popen("cp", f"{made}:/home/f", "-")
        with tarfile.open(fileobj=io.BytesIO(ran.communicate()[0])) as archive:
            member = archive.next()
        assert (member.uid, member.gid) == expected
        docker.ok("rm", made)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ID:/nothing", "/tmp"), "Could not find the file /nothing in container ID"),
        (("no-such:/etc", "/tmp"), "No such container: no-such"),
        (("/etc/hostname", "ID:/nothing/x"), "Could not find the file /nothing in container ID"),
        (("/etc", "ID:/etc/passwd"), "cannot copy directory"),
        (("/etc/hostname", "ID:/etc/passwd/"), "no such directory"),
    ],
)
def test_errors_are_dockers(docker, target, words, told):
    code, _, err = docker("cp", *(word.replace("ID", target) for word in words))
    assert code == 1
    assert told.replace("ID", target) in err


def test_a_file_may_not_replace_a_directory(docker, target, tree):
    docker.ok("cp", "-", f"{target}:/home", stdin=Layer().directory("f").bytes())
    code, _, err = docker("cp", f"{tree}/.", f"{target}:/home")
    assert (code, "cannot overwrite directory" in err) == (1, True)


def test_large_files_both_ways(docker, target, tmp_path):
    data = os.urandom(1 << 20) * 24
    (tmp_path / "large").write_bytes(data)
    docker.ok("cp", str(tmp_path / "large"), f"{target}:/home/large")
    docker.ok("cp", f"{target}:/home/large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_diff_lists_changes_and_not_the_engines_files(docker, image):
    made = docker.ok("create", image, "sh", "-c", "echo x > /home/new; rm /etc/group; echo y >> /etc/passwd")
    assert docker.ok("diff", made) == ""
    docker.ok("start", "-a", made)
    assert sorted(docker.ok("diff", made).splitlines()) == [
        "A /home/new",
        "C /etc",
        "C /etc/passwd",
        "C /home",
        "D /etc/group",
    ]
    docker.ok("rm", made)


def test_an_export_can_be_imported(docker, target):
    docker.ok("cp", "-", f"{target}:/home", stdin=Layer().add("f", data=b"through").bytes())
    exported = docker.popen("export", target).communicate()[0]
    docker.ok("import", "-c", 'CMD ["cat", "/home/f"]', "-", "again:1", stdin=exported)
    assert docker.ok("run", "--rm", "again:1") == "through"
    docker.ok("rmi", "again:1")


def test_a_commit_of_a_commit(docker, image):
    made = docker.ok("run", "-d", image, "sh", "-c", "echo one > /home/f; rm -r /var; sleep 1000")
    while docker("cp", f"{made}:/var", "-")[0] == 0:
        pass  # the container has not come as far
    first = docker.ok("commit", "-m", "why", "-a", "me", made, "committed:1")
    docker.ok("rm", "-f", made)
    made = docker.ok("create", "committed:1", "sh", "-c", "echo two >> /home/f; mkdir /var")
    docker.ok("start", "-a", made)
    docker.ok("commit", "-c", 'CMD ["sh", "-c", "cat /home/f; ls -a /var"]', "-c", "ENV A=b", made, "committed:2")
    docker.ok("rm", made)
    assert docker.ok("run", "--rm", "committed:2").split() == ["one", "two", ".", ".."]
    assert docker.ok("inspect", "-f", "{{.Id}} {{.Author}} {{.Comment}}", "committed:1") == f"{first} me why"
    assert docker.ok("inspect", "-f", "{{len .RootFS.Layers}} {{.Config.Env}}", "committed:2") == "3 [A=b]"
    docker.ok("rmi", "committed:2", "committed:1")


def test_files_of_the_machines_own_image(docker, way, tmp_path):
    if way == "copies":
        assert "the image host cannot be used here" in docker("create", "host", "true")[2]
        return
    (tmp_path / "f").write_text("copied")
    made = docker.ok("create", "host", "cat", "/var/f")
    docker.ok("cp", str(tmp_path / "f"), f"{made}:/var/f")
    assert docker.ok("start", "-a", made) == "copied"
    assert "A /var/f" in docker.ok("diff", made).splitlines()
    docker.ok("cp", f"{made}:/usr/bin/env", str(tmp_path / "env"))
    assert (tmp_path / "env").stat().st_size > 0
    docker.ok("rm", made)
