#!/usr/bin/env bash
# Prints where the program kstatus is, compiled from this folder (40 seconds, once for the same files) with the Go that
# is installed, 1.21 or newer, else with that of the public image.
set -euo pipefail
. "$(dirname "$0")/../cluster/env.sh"
cd "$SLUICE_ROOT/tests/kstatus"

GO_IMAGE=${GO_IMAGE:-golang:1.26}

export GOCACHE=$CACHE_ROOT/go-build GOMODCACHE=$CACHE_ROOT/go-mod
export GOFLAGS="-mod=readonly -modcacherw -buildvcs=false -trimpath" GOTOOLCHAIN=auto CGO_ENABLED=0

inputs=$(sha256sum go.mod go.sum main.go build.sh | sha256sum | cut -c1-16)
program=$PROGRAMS/kstatus-$inputs
mkdir -p "$PROGRAMS"

build() {
  if command -v go >/dev/null; then go build -ldflags "-s -w" -o "$program.part" .; return; fi
  command -v docker >/dev/null || { echo "neither Go nor Docker is installed"; return 1; }
  docker run --rm --volume "$PWD:/source:ro" --volume "$PROGRAMS:/programs" --workdir /source \
    --env GOFLAGS="-mod=readonly -buildvcs=false -trimpath" --env CGO_ENABLED=0 \
    --env GOOS="$(uname | tr '[:upper:]' '[:lower:]')" "$GO_IMAGE" \
    go build -ldflags "-s -w" -o "/programs/${program##*/}.part" .
}

main() {
  if [[ -x $program ]]; then echo "$program"; exit; fi
  one_at_a_time "$CACHE_ROOT/build-lock" >&2   # whoever holds it removes Go's caches at the end
  if [[ ! -x $program ]]; then
    local log; log=$(build 2>&1) || { tail -20 <<<"$log" >&2; die "kstatus, the judge of tests/e2e, could not be compiled."; }
    mv "$program.part" "$program"              # a whole one only
    rm -rf "$GOCACHE" "$GOMODCACHE"
  fi
  echo "$program"
}

main; exit
