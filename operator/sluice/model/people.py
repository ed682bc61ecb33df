"""What people do with kubectl, a pipeline or an autoscaler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sluice.core.objects import Deployment
from sluice.core.templates import template_hash
from sluice.model.cluster import Cluster


def edit_rollout(cluster: Cluster, **changes: Any) -> None:
    """A change of the Rollout's spec."""
    assert cluster.rollout is not None
    cluster.rollout = cluster.written(cluster.rollout, **changes)


def annotate(cluster: Cluster, key: str, value: str) -> None:
    """`kubectl annotate`, which is how every command is given."""
    assert cluster.rollout is not None
    edit_rollout(cluster, annotations={**cluster.rollout.annotations, key: value})


def delete_rollout(cluster: Cluster) -> None:
    """`kubectl delete`: its finalizer keeps it until all is put in order."""
    edit_rollout(cluster, deleting=True)


def create_deployment(
    cluster: Cluster, name: str, template: Mapping[str, Any], replicas: int, **fields: Any
) -> None:
    """A Deployment that its controller has not seen yet."""
    cluster.deployment = Deployment(
        ref=cluster.ref(name),
        generation=1,
        observed_generation=0,
        replicas=replicas,
        paused=False,
        template=template,
        template_hash=template_hash(template),
        selector={"matchLabels": dict(template["metadata"]["labels"])},
        progress_deadline_seconds=600,
        max_unavailable=cluster.strategy.unavailable(replicas),
        **fields,
    )


def delete_deployment(cluster: Cluster, *, orphan: bool = False) -> None:
    """`kubectl delete deployment`, with `--cascade=orphan` where its ReplicaSets shall stay."""
    uid = cluster.d.ref.uid
    cluster.deployment = None
    for name, rs in cluster.replica_sets.items() if orphan else ():
        if rs.owner_uid == uid:
            cluster.write_replica_set(name, owner_uid=None)


def delete_replica_set(cluster: Cluster, name: str, *, orphan: bool = False) -> None:
    """`kubectl delete rs`; as an orphan it goes a round later, and its pods stay."""
    if orphan:
        found = cluster.replica_sets[name]
        cluster.replica_sets[name] = replace(
            found, ref=cluster.bumped(found.ref), deleting=True, orphaning=True
        )
    else:
        del cluster.replica_sets[name]
