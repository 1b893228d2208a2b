"""A virtual machine with pure cgroup v2, on which pytest runs files of this checkout.

Most users have cgroup v2 alone, many continuous integration machines have v1 or both. So the suite boots the kernel
that Debian builds for clouds, under QEMU without hardware help (about 10 s from nothing to the first test). Its root
filesystem is made of files of this very machine: the Debian packages that are named below with all that they depend
on, this Python, and the distributions that the project needs. Kernel and root filesystem are kept in the user's cache
directory; the checkout goes in afresh each time.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

CHECKOUT = Path(__file__).parents[1]
CHECKED_OUT = ("examples", "pyproject.toml", "pytest_containers", "README.md", "runtime", "tests")
PACKAGES = (
    "base-files base-passwd bash busybox-static ca-certificates coreutils dash findutils grep hostname iproute2 "
    "libc-bin libseccomp2 login mount netbase nftables passwd procps python3 redis-server sed tar util-linux"
).split()
DISTRIBUTIONS = ("pytest-containers", "pytest-xdist", "filelock")  # what the tests there import
LEFT_OUT = re.compile(
    r"/usr/share/(doc|info|locale|man|lintian|perl)/|/site-packages/|/(idlelib|test|tests)/|/config-3"
)
MODULES = (
    "virtio_pci virtio_blk overlay veth bridge dummy "
    "nf_tables nft_chain_nat nft_ct nft_fib_inet nft_masq nft_nat nft_redir nft_reject_inet"
).split()

FIRST = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module || echo "no $module"; done
/bin/busybox mount -t ext4 -o noatime /dev/vda /root
/bin/busybox mount -o move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/second
"""

SECOND = """#!/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs -o mode=755 tmpfs /run
chmod 1777 /tmp
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
ip link set lo up
hostname machine
# An address that is not loopback, as machines have, and a way to nowhere (RFC 5737).
ip link add outside type dummy
ip addr add 192.0.2.2/24 dev outside
ip link set outside up
ip route add default via 192.0.2.1
# As systemd does: controllers for the slices, and the tests in a service, a leaf.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+cpuset +cpu +io +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/system.slice/tests.service
echo $$ >/sys/fs/cgroup/system.slice/tests.service/cgroup.procs
tar -x -f /dev/vdb -C /
sh /command >/dev/ttyS1 2>&1 </dev/null
echo "exit status $?" >/dev/ttyS1
sync
poweroff -f
"""


@dataclass(frozen=True)
class Finished:
    """What a command in the machine came to."""

    status: int
    output: str
    console: str  # of the kernel, for when nothing else came back


def cache() -> Path:
    """Where kernel and root filesystem are kept between runs of the suite."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-containers-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


def output_of(*command: str, **options: object) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout  # type: ignore[call-overload]


def kernel() -> Path:
    """The directory into which Debian's kernel for clouds was unpacked; it is not installed."""
    depends = output_of("apt-cache", "depends", "linux-image-cloud-amd64")
    package = re.search(r"Depends: (linux-image-\S+)", depends)
    assert package, f"apt knows no linux-image-cloud-amd64 (apt-get update?): {depends}"
    target = cache() / package[1]
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            output_of("apt-get", "download", "-qq", package[1], cwd=scratch)
            (archive,) = Path(scratch).glob("*.deb")
            output_of("dpkg", "-x", str(archive), f"{scratch}/unpacked")
            Path(scratch, "unpacked").rename(target)
    return target


def modules_in_order(unpacked: Path) -> list[Path]:
    """The files of MODULES and of what they need, what is needed first; some are built in and have no file."""
    files = {path.stem.replace("-", "_"): path for path in unpacked.rglob("*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        needs = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for needed in needs[1].decode().split(",") if needs else []:
            add(needed)
        order.append(path)

    for name in ["crc32c_generic", *MODULES]:  # ext4 and nf_tables want crc32c, which no file depends on by name
        add(name)
    return order


def first_filesystem(unpacked: Path) -> Path:
    """The initramfs: busybox, the modules, and FIRST."""
    target = unpacked / f"initramfs-{hashlib.sha256(f'{FIRST}{MODULES}'.encode()).hexdigest()[:12]}"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=cache()) as name:
        root = Path(name)
        for directory in ("bin", "dev", "modules", "root"):
            (root / directory).mkdir()
        shutil.copy(shutil.which("busybox") or "/bin/busybox", root / "bin/busybox")
        (root / "init").write_text(FIRST)
        (root / "init").chmod(0o755)
        order = modules_in_order(unpacked)
        for module in order:
            shutil.copy(module, root / "modules")
        (root / "modules/order").write_text("".join(f"{module.name}\n" for module in order))
        entries = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        archive = subprocess.run(
            ["busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=entries.encode(), capture_output=True, check=True
        ).stdout
    target.with_suffix(".new").write_bytes(archive)
    target.with_suffix(".new").rename(target)
    return target


def packages_needed() -> dict[str, str]:
    """PACKAGES and what they depend on, as far as it is installed here, with versions."""
    fields = "${Package}\t${Version}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    version: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    provided: dict[str, str] = {}
    for line in output_of("dpkg-query", "-W", "-f", fields).splitlines():
        name, version[name], provides, depends = line.split("\t")
        needs[name] = re.findall(r"[a-z0-9][a-z0-9+.-]+(?=[ ,:|]|$)", re.sub(r"\([^)]*\)", "", depends))
        for virtual in re.findall(r"[a-z0-9][a-z0-9+.-]+(?=[ ,]|$)", provides):
            provided.setdefault(virtual, name)
    found: dict[str, str] = {}
    todo = list(PACKAGES)
    while todo:
        name = todo.pop()
        name = name if name in version else provided.get(name, name)
        if name in version and name not in found:
            found[name] = version[name]
            todo += needs[name]
    return found


def distributions_needed() -> dict[str, importlib.metadata.Distribution]:
    """DISTRIBUTIONS and what they require, as installed in this environment."""
    found: dict[str, importlib.metadata.Distribution] = {}
    todo = list(DISTRIBUTIONS)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform, or an extra
        todo += [re.split(r"[^A-Za-z0-9._-]", need)[0] for need in found[name].requires or [] if "extra ==" not in need]
    return found


def files_of_python(distributions: dict[str, importlib.metadata.Distribution]) -> set[str]:
    """The interpreter, its library, the distributions, and the environment's marks."""
    library = Path(sysconfig.get_path("stdlib"))
    executable = Path(sys.executable)
    found = {str(executable), str(executable.resolve()), str(Path(sys.prefix) / "pyvenv.cfg")}
    while executable.is_symlink():  # python -> python3 -> /usr/bin/python3 -> python3.11
        executable = executable.parent / executable.readlink()
        found.add(str(executable))
    found |= {str(path) for path in library.rglob("*") if "/site-packages" not in str(path)}
    found |= {str(path) for path in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython3*.so*")}
    for distribution in distributions.values():
        found |= {str(Path(str(file.locate()))) for file in distribution.files or []}
    return {os.path.abspath(path) for path in found if not re.search(r"/site-packages/.*/tests?/", path)}  # noqa: PTH100


def libraries_of(files: set[str]) -> set[str]:
    """The shared libraries that Python's extension modules are linked with, and their targets where they are links."""
    binaries = sorted(
        path for path in files if re.search(r"\.so[.0-9]*$|/python3[.0-9]*$", path) and Path(path).is_file()
    )
    done = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False)
    found = set(re.findall(r"=> (/\S+)", done.stdout))
    return found | {str(Path(path).resolve()) for path in found}


def root_image() -> Path:
    """An ext4 image made of files of this machine."""
    packages, distributions = packages_needed(), distributions_needed()
    versions = sorted((name, entry.version) for name, entry in distributions.items())
    key = repr((sys.version, sys.prefix, str(CHECKOUT), sorted(packages.items()), versions, SECOND))
    target = cache() / f"root-{hashlib.sha256(key.encode()).hexdigest()[:16]}.ext4"
    if target.exists():
        return target
    python = files_of_python(distributions)
    files = {path for path in output_of("dpkg-query", "-L", *sorted(packages)).splitlines() if path.startswith("/")}
    kept = sorted(path for path in files if not LEFT_OUT.search(path + "/"))
    kept += sorted(
        path for path in python | libraries_of(python) if "/site-packages/" in path or not LEFT_OUT.search(path)
    )
    kept += ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/alternatives"]
    with tempfile.TemporaryDirectory(dir=cache()) as name:
        root = Path(name)
        for link in ("bin", "sbin", "lib", "lib64"):  # before anything is put through them
            if Path("/", link).is_symlink():
                (root / link).symlink_to(Path("/", link).readlink())
        # One name for each: /lib/x and /usr/lib/x are the same file where /lib is a link.
        names = dict.fromkeys(str(Path(path).parent.resolve() / Path(path).name) for path in kept)
        present = "\n".join(path for path in names if os.path.lexists(path) and path != "/")
        pipe = "tar -c -P --no-recursion -T - | tar -x --keep-directory-symlink -C " + str(root)
        subprocess.run(["sh", "-c", pipe], input=present, text=True, check=True, capture_output=True)
        for directory in ("dev", "proc", "sys", "run", "tmp", "root", "var/lib", "sbin"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        (root / "sbin/second").write_text(SECOND)
        (root / "sbin/second").chmod(0o755)
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n192.0.2.2 machine\n")
        (root / "etc/resolv.conf").write_text("")
        image = target.with_suffix(".new")
        image.unlink(missing_ok=True)
        output_of(
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-E",
            "lazy_itable_init=1",
            "-O",
            "^has_journal",
            "-d",
            str(root),
            str(image),
            "3G",
        )
        for old in cache().glob("root-*.ext4"):  # of other versions; a machine that runs keeps its file
            old.unlink()
        image.rename(target)
    return target


def checkout_archive(path: Path, command: list[str]) -> None:
    """The tar file that the machine finds on its second disk: this checkout, and what to do."""
    script = path.with_name("command")
    script.write_text("\n".join(command) + "\n")
    with tarfile.open(path, "w") as archive:
        archive.add(script, "command")
        for name in CHECKED_OUT:
            if (CHECKOUT / name).exists():
                archive.add(CHECKOUT / name, str(CHECKOUT / name).lstrip("/"))


def run_pytest(*arguments: str, timeout: float) -> Finished:
    """Run pytest in the machine, in this checkout. ``timeout`` (seconds) is a hang limit that fails."""
    return run([f"cd {CHECKOUT}", " ".join([sys.executable, "-m", "pytest", *arguments])], timeout=timeout)


def run(command: list[str], *, timeout: float) -> Finished:
    """Boot, run the lines of a shell script, power off."""
    with FileLock(cache() / "lock"):
        unpacked = kernel()
        image, initramfs = root_image(), first_filesystem(unpacked)
    (vmlinuz,) = (unpacked / "boot").glob("vmlinuz-*")
    with tempfile.TemporaryDirectory(prefix="vm-") as name:
        scratch = Path(name)
        checkout_archive(scratch / "checkout.tar", command)
        machine = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"]
        machine += ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
        machine += ["-kernel", str(vmlinuz), "-initrd", str(initramfs)]
        machine += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off audit=0 lsm= random.trust_cpu=on"]
        machine += ["-drive", f"file={image},format=raw,if=virtio,snapshot=on"]
        machine += ["-drive", f"file={scratch}/checkout.tar,format=raw,if=virtio,readonly=on"]
        machine += ["-serial", f"file:{scratch}/console", "-serial", f"file:{scratch}/output"]
        try:
            done = subprocess.run(machine, capture_output=True, text=True, timeout=timeout, check=False)
            trouble = done.stderr
        except subprocess.TimeoutExpired:
            trouble = f"the machine did not end within {timeout} s"
        console = (scratch / "console").read_text(errors="replace") if (scratch / "console").exists() else ""
        output = (scratch / "output").read_text(errors="replace") if (scratch / "output").exists() else ""
    status = re.search(r"^exit status (\d+)\s*$", output, re.MULTILINE)
    return Finished(int(status[1]) if status else -1, output.replace("\r\n", "\n"), console + trouble)
