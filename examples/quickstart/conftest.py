"""Two services of the image "host": the programs of this machine, isolated; nothing is downloaded."""

from pytest_containers import container, network, wait

SERVER = "python3 -m http.server --directory /srv 8000"

backend = network(scope="session")
web = container("host", SERVER, scope="session", network=backend, wait=wait.port(8000))
other = container("host", SERVER, wait=wait.port(8000))  # the same port: no clash, each has an address of its own
