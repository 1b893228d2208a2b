from container_runtime.images.model import chain_ids, image_of, sha256


def test_chain_ids() -> None:
    first, second = sha256(b"1"), sha256(b"2")
    assert chain_ids((first, second)) == (first, sha256(f"{first} {second}".encode()))
    assert chain_ids(()) == ()


def test_members_of_a_wrong_type_are_left_out() -> None:
    config = {"Env": 3, "Cmd": ["a", 1], "User": None, "Labels": [], "WorkingDir": "/w", "Entrypoint": ["x"], "Own": 1}
    image = image_of("sha256:1", {"config": config, "rootfs": 7, "history": {}}, tags=[], digests=[], size=0)
    assert image.config == {"WorkingDir": "/w", "Entrypoint": ["x"], "Own": 1}
    assert (image.diff_ids, image.history, image.os) == ((), (), "linux")
