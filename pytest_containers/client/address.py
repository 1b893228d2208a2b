"""Where an engine listens, as DOCKER_HOST and docker's contexts say it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pytest_containers.client.errors import EngineUnreachable

KINDS = "unix:///path/to/socket, tcp://host:port or ssh://user@host"
PLAIN_PORT, TLS_PORT, SSH_PORT = 2375, 2376, 22


class TLS(NamedTuple):
    """Files for a connection by TLS, empty where there is none; ``verify``: whether the engine must prove who it is."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True


class Address(NamedTuple):
    """Where an engine listens: ``path`` of a unix socket, or ``host`` and ``port``, by ``tls`` where it is given.

    By ``ssh`` it is reached by docker's command there; ``path`` is then the socket there, where one is named.
    """

    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    tls: TLS | None = None
    ssh: bool = False
    user: str = ""

    @property
    def local(self) -> bool:
        """Whether it is a socket of this machine."""
        return bool(self.path) and not self.ssh


def parse_address(url: str, tls: TLS | None = None) -> Address:
    """Parse ``unix:///path``, ``tcp://host:port``, ``ssh://user@host:port/path`` or a bare absolute path.

    ``tls``: for tcp; without it, DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH say.

    Raises:
        EngineUnreachable: it is none of these, or a file for TLS is missing.
    """
    if url.startswith("/"):
        return Address(f"unix://{url}", path=url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EngineUnreachable(f"bad engine address {url!r}: {error}") from None
    host = parts.hostname or ""
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return Address(url, path=parts.path)
    if parts.scheme in {"tcp", "http"} and host and parts.path in {"", "/"}:
        tls = tls or tls_of_environment()
        return Address(url, host=host, port=port or (TLS_PORT if tls else PLAIN_PORT), tls=tls)
    # What ssh would take for an option is nobody's name (docker's connhelper/ssh refuses the same).
    if parts.scheme == "ssh" and host and not host.startswith("-") and not (parts.username or "").startswith("-"):
        if parts.password is not None or parts.query or parts.fragment:
            raise EngineUnreachable(f"bad engine address {url!r}: ssh:// takes no password, and nothing after the path")
        path = parts.path if parts.path.strip("/") else ""
        return Address(url, path=path, host=host, port=port or 0, ssh=True, user=parts.username or "")
    raise EngineUnreachable(f"bad engine address {url!r}: expected {KINDS}")


def docker_config() -> Path:
    """The directory of docker's command: DOCKER_CONFIG, else ~/.docker."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def tls_of_environment() -> TLS | None:
    """What DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH say, as docker's command takes it (cli/flags/options.go).

    Raises:
        EngineUnreachable: only some of the files are there.
    """
    verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not os.environ.get("DOCKER_TLS"):
        return None
    given = os.environ.get("DOCKER_CERT_PATH")
    return tls_files(Path(given) if given else docker_config(), verify=verify)


def tls_files(directory: Path, *, verify: bool) -> TLS:
    """The files ca.pem, cert.pem and key.pem of a directory, as far as they are there.

    Raises:
        EngineUnreachable: one of certificate and key is missing.
    """
    ca, cert, key = (
        os.fspath(path) if (path := directory / name).is_file() else "" for name in ("ca.pem", "cert.pem", "key.pem")
    )
    if bool(cert) != bool(key):
        raise EngineUnreachable(f"TLS needs both cert.pem and key.pem, and {directory} has only one of them")
    return TLS(ca, cert, key, verify)
