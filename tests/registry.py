"""A real registry on loopback and images to fill it with, for tests and examples.

    with Registry() as registry:
        name = registry.push_busybox("tool", {"Cmd": ["httpd", "-f"]})   # "127.0.0.1:35417/tool:latest"

Debian's ``docker-registry`` serves it, ``skopeo`` fills it; images are written here, as OCI layouts, so that a test can
have any archive in them. Needs the Debian packages docker-registry, skopeo, busybox-static.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:0"}}
{more}"""
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_ACCOUNT = ("tester", "open sesame")
_HTPASSWD = "tester:$2b$05$P/WlN7FKRVwg8hZL9tY0Rutycw86I4w2LtinoomKQqErD6i8dPrYC\n"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


class Layer:
    """A layer's tar archive in the making; every method adds one entry and returns the layer."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(self, name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: Any) -> Self:
        """An entry; ``fields`` are those of ``tarfile.TarInfo`` (mode, uid, linkname, pax_headers …)."""
        member = tarfile.TarInfo(name)
        member.type, member.size, member.mtime = kind, len(data), 1_600_000_000
        member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
        for field, value in fields.items():
            setattr(member, field, value)
        self._tar.addfile(member, io.BytesIO(data))
        return self

    def directory(self, name: str, **fields: Any) -> Self:
        return self.add(name, tarfile.DIRTYPE, **fields)

    def symlink(self, name: str, target: str, **fields: Any) -> Self:
        return self.add(name, tarfile.SYMTYPE, linkname=target, mode=0o777, **fields)

    def hard_link(self, name: str, target: str, **fields: Any) -> Self:
        return self.add(name, tarfile.LNKTYPE, linkname=target, **fields)

    def device(self, name: str, major: int, minor: int, kind: bytes = tarfile.CHRTYPE) -> Self:
        return self.add(name, kind, devmajor=major, devminor=minor)

    def file_of_host(self, source: str, name: str | None = None) -> Self:
        """A file of this machine, by default under the same name."""
        path = Path(source)
        return self.add(name or source.lstrip("/"), data=path.read_bytes(), mode=path.stat().st_mode & 0o7777)

    def program(self, source: str) -> Self:
        """A program of this machine with the shared libraries it needs (ldd(1)), under their own names."""
        real = os.path.realpath(source)
        self.file_of_host(real, source.lstrip("/"))
        listed = subprocess.run(["ldd", real], capture_output=True, text=True)
        for library in sorted(set(re.findall(r"(/\S+) \(0x", listed.stdout))):
            self.file_of_host(library)
        return self

    def bytes(self) -> bytes:
        """The finished archive."""
        self._tar.close()
        return self._buffer.getvalue()


def busybox_layer() -> Layer:
    """A root filesystem: a static busybox, its applets as links, passwd, group, and the usual directories."""
    layer = Layer()
    for name, mode in {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777, "var": 0o755, "home": 0o755}.items():
        layer.directory(name, mode=mode)
    layer.file_of_host(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
    listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        if applet != "busybox":
            layer.hard_link(f"bin/{applet}", "bin/busybox", mode=0o755)  # Docker gives the file the link's mode
    users = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000::/home:/bin/sh\n"
    layer.add("etc/passwd", data=users)
    layer.add("etc/group", data=b"root:x:0:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n")
    return layer


def write_layout(
    directory: Path,
    layers: Iterable[bytes],
    config: Mapping[str, Any] | None = None,
    *,
    architecture: str = "",
    diff_ids: Sequence[str] | None = None,
) -> str:
    """Write an OCI layout with one image, tagged ``latest``, of these tar archives (stored as gzip).

    ``config`` is the "config" of the image: Cmd, Env … ``diff_ids`` are what it says of its layers where that is not to
    be the truth. Returns the digest of its manifest.
    """
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    archives = list(layers)
    true_ids = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in archives]
    document = {
        "created": "2024-01-02T03:04:05Z",
        "architecture": architecture or ARCHITECTURE,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["/bin/sh"], **(config or {})},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids or true_ids)},
        "history": [{"created_by": f"layer {number}"} for number in range(len(archives))],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(document).encode(), "config.v1+json"),
        "layers": [put(gzip.compress(each, 1, mtime=0), "layer.v1.tar+gzip") for each in archives],
    }
    descriptor = put(json.dumps(manifest).encode(), "manifest.v1+json")
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    return str(descriptor["digest"])


class Registry:
    """A registry process with its own storage; ``address`` is HOST:PORT, to be put before image names.

    ``password``: only the account ``credentials`` may use it (Basic authentication).
    """

    def __init__(self, *, password: bool = False) -> None:
        self.credentials = _ACCOUNT if password else None
        self.address = ""
        self._home = Path(tempfile.mkdtemp(prefix="registry-"))
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None

    @property
    def storage(self) -> Path:
        """Where the registry keeps blobs: ``docker/registry/v2/blobs/sha256/<2 digits>/<digits>/data``."""
        return self._home / "storage"

    def __enter__(self) -> Self:
        more = ""
        if self.credentials:
            (self._home / "htpasswd").write_text(_HTPASSWD)
            more = f"auth: {{htpasswd: {{realm: tests, path: {self._home}/htpasswd}}}}\n"
        config = self._home / "config.yml"
        config.write_text(_CONFIG.format(root=self.storage, more=more))
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert self._process.stderr is not None
        seen: list[str] = []
        for line in self._process.stderr:  # ends when the registry does
            seen.append(line)
            if found := _LISTENING.search(line):
                self.address = found[1]
                break
        else:
            self.__exit__()
            raise RuntimeError("docker-registry did not start:\n" + "".join(seen))
        # What it goes on to say has to be read, or it would block on a full pipe.
        self._drain = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._drain.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            if self._drain is not None:
                self._drain.join()
            if self._process.stderr is not None:
                self._process.stderr.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def name(self, repository: str) -> str:
        """The full name of an image here; ``:latest`` where no tag is given."""
        return f"{self.address}/{repository}" + ("" if ":" in repository else ":latest")

    def push_layout(self, layout: Path, repository: str, *options: str) -> str:
        """Copy the image ``latest`` of an OCI layout here by skopeo, with more of its options; the full name."""
        name = self.name(repository)
        account = ["--dest-creds", ":".join(self.credentials)] if self.credentials else []
        command = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", *account, *options]
        done = subprocess.run([*command, f"oci:{layout}:latest", f"docker://{name}"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"skopeo: {done.stderr}")
        return name

    def push(
        self,
        repository: str,
        layers: Iterable[bytes],
        config: Mapping[str, Any] | None = None,
        *options: str,
        architecture: str = "",
    ) -> str:
        """Push an image of these tar archives; see ``write_layout`` and ``push_layout``."""
        with tempfile.TemporaryDirectory(dir=self._home) as layout:
            write_layout(Path(layout), layers, config, architecture=architecture)
            return self.push_layout(Path(layout), repository, *options)

    def push_busybox(
        self, repository: str = "busybox", config: Mapping[str, Any] | None = None, more: Sequence[bytes] = ()
    ) -> str:
        """Push an image with a shell and the usual tools; ``more`` are further layers on top of it."""
        return self.push(repository, [busybox_layer().bytes(), *more], config)

    def push_program(self, repository: str, program: str, config: Mapping[str, Any] | None = None) -> str:
        """Push busybox with a program of this machine and its libraries (``/usr/bin/redis-server``)."""
        return self.push_busybox(repository, config, [Layer().program(program).bytes()])

    def put_manifest(self, repository: str, tag: str, manifest: Mapping[str, Any]) -> str:
        """Store a manifest as it is, with the media type that it states; the full name."""
        import http.client

        host, port = self.address.split(":")
        connection = http.client.HTTPConnection(host, int(port))
        headers = {"Content-Type": str(manifest["mediaType"])}
        connection.request("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest), headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status != 201:
            raise RuntimeError(f"the registry refuses the manifest: {response.status} {answer!r}")
        return self.name(f"{repository}:{tag}")

    def blob(self, digest: str) -> Path:
        """The file in which the registry keeps a blob."""
        digits = digest.removeprefix("sha256:")
        return self.storage / "docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data"
