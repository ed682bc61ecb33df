#!/usr/bin/env bash
# Builds sluice:dev, sluice-demo:dev and sluice-prometheus:dev, each only when what goes into it has changed, and loads
# them into the test cluster's node. `BASE=...` chooses another Python image than the default.
set -euo pipefail
. "$(dirname "$0")/../../tests/cluster/env.sh"
cd "$SLUICE_ROOT"
one_at_a_time .build/lock

PROMETHEUS_IMAGE=prom/prometheus:v3.16.0
LABEL=sluice.dev/inputs

# Python's image: asked for, else the one that the offline build made, else the public one.
base_image() {
  if [[ -n ${BASE:-} ]]; then echo "$BASE"
  elif docker image inspect "$OFFLINE_BASE" >/dev/null 2>&1; then echo "$OFFLINE_BASE"
  else echo python:3.13-slim; fi
}

# digest FILE-OR-FOLDER...: one word for the names and contents of all the files.
digest() {
  find "$@" -type f -not -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16
}

# current IMAGE INPUTS: whether the image was built from these inputs.
current() { [[ $(docker image inspect --format "{{index .Config.Labels \"$LABEL\"}}" "$1" 2>/dev/null) == "$2" ]]; }

# build IMAGE NAME INPUTS CONTEXT: by NAME.Dockerfile.
build() {
  docker_build --build-arg BASE="$base" --label "$LABEL=$3" --tag "$1" --file "deploy/images/$2.Dockerfile" "$4"
}

# site_packages: what uv.lock says the operator needs, for the base image's Python, into .build/site-packages.
site_packages() {
  local python platform inputs
  python=$(docker run --rm --network none --entrypoint python3 "$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  platform=$(docker version --format '{{.Server.Arch}}' | sed 's/amd64/x86_64/; s/arm64/aarch64/')-manylinux_2_28
  uv export --quiet --frozen --no-dev --no-emit-project --output-file .build/requirements.txt >/dev/null
  inputs=$(digest .build/requirements.txt)-$python-$platform
  [[ $(cat .build/site-packages.inputs 2>/dev/null) == "$inputs" ]] && return
  say "Installing the operator's packages for Python $python ..."
  rm -rf .build/site-packages .build/site-packages.inputs
  uv pip install --quiet --target .build/site-packages --python-version "$python" --python-platform "$platform" \
    --only-binary :all: --link-mode copy --require-hashes --requirement .build/requirements.txt
  rm -rf .build/site-packages/bin
  echo "$inputs" >.build/site-packages.inputs
}

operator_image() {
  local inputs; inputs=$base_id-$(digest uv.lock pyproject.toml operator/sluice .dockerignore deploy/images/operator.Dockerfile)
  current sluice:dev "$inputs" && return
  site_packages
  say "Building sluice:dev on $base ..."
  build sluice:dev operator "$inputs" .
}

demo_image() {
  local inputs; inputs=$base_id-$(digest deploy/demo/{app,httpd,load}.py .dockerignore deploy/images/demo.Dockerfile)
  current sluice-demo:dev "$inputs" && return
  say "Building sluice-demo:dev on $base ..."
  build sluice-demo:dev demo "$inputs" .
}

prometheus_image() {
  docker image inspect sluice-prometheus:dev >/dev/null 2>&1 && return
  local work
  if [[ ! -x $PROGRAMS/prometheus ]]; then
    say "Pulling $PROMETHEUS_IMAGE ..."
    if docker pull --quiet "$PROMETHEUS_IMAGE" >/dev/null 2>&1; then
      docker tag "$PROMETHEUS_IMAGE" sluice-prometheus:dev
      return
    fi
    say "It cannot be pulled: building Prometheus from its Go module."
    tests/cluster/build-node.sh
  fi
  say "Building sluice-prometheus:dev ..."
  work=$(mktemp -d)
  cp "$PROGRAMS/prometheus" "$work/"
  build sluice-prometheus:dev prometheus compiled "$work"
  rm -rf "$work"
}

base=$(base_image)
docker image inspect "$base" >/dev/null 2>&1 || { say "Pulling $base ..."; docker pull --quiet "$base" >/dev/null; }
base_id=$(docker image inspect --format '{{.Id}}' "$base" | cut -d: -f2 | cut -c1-16)
operator_image
demo_image
prometheus_image
# What the new images have replaced.
docker image prune --force --filter "label=$LABEL" >/dev/null
# kind compares ids first and copies only what the node does not have.
kind load docker-image --name "$CLUSTER" sluice:dev sluice-demo:dev sluice-prometheus:dev >/dev/null 2>&1 ||
  die "The images could not be loaded into the cluster's node: is it up ('make cluster')?"
