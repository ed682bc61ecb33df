#!/usr/bin/env bash
# Deletes the cluster and what builds left in the working tree. Compiled programs and images stay: they took long.
set -euo pipefail
. "$(dirname "$0")/env.sh"

rm -rf "$SLUICE_ROOT/.build"
if ! docker info >/dev/null 2>&1; then say "The Docker engine does not run, so no cluster does."; exit; fi
if ! command -v kind >/dev/null; then say "kind is not here, so no cluster was made."; exit; fi
kind delete cluster --name "$CLUSTER"
