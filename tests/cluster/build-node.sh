#!/usr/bin/env bash
# Builds the kind node image, kind, kubectl and Prometheus on a Debian machine that reaches package registries (Go
# modules, Debian packages) but no image registry. Needs root, Go and a running Docker engine; about 15 minutes on 2
# cores and 10 GB of disk, once: what is there already is not built again.
set -euo pipefail
. "$(dirname "$0")/env.sh"

ETCD=v3.7.3
CONTAINERD=v2.3.5
CNI_PLUGINS=v1.9.1
CRICTL=v1.37.0
COREDNS=v1.15.0
PROMETHEUS=v0.316.0            # as Prometheus' module numbers the release 3.16.0

export GOCACHE=$CACHE_ROOT/go-build GOMODCACHE=$CACHE_ROOT/go-mod
export GOFLAGS="-mod=mod -modcacherw -buildvcs=false -trimpath" GOTOOLCHAIN=auto CGO_ENABLED=0

STEPS=7
step_number=0
step() { step_number=$((step_number + 1)); say "[$step_number/$STEPS] $*"; }

# ---------------------------------------------------------------------------------------------------- programs

missing() { local name; for name in "$@"; do [[ -x $PROGRAMS/$name ]] || return 0; done; return 1; }

# watch_progress LOG TOTAL PID: every half minute, how many packages the compiler has named in LOG, until PID ends.
watch_progress() {
  local log=$1 total=$2 pid=$3 start=$SECONDS
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    (( (SECONDS - start) % 30 )) ||
      say "      $(grep -avc downloading "$log" || true) of $total packages after $((SECONDS - start)) s"
  done
}

# compile MODULE VERSION SIBLINGS PACKAGE...: the programs of one module, into $PROGRAMS.
# They are built from a throw-away module that requires it, because a go.mod with `replace` lines into its own source
# tree (Kubernetes, etcd) refuses `go install`. Those lines are pointed at the published modules of version SIBLINGS.
compile() {
  local module=$1 version=$2 siblings=$3; shift 3
  local work=$CACHE/compile original log=$CACHE/compile.log
  rm -rf "$work"; mkdir -p "$work/bin"; cd "$work"
  original=$(cd / && go mod download -json "$module@$version" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
  {
    printf 'module throwaway\n\n'
    grep '^go ' "$original"
    printf 'require %s %s\n' "$module" "$version"
    sed -nE "s#^\s*(replace )?(\S+) => \.\.?/.*#replace \2 => \2 $siblings#p" "$original"
  } >go.mod
  local total; total=$(go list -deps "$@" 2>"$log" | wc -l) || { tail -5 "$log" >&2; die "Go could not load $module $version (see $log)."; }
  go build -v -tags "${TAGS:-}" -ldflags "-s -w ${LINK:-}" -o bin/ "$@" >"$log" 2>&1 &
  compiler=$!
  trap 'kill "$compiler" 2>/dev/null' EXIT   # a background process would not hear of Ctrl-C
  watch_progress "$log" "$total" "$compiler"
  wait "$compiler" || { grep -av downloading "$log" | tail -20 >&2; die "$module $version did not compile (see $log)."; }
  trap - EXIT
  mv bin/* "$PROGRAMS/"             # whole programs only: an interrupted run leaves none behind
  cd "$SLUICE_ROOT"; rm -rf "$work"
}

kubernetes() {
  local programs=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubeadm kubectl)
  step "Kubernetes $KUBERNETES (about 7 minutes on 2 cores)"
  missing "${programs[@]}" || return 0
  local version=k8s.io/component-base/version minor=${KUBERNETES#v1.}
  # A build from a module has no version of its own to tell, and kubeadm refuses to work without one.
  LINK="-X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=${minor%.*}" \
    compile k8s.io/kubernetes "$KUBERNETES" "v0.${KUBERNETES#v1.}" "${programs[@]/#/k8s.io/kubernetes/cmd/}"
}

etcd() {
  step "etcd $ETCD (half a minute)"
  missing etcd || return 0
  compile go.etcd.io/etcd/server/v3 "$ETCD" "$ETCD" go.etcd.io/etcd/server/v3
  mv "$PROGRAMS/server" "$PROGRAMS/etcd" # Go names a program after its folder
}

containers() {
  step "containerd $CONTAINERD, the network plugins, crictl (a minute)"
  local at
  if missing containerd ctr containerd-shim-runc-v2; then
    at=github.com/containerd/containerd/v2
    TAGS="no_btrfs no_zfs no_devmapper no_aufs" \
      compile $at "$CONTAINERD" - $at/cmd/{containerd,ctr,containerd-shim-runc-v2}
  fi
  if missing bridge host-local loopback portmap; then
    at=github.com/containernetworking/plugins
    compile $at "$CNI_PLUGINS" - $at/plugins/{ipam/host-local,main/loopback,main/bridge,meta/portmap}
  fi
  if missing crictl; then compile sigs.k8s.io/cri-tools "$CRICTL" - sigs.k8s.io/cri-tools/cmd/crictl; fi
}

coredns_and_kind() {
  step "CoreDNS $COREDNS and kind $KIND (a minute)"
  if missing coredns; then compile github.com/coredns/coredns "$COREDNS" - github.com/coredns/coredns; fi
  if missing kind; then compile sigs.k8s.io/kind "$KIND" - sigs.k8s.io/kind; fi
  if [[ ! -d $CACHE/kind-files ]]; then   # kept, since the module cache is not
    local source; source=$(cd / && go mod download -json "sigs.k8s.io/kind@$KIND" | sed -n 's/.*"Dir": "\(.*\)",/\1/p')
    cp -r --no-preserve=mode "$source/images/base/files" "$CACHE/kind-files.part" && mv "$CACHE/kind-files.part" "$CACHE/kind-files"
  fi
}

prometheus() {
  step "Prometheus $PROMETHEUS (two minutes)"
  missing prometheus || return 0
  local at=github.com/prometheus/prometheus
  # Of its two dozen kinds of service discovery, the one that is used.
  TAGS="remove_all_sd enable_kubernetes_sd" compile $at "$PROMETHEUS" - $at/cmd/prometheus
}

programs() {
  kubernetes; etcd; containers; coredns_and_kind; prometheus
  mkdir -p "$TOOLS"; ln -sf ../programs/{kind,kubectl} "$TOOLS/"
  rm -rf "$GOCACHE" "$GOMODCACHE"   # 10 GB, of no use any more
}

# ---------------------------------------------------------------------------------------------------- images

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

# Debian with what the node needs (systemd, iptables and so on) and Python, which our own images are built on.
debian() {
  step "Debian's file system from its packages (a minute)"
  have_image "$OFFLINE_BASE" && return
  if [[ ! -s $CACHE/rootfs.tar ]]; then
    command -v debootstrap >/dev/null || apt_install debootstrap || die "The node image needs debootstrap, which apt could not install."
    local mirror work=$CACHE/rootfs.part
    # shellcheck disable=SC2016  # the dollar is apt's
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Component: main' 'Created-By: Packages' | head -1)
    [[ -n $mirror ]] || die "The node image needs a Debian bookworm machine, whose package mirror it takes its files from."
    rm -rf "$work"
    debootstrap --variant=minbase --include="$(echo \
        systemd systemd-sysv dbus kmod mount util-linux e2fsprogs procps \
        conntrack ethtool iproute2 iptables nftables \
        runc libseccomp2 pigz \
        bash ca-certificates curl jq python3 | tr ' ' ,)" \
      bookworm "$work" "$mirror" >"$CACHE/debootstrap.log" ||
      { tail -5 "$CACHE/debootstrap.log" >&2; die "debootstrap could not make Debian's file system (see $CACHE/debootstrap.log)."; }
    tar -C "$work" -cf "$CACHE/rootfs.tar.part" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' \
      --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' .
    mv "$CACHE/rootfs.tar.part" "$CACHE/rootfs.tar"; rm -rf "$work"
  fi
  docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    "$CACHE/rootfs.tar" "$OFFLINE_BASE" >/dev/null
}

# program_image NAME PROGRAM: an image of one static program (and the certificates it may want).
program_image() {
  local name=$1 program=$2 work; work=$(mktemp -d)
  mkdir -p "$work/bin" "$work/etc/ssl/certs" "$work/tmp"
  cp "$program" "$work/bin/"; cp /etc/ssl/certs/ca-certificates.crt "$work/etc/ssl/certs/"
  tar -C "$work" -c . | docker import --change "ENV PATH=/bin" \
    --change "ENTRYPOINT [\"/bin/$(basename "$program")\"]" - "$name" >/dev/null
  rm -rf "$work"
}

# component_images DIR: the images that kubeadm will ask for, made of our programs; their names, one a line.
component_images() {
  local work=$1 image program pause
  # kind's containerd names the pause image itself, and kubeadm's may be another version.
  pause=$(sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$CACHE/kind-files/etc/containerd/config.toml")
  command -v gcc >/dev/null || apt_install gcc libc6-dev || die "The node image needs gcc, which apt could not install."
  gcc -static -Os -o "$work/pause" "$SLUICE_ROOT/tests/cluster/node/pause.c"
  program_image "$pause" "$work/pause"; echo "$pause"
  for image in $("$PROGRAMS/kubeadm" config images list --kubernetes-version "$KUBERNETES" 2>/dev/null); do
    program=${image##*/}; program=${program%%:*}
    case $program in
      pause) continue ;;
      kube-proxy)              # calls iptables
        mkdir "$work/kube-proxy"; cp "$PROGRAMS/kube-proxy" "$work/kube-proxy/"
        printf 'FROM %s\nCOPY kube-proxy /usr/local/bin/\n' "$OFFLINE_BASE" >"$work/kube-proxy/Dockerfile"
        docker_build --tag "$image" "$work/kube-proxy" ;;
      *) program_image "$image" "$PROGRAMS/$program" ;;
    esac
    echo "$image"
  done
}

node() {
  step "$NODE_IMAGE (a minute)"
  have_image "$NODE_IMAGE" && return
  local context=$CACHE/node-context work images
  rm -rf "$context"; mkdir -p "$context"/{programs,plugins}
  work=$(mktemp -d)
  images=$(component_images "$work"); rm -rf "$work"
  # shellcheck disable=SC2086  # one word per image
  docker save --output "$context/components.tar" $images
  cp -r "$CACHE/kind-files" "$context/"
  cp "$PROGRAMS"/{kubelet,kubeadm,kubectl,containerd,ctr,containerd-shim-runc-v2,crictl} "$context/programs/"
  cp "$PROGRAMS"/{bridge,host-local,loopback,portmap} "$context/plugins/"
  cp "$SLUICE_ROOT"/tests/cluster/node/{Dockerfile,bridge.conflist} "$context/"
  printf %s "$KUBERNETES" >"$context/version"
  docker_build --build-arg BASE="$OFFLINE_BASE" --tag "$NODE_IMAGE" "$context"
  rm -rf "$context"
  # What is in the node now is needed here no more.
  # shellcheck disable=SC2086
  docker image rm $images >/dev/null
  docker image prune --force --filter label=sluice.dev/stage=components >/dev/null
}

# ----------------------------------------------------------------------------------------------------

main() {
  [[ $(uname) == Linux && $(id -u) == 0 ]] || die "Building the node image needs root on a Debian machine."
  mkdir -p "$PROGRAMS"
  one_at_a_time "$CACHE_ROOT/build-lock"   # up.sh and the images' build both come here
  local all=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubeadm kubectl etcd
             containerd ctr containerd-shim-runc-v2 bridge host-local loopback portmap crictl coredns kind prometheus)
  if missing "${all[@]}" && ! command -v go >/dev/null; then
    die "No image registry is reachable and Go 1.21 or newer, which the node image could be compiled with, is not installed."
  fi
  programs
  debian
  node
}

main; exit   # read to the end before anything starts: a checkout in these 15 minutes must not change what runs
