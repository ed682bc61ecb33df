#!/usr/bin/env bash
# The CRD, the operator and Prometheus, applied to the test cluster and waited for.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$SLUICE_ROOT"

# with_inputs FILE IMAGE CONFIG: a Deployment that says which image and configuration it runs, so that new ones start it
# anew and the same ones do not: the tag is always `dev`, and a changed ConfigMap restarts nothing.
with_inputs() {
  local image config
  image=$(docker image inspect --format '{{.Id}}' "$2" | cut -d: -f2 | cut -c1-12)
  config=$(sha256sum "$3" | cut -c1-12)
  kubectl patch --local --filename "$1" --output yaml --type merge --patch \
    "{\"spec\": {\"template\": {\"metadata\": {\"annotations\": {\"sluice.dev/inputs\": \"$image-$config\"}}}}}"
}

manifests() {
  local file
  for file in crds/*.yaml deploy/operator/*.yaml deploy/prometheus/*.yaml; do
    echo ---
    case $file in
      deploy/operator/30-deployment.yaml) with_inputs "$file" sluice:dev deploy/operator/20-config.yaml ;;
      deploy/prometheus/30-deployment.yaml) with_inputs "$file" sluice-prometheus:dev deploy/prometheus/20-config.yaml ;;
      *) cat "$file" ;;
    esac
  done
}

manifests >"$CACHE/manifests.yaml"
on_cluster apply --server-side --force-conflicts --field-manager sluice-deploy --filename "$CACHE/manifests.yaml" >/dev/null
for name in prometheus sluice; do
  on_cluster --namespace sluice-system rollout status deployment "$name" --timeout 120s >/dev/null || {
    on_cluster --namespace sluice-system get pods >&2
    on_cluster --namespace sluice-system logs "deployment/$name" --tail 20 >&2 || true
    die "Deployment sluice-system/$name did not become ready within two minutes."
  }
done
say "Sluice and Prometheus (http://127.0.0.1:30090) run in namespace sluice-system of $CONTEXT."
