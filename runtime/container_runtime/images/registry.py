"""A client of one registry's repository: manifests and blobs by the OCI distribution specification."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from container_runtime.errors import EngineError, NotFound, Unauthorized, Unavailable
from container_runtime.images.authentication import Authenticator
from container_runtime.images.files import as_list, as_object, parse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import requests

    from container_runtime.images.reference import Reference

MIRROR_VARIABLE = "PYTEST_CONTAINERS_REGISTRY_MIRROR"
INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFEST_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
MAX_MANIFEST = 4 << 20
"""Bytes; the distribution specification asks registries to take at least this much, and none takes more."""
_TIMEOUT = (10.0, 60.0)  # seconds to connect; seconds without a byte
_CHUNK = 1 << 18
_DOCKER_HUB = "registry-1.docker.io"


class TransferError(Unavailable):
    """The connection broke, or the registry had a fault of its own: worth another attempt."""


def is_loopback(registry: str) -> bool:
    """Whether ``registry`` (host and port) is this machine by its loopback interface; then plain http is spoken."""
    host = registry.rpartition(":")[0] if not registry.endswith("]") and ":" in registry else registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def endpoints(registry: str) -> list[str]:
    """The addresses to ask for a registry's content, in order: mirrors of docker.io first, where configured."""
    if registry != "docker.io":
        return [("http://" if is_loopback(registry) else "https://") + registry]
    mirrors = os.environ.get(MIRROR_VARIABLE, "").replace(",", " ").split()
    addresses = [mirror if "://" in mirror else endpoints(mirror)[0] for mirror in mirrors]
    return [*(address.rstrip("/") for address in addresses), f"https://{_DOCKER_HUB}"]


class Repository:
    """One repository at one address; safe for several threads."""

    def __init__(self, address: str, reference: Reference, credentials: dict[str, Any] | None) -> None:
        import requests

        self._reference = reference
        self._base = f"{address}/v2/{reference.repository}"
        self.host = address.partition("://")[2]
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "pytest-containers"
        if is_loopback(self.host):
            self._session.trust_env = False  # a proxy cannot know this machine's loopback
        scope = f"repository:{reference.repository}:pull"
        self._auth = Authenticator(credentials, scope, secure=address.startswith("https:"))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """A manifest or index by tag or digest: its bytes, media type and digest.

        Raises:
            NotFound: there is none.
            EngineError: it is not what its digest says, or too large.
        """
        headers = {"Accept": ", ".join([*INDEX_TYPES, *MANIFEST_TYPES])}
        with self._get(f"{self._base}/manifests/{wanted}", headers) as response:
            self._check(response, f"manifest for {self._reference.familiar} not found")
            data = b"".join(self._chunks(response, MAX_MANIFEST, "the manifest"))
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
            declared = response.headers.get("Docker-Content-Digest", "")
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        expected = wanted if wanted.startswith("sha256:") else declared
        if expected.startswith("sha256:") and digest != expected:
            raise EngineError(f"{self.host} sent a manifest with digest {digest} instead of {expected}: refused")
        return data, _media_type(data, kind), digest

    def blob(self, digest: str, size: int, target: IO[bytes], progress: Callable[[int], None]) -> None:
        """Write the blob to ``target``, verified: its size and digest are right when this returns.

        ``progress`` is called with the bytes so far, and may raise to end the transfer.

        Raises:
            NotFound: the registry does not have it.
            TransferError: the connection broke; ``target`` has a part of it.
            EngineError: the content is not what the digest says.
        """
        hashed, done = hashlib.sha256(), 0
        with self._get(f"{self._base}/blobs/{digest}", {}) as response:
            self._check(response, f"blob {digest} not found")
            for chunk in self._chunks(response, size, f"blob {digest}"):
                hashed.update(chunk)
                target.write(chunk)
                done += len(chunk)
                progress(done)
        if done != size:
            raise TransferError(f"registry {self.host} sent {done} of {size} bytes of {digest}")
        if "sha256:" + hashed.hexdigest() != digest:
            raise EngineError(
                f"blob {digest} from {self.host} is corrupt: its content has the digest sha256:{hashed.hexdigest()}"
            )

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Generator[requests.Response]:
        import requests

        try:
            response = self._session.get(url, headers=headers, auth=self._auth, timeout=_TIMEOUT, stream=True)
            if response.status_code == 401 and self._auth.answer(self._session, response, _TIMEOUT):
                response.close()
                response = self._session.get(url, headers=headers, auth=self._auth, timeout=_TIMEOUT, stream=True)
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        with response:
            yield response

    def _chunks(self, response: requests.Response, limit: int, what: str) -> Generator[bytes]:
        """The body as it is on the wire, of at most ``limit`` bytes."""
        import urllib3

        total = 0
        try:
            # decode_content off: a gzip layer is meant to stay one, whatever Content-Encoding says.
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                total += len(chunk)
                if total > limit:
                    raise EngineError(f"{self.host} sends more than the {limit} bytes that {what} may have: refused")
                yield chunk
        except urllib3.exceptions.HTTPError as error:
            raise TransferError(f"the connection to registry {self.host} broke during {what}: {error}") from None

    def _check(self, response: requests.Response, missing: str) -> None:
        """Turn an error status into what Docker says for it, because clients match on that."""
        status = response.status_code
        if status == 200:
            return
        name = self._reference.familiar_name
        detail = _error_detail(response)
        if status == 404 and "NAME_UNKNOWN" not in detail:
            raise NotFound(f"{missing}: manifest unknown on registry {self.host}; is the tag right?")
        if status in {401, 403, 404}:
            message = (
                f"pull access denied for {name}, repository does not exist or may require 'docker login': "
                f"registry {self.host} answers {status} {detail}"
            ).rstrip()
            raise NotFound(message) if status != 401 or not self._auth.has_credentials else Unauthorized(message)
        if status == 429:
            raise Unavailable(
                f"registry {self.host} answers 429: toomanyrequests: its limit of pulls is reached; log in, wait, "
                f"or set {MIRROR_VARIABLE} to a mirror {detail}".rstrip()
            )
        kind = TransferError if status >= 500 else EngineError
        raise kind(f"registry {self.host} answers {status} for {name}: {detail or response.reason}")

    def _unreachable(self, error: Exception) -> EngineError:
        reason = innermost(error)
        hint = "is it running?" if is_loopback(self.host) else "is the name right, and is there a network?"
        return Unavailable(f"cannot reach registry {self.host}: {reason}; {hint}")


def _media_type(data: bytes, header: str) -> str:
    """The type that the document itself states; the header's where it states none."""
    document = parse_object(data) or {}
    stated = document.get("mediaType")
    if isinstance(stated, str) and stated:
        return stated
    if header in INDEX_TYPES or header in MANIFEST_TYPES:
        return header
    return INDEX_TYPES[0] if "manifests" in document else MANIFEST_TYPES[0] if "layers" in document else header


def _error_detail(response: requests.Response) -> str:
    try:
        document = parse_object(response.raw.read(1 << 16, decode_content=True)) or {}
    except Exception:  # noqa: BLE001  whatever the body is, the status has been understood
        return ""
    first = as_object(next(iter(as_list(document.get("errors"))), None))
    text = f"{first.get('code', '')}: {first.get('message', '')}".strip(": ")
    return "".join(character for character in text[:300] if character.isprintable())


def innermost(error: BaseException) -> str:
    """The system's own words ("Connection refused") from below the layers of requests and urllib3."""
    seen: BaseException = error
    while True:
        below = seen.__cause__ or seen.__context__ or getattr(seen, "reason", None)
        if not isinstance(below, BaseException):
            break
        seen = below
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return str(seen) or type(seen).__name__
