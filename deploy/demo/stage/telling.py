"""A namespace told to a person: what a failed wait prints."""

from __future__ import annotations

import datetime

import yaml

from stage.cluster import SYSTEM, Cluster, Json, kubectl

LOG_LINES = 40


def _clock(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, tz=datetime.UTC).strftime("%H:%M:%S.%f")[:-3]


def rollouts(cluster: Cluster, namespace: str) -> str:
    """Each Rollout's annotations and status as YAML."""
    lines = [f"--- Rollouts of {namespace}"]
    for item in cluster.items("rollouts", namespace):
        meta = item["metadata"]
        shown = {
            "name": meta["name"],
            "deleting": meta.get("deletionTimestamp", False),
            "finalizers": meta.get("finalizers", []),
            "annotations": _ours(meta),
            "status": item.get("status", {}),
        }
        lines.append(yaml.safe_dump(shown, sort_keys=False, width=140))
    return "\n".join(lines)


def deployments(cluster: Cluster, namespace: str) -> str:
    """Each Deployment in one line."""
    lines = ["--- Deployments"]
    for item in cluster.items("deployments", namespace):
        spec, status = item["spec"], item.get("status", {})
        lines.append(
            f"{item['metadata']['name']}: paused={spec.get('paused', False)} "
            f"replicas={spec['replicas']} status={status.get('replicas', 0)} "
            f"available={status.get('availableReplicas', 0)} "
            f"generation={item['metadata']['generation']}/{status.get('observedGeneration')} "
            f"{_ours(item['metadata'])}"
        )
    return "\n".join(lines)


def replicasets(cluster: Cluster, namespace: str) -> str:
    """Each ReplicaSet with its sizes, its owner and what Sluice wrote on it."""
    lines = ["--- ReplicaSets"]
    for item in cluster.items("replicasets", namespace):
        meta, status = item["metadata"], item.get("status", {})
        owners = [f"{owner['kind']}/{owner['name']}" for owner in meta.get("ownerReferences", [])]
        env = item["spec"]["template"]["spec"]["containers"][0].get("env", [])
        version = next((entry["value"] for entry in env if entry["name"] == "VERSION"), "-")
        lines.append(
            f"{meta['name']} ({version}): wanted={item['spec']['replicas']} "
            f"pods={status.get('replicas', 0)} ready={status.get('readyReplicas', 0)} "
            f"available={status.get('availableReplicas', 0)} owners={owners}\n    {_ours(meta)}"
        )
    return "\n".join(lines)


def pods(cluster: Cluster, namespace: str) -> str:
    """Each pod with its phase, restarts and what its containers wait for."""
    lines = ["--- Pods"]
    for item in cluster.items("pods", namespace):
        meta, status = item["metadata"], item["status"]
        containers = status.get("containerStatuses", [])
        waiting = [c["state"]["waiting"] for c in containers if "waiting" in c.get("state", {})]
        lines.append(
            f"{meta['name']}: {status.get('phase')} ready={[c['ready'] for c in containers]} "
            f"restarts={[c['restartCount'] for c in containers]} "
            f"deleting={meta.get('deletionTimestamp', '-')} {waiting or ''}"
        )
    return "\n".join(lines)


def phases(moments: list[tuple[float, Json]]) -> str:
    """The course of the status: a line for each change of phase, step, weight or message."""
    lines = ["--- Status, as it changed"]
    last = ""
    for at, status in moments:
        release = status.get("release") or {}
        text = (
            f"{status.get('phase')} step={release.get('step')} weight={release.get('weight')} "
            f"{status.get('message', '')}"
        )
        if text != last:
            lines.append(f"{_clock(at)} {text}")
        last = text
    return "\n".join(lines)


def cluster_operator_log(namespace: str) -> str:
    """The last lines of the operator in the cluster that name the namespace."""
    pods = ("logs", "--selector=app=sluice", "--tail=2000")
    text = kubectl("--namespace", SYSTEM, *pods, check=False)
    lines = [line for line in text.splitlines() if namespace in line]
    return "\n".join(["--- Operator", *lines[-LOG_LINES:]])


def _ours(meta: Json) -> Json:
    """The annotations that Sluice wrote, and the revision."""
    return {
        key.removeprefix("sluice.dev/").removeprefix("deployment.kubernetes.io/"): value
        for key, value in meta.get("annotations", {}).items()
        if key.startswith(("sluice.dev/", "deployment.kubernetes.io/revision"))
    }
