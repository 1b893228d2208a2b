"""Sizes of trees and of layers that images share."""

import os

from container_runtime.engine.views import usage


def test_a_tree_counts_files_once_and_directories_not(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").write_bytes(b"x" * 1000)
    (tmp_path / "a/b/other").write_bytes(b"x" * 10)
    os.link(tmp_path / "a/file", tmp_path / "a/b/again")
    (tmp_path / "link").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    assert usage.tree_size([tmp_path]) == 1014
    assert usage.tree_size([tmp_path / "a/b", tmp_path / "no-such"]) == 1010
    assert usage.tree_size([]) == 0


def test_layers_that_several_images_have():
    layers = {"one": {"base": 100, "a": 1}, "two": {"base": 100, "b": 20}, "three": {"c": 300}, "host": {}}
    assert usage.shared_sizes(layers) == {"one": 100, "two": 100, "three": 0, "host": 0}
    assert usage.total_size(layers) == 421
