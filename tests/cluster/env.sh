# shellcheck shell=bash disable=SC2034
# Names and folders that every script here agrees on; sourced, never run.
# `. tests/cluster/env.sh` in your own shell puts the cluster's kubectl and kind on the PATH.

SLUICE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

CLUSTER=sluice
CONTEXT=kind-$CLUSTER         # every kubectl call names it: a plain one could hit somebody's real cluster
NODE=$CLUSTER-control-plane   # the container that is the node
KIND=v0.33.0                  # the first that writes kubeadm v1beta4, the only form that Kubernetes 1.37 reads

# The Kubernetes version stands in kind-config.yaml and nowhere else.
KUBERNETES=$(sed -n 's|^ *image: kindest/node:||p' "$SLUICE_ROOT/kind-config.yaml")
# Other names let the build be tried beside a cluster in use.
NODE_IMAGE=${SLUICE_NODE_IMAGE:-kindest/node:$KUBERNETES}
OFFLINE_BASE=${SLUICE_OFFLINE_BASE:-debian-offline:bookworm}

CACHE_ROOT=${XDG_CACHE_HOME:-$HOME/.cache}/sluice-cluster
CACHE=$CACHE_ROOT/$KUBERNETES
TOOLS=$CACHE/bin              # kubectl and kind
PROGRAMS=$CACHE/programs      # whatever was compiled; never on the PATH, where its containerd would shadow Docker's
UV_HOME=$CACHE_ROOT/uv        # only where uv is not installed
export PATH=$TOOLS:$PATH:$UV_HOME/bin

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

on_cluster() { kubectl --context "$CONTEXT" "$@"; }

# one_at_a_time FILE: wait while another run of the script holds the file; held until this one ends (descriptor 9).
one_at_a_time() {
  mkdir -p "$(dirname "$1")"
  command -v flock >/dev/null || return 0   # not on macOS
  exec 9>"$1"
  flock --nonblock 9 || { say "Waiting for another run of ${0##*/} ..."; flock 9; }
}

# apt_install PACKAGE...: what Debian and its relatives have; quiet unless it fails.
apt_install() {
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
  local log; log=$(mktemp)
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; } >"$log" 2>&1 ||
    { tail -5 "$log" >&2; return 1; }
  rm -f "$log"
}

# can_sys_resource: whether this host may start --privileged containers as they are (bit 24 is CAP_SYS_RESOURCE).
can_sys_resource() {
  local granted; granted=$(sed -n 's/^CapEff:\s*//p' /proc/self/status 2>/dev/null)
  [[ -z $granted ]] || (( 0x$granted >> 24 & 1 ))
}

# docker_build ARGUMENT...: a build that needs no network; quiet unless it fails. With the classic builder where BuildKit
# is missing or, without CAP_SYS_RESOURCE, cannot work (it calls runc itself, past our wrapper).
docker_build() {
  local kit=1 output
  docker buildx version >/dev/null 2>&1 && can_sys_resource || kit=0
  output=$(DOCKER_BUILDKIT=$kit docker build --network none "$@" 2>&1) || { tail -30 <<<"$output" >&2; return 1; }
}
