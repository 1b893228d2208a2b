#!/usr/bin/env bash
# The container engines that people use instead, in current versions, from Debian's next release, without touching
# this machine's own packages, networks or firewall. Needs root and about 1 GB in PEERS_ROOT.
#
#   peers.sh build              make their root filesystem (once; half a minute)
#   peers.sh hold               enter it and wait, for `nsenter -t PID -m -p podman …`; prints "ready PID" when it is
#                               entered, and when its input ends, everything in it does
#   peers.sh dockerd SOCKET [DIRECTORY…]
#                               run Docker Engine on SOCKET in a network namespace of its own, until SIGTERM; containers
#                               can mount what is in SOCKET's directory and in the others
#   peers.sh podman SOCKET [DIRECTORY…]
#                               the same with Podman's service
#
# PEERS_ROOT: where the root filesystem lies (default: /var/cache/pytest-containers-peers)
set -euo pipefail
root=${PEERS_ROOT:-/var/cache/pytest-containers-peers}
self=$(readlink -f "$0")

build() {
  if [ -x "$root/usr/sbin/dockerd" ] && [ -x "$root/usr/bin/ps" ] && [ -x "$root/usr/bin/docker" ] && [ -x "$root/usr/sbin/nft" ]; then return; fi
  local mirror
  mirror=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *//p' | head -n 1) || true # or none
  [ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
  rm -rf "$root.part"
  # A mirror that is a snapshot has release files past their date.
  mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=docker.io,docker-cli,podman,netavark,aardvark-dns,nftables,runc,iptables,iproute2,mount,procps,ca-certificates \
    forky "$root.part" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror forky main" >&2
  mkdir -p "$root.part/etc/containers"
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$root.part/etc/containers/policy.json"
  rm -rf "$root" # one of before, without all that is wanted now
  mv "$root.part" "$root"
}

# In a new mount namespace: make the directory our root, with the directories up to -- of the machine at the same places,
# and become the rest of the command line. runc wants a root that is a mount point, so chroot would not do.
inside() {
  local name pid
  read -r pid _ </proc/self/stat # as those outside of our pid namespace see us
  mount --bind "$root" "$root"
  for name in proc sys dev; do mount --rbind "/$name" "$root/$name"; done
  [ $$ != 1 ] || mount -t proc proc "$root/proc" # of our own pid namespace
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/tmp"
  mkdir -p "$root/mnt"
  while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
  done
  shift
  cd "$root"
  pivot_root . mnt
  cd /
  umount -l /mnt
  HELD=$pid exec "$@"
}

case ${1-} in
build) build ;;
hold)
  build
  # The shell's word comes when the root is in place; cat ends with whoever holds the other end of its input, and with
  # it the pid namespace, in which Podman leaves processes behind: conmon, and the one that holds a user's namespaces.
  exec unshare --mount --pid --fork --kill-child --propagation private \
    "$self" inside "${2:-/tmp}" -- sh -c 'echo "ready $HELD"; unset HELD; exec cat'
  ;;
dockerd)
  build
  socket=$(readlink -f "$2")
  state=$(mktemp -d "$root/var/lib/docker-XXXXXX")
  # The data directory must not be on overlayfs, and is thrown away with all images.
  unshare --mount --net --propagation private "$self" inside "$(dirname "$socket")" "${@:3}" -- \
    sh -c 'ip link set lo up; exec "$@"' sh \
    dockerd --host "unix://$socket" --data-root "${state#"$root"}" --exec-root /run/docker --pidfile /run/docker.pid &
  child=$!
  trap 'kill "$child" 2>/dev/null || true' TERM INT
  # A trap ends the first wait early; the second one is for the daemon's orderly end.
  wait "$child" || wait "$child" || true
  rm -rf "$state"
  ;;
podman)
  build
  socket=$(readlink -f "$2")
  state=$(mktemp -d "$root/var/lib/podman-XXXXXX")
  mkdir -p "$root/etc/containers/registries.conf.d" # registries of this machine need no TLS, as Docker has it
  printf '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n' >"$root/etc/containers/registries.conf.d/local.conf"
  # Podman leaves its containers running when it ends, each with a conmon: they end with the pid namespace, whose first
  # process, a shell, buries those that nobody waits for. It ends with us, and the trap cannot be an orderly end, since
  # unshare blocks signals while it waits. Debian's crun refuses a machine with both versions of cgroups.
  setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --propagation private \
    "$self" inside "$(dirname "$socket")" "${@:3}" -- \
    sh -c 'ip link set lo up; "$@" & wait $!' sh env --default-signal=INT,QUIT PODMAN_IGNORE_CGROUPSV1_WARNING=1 \
    podman --log-level info --root "${state#"$root"}" --cgroup-manager cgroupfs --runtime runc \
    system service --time 0 "unix://$socket" &
  child=$!
  trap 'kill -KILL "$child" 2>/dev/null || true' TERM INT
  wait "$child" || wait "$child" || true
  for id in $(ls "$state/overlay-containers" 2>/dev/null); do
    [ ${#id} != 64 ] || find /sys/fs/cgroup -depth -type d -path "*/libpod*$id*" -exec rmdir {} + 2>/dev/null || true
  done
  rm -rf "$state"
  ;;
inside) shift; inside "$@" ;;
*) sed -n '2,15s/^# \?//p' "$self"; exit 2 ;;
esac
