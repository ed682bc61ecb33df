#!/usr/bin/env bash
# The kind cluster `sluice`, up and answering; does nothing when it is. Every step is safe to repeat.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$SLUICE_ROOT"              # kind resolves the paths in kind-config.yaml against the working directory

mkdir -p "$TOOLS"
one_at_a_time "$CACHE_ROOT/lock"   # two would compile the same programs and create the same cluster

state() { docker container ls --all --filter "name=^$NODE\$" --format '{{.State}}'; }

# answering SECONDS: whether the API server says it is ready within that time.
answering() {
  local end=$((SECONDS + $1))
  until on_cluster get --raw /readyz --request-timeout 3s >/dev/null 2>&1; do
    (( SECONDS < end )) || return 1
    sleep 1
  done
}

# The node image: the one that is here, else the registry's, else built from package registries.
node_image() {
  docker image inspect "$NODE_IMAGE" >/dev/null 2>&1 && return
  say "Pulling $NODE_IMAGE ..."
  local answer
  answer=$(docker pull --quiet "$NODE_IMAGE" 2>&1) && return
  say "It cannot be pulled (${answer##*$'\n'}): building it from package registries."
  tests/cluster/build-node.sh
}

# kind: ours, else a new enough one that is installed, else compiled.
kind_program() {
  local installed
  [[ -x $TOOLS/kind ]] && return
  installed=$(kind version --quiet 2>/dev/null) || installed=0
  [[ $(printf '%s\n' "v$installed" "$KIND" | sort -V | head -1) == "$KIND" ]] && return
  if [[ -x $PROGRAMS/kind ]]; then ln -sf ../programs/kind "$TOOLS/kind"; return; fi
  command -v go >/dev/null || die "kind $KIND or newer is needed: install it, or Go, which it can be compiled with."
  say "Compiling kind $KIND (half a minute) ..."
  GOBIN=$TOOLS CGO_ENABLED=0 go install "sigs.k8s.io/kind@$KIND"
}

# kubectl: the node's own, which is of the cluster's version; elsewhere than on Linux the one that is installed.
kubectl_program() {
  [[ -x $TOOLS/kubectl ]] && return
  if [[ $(uname) == Linux ]]; then
    docker cp --quiet "$NODE:/usr/bin/kubectl" "$TOOLS/kubectl" 2>/dev/null || docker cp "$NODE:/usr/bin/kubectl" "$TOOLS/kubectl" >/dev/null
  else
    command -v kubectl >/dev/null || die "kubectl is needed: install it."
  fi
}

create() {
  say "Creating the cluster (about 20 seconds) ..."
  # kind tells much when it fails and little of use when it does not.
  local log=$CACHE/kind-create.log
  kind create cluster --config kind-config.yaml --image "$NODE_IMAGE" --wait 180s >"$log" 2>&1 9>&- ||
    { tail -40 "$log" >&2; die "kind could not create the cluster (see $log)."; }
  kubectl_program
  answering 60 || die "The new cluster's API server does not answer."
  # Admission refuses pods until every namespace has its service account.
  on_cluster wait --for=create serviceaccount/default --timeout 60s >/dev/null
}

main() {
  tests/cluster/engine.sh
  case $(state) in
    running)
      kind_program
      kubectl_program
      if answering 3; then exit; fi
      # The kubeconfig may have been removed or be another machine's, or the node may just be starting.
      kind export kubeconfig --name "$CLUSTER" >/dev/null 2>&1 || true
      if answering 120; then exit; fi
      say "The cluster's API server does not answer: making the cluster anew." ;;
    '') ;;
    *)                           # after the engine was killed: the node does not come up again by itself
      say "The cluster's node is not running: making the cluster anew." ;;
  esac

  node_image
  kind_program
  kind delete cluster --name "$CLUSTER" >/dev/null 2>&1 || true
  create
  say "The cluster is up: kubectl --context $CONTEXT"
}

main; exit   # read to the end before anything starts, like build-node.sh
