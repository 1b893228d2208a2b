"""What the launcher removes at its end."""

from container_runtime.launcher import bounds


def test_the_directories_of_the_run_and_nothing_that_they_point_to(tmp_path):
    run, layers, other = tmp_path / "run", tmp_path / "layers", tmp_path / "other"
    for directory in (run / "containers", layers / "a/work/work", other):
        directory.mkdir(parents=True)
    (other / "file").write_text("stays")
    (layers / "a/file").write_text("goes")
    (layers / "a/link").symlink_to(other)
    (layers / "a/dangling").symlink_to("nowhere")
    (layers / "a/work/work").chmod(0)
    (run / "ledger").write_text(f"cgroup /sys/fs/cgroup/x\ndirectory {layers}\n")
    bounds.remove_run(str(run))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (other / "file").read_text() == "stays"


def test_what_has_gone_already_is_no_error(tmp_path):
    (tmp_path / "ledger").write_text("directory /nowhere/layers-of-runs/x\n")
    bounds.remove_run(str(tmp_path))
    assert not tmp_path.exists()
