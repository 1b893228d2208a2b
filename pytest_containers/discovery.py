"""Where engines of other people are: what the user has named, and the sockets that are known.

What the user has named (DOCKER_HOST, a context) is taken as it is, even if nobody answers there: another engine in its
place would be a surprise. Sockets that are merely known have to take connections.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_containers.client.address import Address, docker_config, parse_address, tls_files
from pytest_containers.client.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

DOCKER_SOCKET = "/var/run/docker.sock"
DEFAULT_CONTEXT = "default"
"""Docker's name for no context at all."""


@dataclass(frozen=True)
class Found:
    """An engine, and what led to it."""

    address: Address
    origin: str


@dataclass
class Search:
    """What was looked at, and why it did not do, a line for each."""

    tried: list[str] = field(default_factory=list[str])

    def no(self, what: str, reason: str) -> None:
        """Note what did not do."""
        self.tried.append(f"{what}: {reason}")

    def first(self, *places: Callable[[Search], Found | None]) -> Found | None:
        """The first engine of several places."""
        for place in places:
            found = place(self)
            if found is not None:
                return found
        return None


def docker(search: Search) -> Found | None:
    """As docker's command finds it, then Docker's other sockets."""
    return search.first(docker_host, context, docker_sockets)


def podman(search: Search) -> Found | None:
    """Podman's CONTAINER_HOST, then its sockets."""
    return search.first(container_host, podman_sockets)


def any_engine(search: Search) -> Found | None:
    """Docker's, then Podman's."""
    return search.first(docker, podman)


def docker_host(search: Search) -> Found | None:
    """What DOCKER_HOST says."""
    return _variable("DOCKER_HOST", search)


def container_host(search: Search) -> Found | None:
    """What CONTAINER_HOST says, which is Podman's."""
    return _variable("CONTAINER_HOST", search)


def _variable(name: str, search: Search) -> Found | None:
    url = os.environ.get(name)
    if not url:
        search.no(name, "not set")
        return None
    try:
        return Found(parse_address(url), name)
    except EngineUnreachable as error:
        raise EngineUnreachable(f"{name}: {error}") from None


# -- docker's contexts (docker/cli, cli/context/store: a directory for each, named by the digest of its name)


def context(search: Search) -> Found | None:
    """The context that DOCKER_CONTEXT or docker's configuration names.

    Raises:
        EngineUnreachable: it is named, and cannot be used.
    """
    directory = docker_config()
    name, where = os.environ.get("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
    if not name:
        where = os.fspath(directory / "config.json")
        name = _document(directory / "config.json").get("currentContext")
    if not name or name == DEFAULT_CONTEXT:
        search.no("docker context", f"none chosen (DOCKER_CONTEXT, {directory / 'config.json'})")
        return None
    what = f"docker context {name!r} ({where})"
    digest = sha256(str(name).encode()).hexdigest()
    meta = directory / "contexts/meta" / digest / "meta.json"
    if not meta.is_file():
        raise EngineUnreachable(f"{what}: there is no such context, see `docker context ls`")
    endpoint: object = _document(meta).get("Endpoints", {}).get("docker")
    host: object = endpoint.get("Host") if isinstance(endpoint, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if not isinstance(endpoint, dict) or not isinstance(host, str):
        raise EngineUnreachable(f"{what}: {meta} names no host for docker")
    insecure = bool(endpoint.get("SkipTLSVerify"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    try:
        files = tls_files(directory / "contexts/tls" / digest / "docker", verify=not insecure)
        return Found(parse_address(host, files if insecure or files.ca or files.cert else None), what)
    except EngineUnreachable as error:
        raise EngineUnreachable(f"{what}: {error}") from None


def _document(path: Path) -> dict[str, Any]:
    """A file's JSON object; an empty one where there is no file."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineUnreachable(f"{path} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise EngineUnreachable(f"{path} is no JSON object")
    return document  # pyright: ignore[reportUnknownVariableType]


# -- known sockets


def docker_sockets(search: Search) -> Found | None:
    """Docker's socket, and those of what serves it for one user."""
    home, runtime = Path.home(), _runtime()
    known = [
        ("Docker", Path(DOCKER_SOCKET)),
        *([("rootless Docker", runtime / "docker.sock")] if runtime else []),
        ("Docker Desktop", home / ".docker/run/docker.sock"),
        ("Docker Desktop", home / ".docker/desktop/docker.sock"),
        ("Colima", home / ".colima/default/docker.sock"),
        ("Colima", home / ".config/colima/default/docker.sock"),
        ("Rancher Desktop", home / ".rd/docker.sock"),
        ("OrbStack", home / ".orbstack/run/docker.sock"),
    ]
    return _first_that_listens(known, search)


def podman_sockets(search: Search) -> Found | None:
    """Podman's socket for this user, root's, and that of its machine on macOS."""
    home, runtime = Path.home(), _runtime()
    known = [
        ("Podman", Path("/run/podman/podman.sock")),
        *([("rootless Podman", runtime / "podman/podman.sock")] if runtime else []),
    ]
    if sys.platform == "darwin":  # Podman 5's, 4's and 3's
        machines = home / ".local/share/containers/podman/machine"
        known += [
            ("podman machine", Path(os.environ.get("TMPDIR", "/tmp")) / "podman/podman-machine-default-api.sock"),  # noqa: S108
            ("podman machine", machines / "podman.sock"),
            ("podman machine", machines / "podman-machine-default/podman.sock"),
            ("podman machine", machines / "qemu/podman.sock"),
        ]
    return _first_that_listens(known, search)


def _runtime() -> Path | None:
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given:
        return Path(given)
    usual = Path(f"/run/user/{os.geteuid()}")
    return usual if usual.is_dir() else None


def _first_that_listens(known: list[tuple[str, Path]], search: Search) -> Found | None:
    for who, path in known:
        reason = _obstacle(path)
        if not reason:
            return Found(parse_address(f"unix://{path}"), who)
        search.no(f"{path} ({who})", reason)
    return None


def _obstacle(path: Path) -> str:
    """Why nobody can be asked at a socket; empty where somebody can."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a queue that is full is somebody's
        try:
            number = probe.connect_ex(os.fspath(path))
        except OSError as error:  # a path that is too long for a socket
            return str(error)
    if number in {0, errno.EAGAIN, errno.EINPROGRESS}:
        return ""
    if number == errno.ECONNREFUSED:
        return "nobody listens"
    if number in {errno.EACCES, errno.EPERM}:
        return "this user may not use it"
    return "not there" if number in {errno.ENOENT, errno.ENOTDIR} else os.strerror(number).lower()
