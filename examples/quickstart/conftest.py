"""Services that every machine with Python has: the image "host" is this machine's own root, copy-on-write."""

from pytest_containers import Container, ContainerSpec, container, network, wait

PAGE = "import pathlib; pathlib.Path('/srv/index.html').write_text('written by {}')"
SERVE = 'python3 -c "$PAGE" && exec python3 -m http.server 8000 --directory /srv'
CLIENT = "import os, urllib.request as u; print(u.urlopen(os.environ['BACKEND'] + '/index.html').read().decode())"

backend = network(scope="session")


def web(name: str):
    env = {"PAGE": PAGE.format(name)}
    return container("host", ["sh", "-c", SERVE], scope="session", network=backend, env=env, wait=wait.port(8000))


first = web("first")
second = web("second")  # the same port once more: each container has an address of its own


@container.define(scope="module")
def client(first: Container) -> ContainerSpec:
    """A container that is told where another one is."""
    env = {"BACKEND": f"http://{first.address(8000)}"}
    return ContainerSpec("host", ["python3", "-c", CLIENT], network=first.network, env=env, wait=wait.log("written by"))
