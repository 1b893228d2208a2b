"""Image names as Docker reads them: ``redis`` is ``docker.io/library/redis:latest``.

The grammar is that of distribution/reference (``reference.go``): a first component with a dot or a colon, or
``localhost``, is a registry; a repository is lower case; a digest fixes the content, a tag only names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from container_runtime.errors import InvalidParameter

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_LONGEST_NAME = 255  # distribution/reference, NameTotalLengthMax

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """A full name: registry, repository, and a tag or a digest (or both: then the digest counts)."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Registry and repository, as the store writes it: ``docker.io/library/redis``."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """Registry and repository as people write them: ``redis``."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        official = self.repository.removeprefix("library/")
        # "library/a/b" is not what "a/b" means, and "library/localhost" has to stay whole to be read back.
        return self.repository if "/" in official else official

    @property
    def canonical(self) -> str:
        """The full name with tag and digest; the key of the store's index."""
        return self._suffixed(self.name)

    @property
    def familiar(self) -> str:
        """The short name with tag and digest: ``redis:7``."""
        return self._suffixed(self.familiar_name)

    @property
    def wanted(self) -> str:
        """What to ask a registry for: the digest where there is one, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    def _suffixed(self, name: str) -> str:
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def is_digest(text: str) -> bool:
    """Whether ``text`` is a full digest, ``sha256:`` and 64 hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def _refuse(text: str, why: str) -> InvalidParameter:
    shown = text if len(text) <= 100 else text[:100] + "…"
    return InvalidParameter(f"invalid reference format: {shown!r}: {why}")


def _split_suffixes(text: str) -> tuple[str, str | None, str | None]:
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _refuse(text, 'what follows "@" has to be sha256: and 64 hexadecimal digits')
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # the colon of a port
        return rest, None, digest or None
    if not _TAG.fullmatch(tag):
        raise _refuse(text, "a tag has up to 128 letters, digits and _ . -, and begins with none of . -")
    return name, tag, digest or None


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        registry = DEFAULT_REGISTRY if first == "index.docker.io" else first
    else:
        registry, rest = DEFAULT_REGISTRY, name
    if registry == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    return registry, rest


def parse(text: str) -> Reference:
    """The full reference that ``text`` stands for; ``:latest`` where neither tag nor digest is given.

    Raises:
        InvalidParameter: it is not a reference.
    """
    if not text:
        raise _refuse(text, "it is empty")
    if _HEX64.fullmatch(text):
        raise _refuse(text, "64 hexadecimal digits would be read as an image id")
    name, tag, digest = _split_suffixes(text)
    registry, repository = _split_registry(name)
    if not _REGISTRY.fullmatch(registry):
        raise _refuse(text, f"{registry!r} is not a registry's host and port")
    if not _REPOSITORY.fullmatch(repository):
        raise _refuse(text, "a repository has lower case letters and digits, separated by . _ - and /")
    if len(repository) > _LONGEST_NAME:
        raise _refuse(text, f"a repository has at most {_LONGEST_NAME} characters")
    if tag is None and digest is None:
        tag = DEFAULT_TAG
    return Reference(registry, repository, tag, digest)
