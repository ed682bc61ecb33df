"""The controllers of kube-controller-manager, as far as they touch one Deployment.

One round is one sync of each. What one of them writes, the others see in the same round or in the
next: the counts in a Deployment's status are a round behind its pods, as in a cluster.
"""

from __future__ import annotations

from sluice.model.cluster import Cluster
from sluice.model.deployments import sync_deployment

# Whatever one write sets off has come to rest after so many rounds, or never does.
_ROUNDS_AT_MOST = 200


def one_round(cluster: Cluster) -> None:
    """Each controller once."""
    collect_garbage(cluster)
    sync_deployment(cluster)
    sync_replica_sets(cluster)


def at_rest(cluster: Cluster) -> None:
    """Rounds until nothing is left to be done at this instant."""
    for _ in range(_ROUNDS_AT_MOST):
        before = (cluster.counter, cluster.kubelet.made)
        one_round(cluster)
        if (cluster.counter, cluster.kubelet.made) == before:
            return
    raise AssertionError("the controllers do not come to rest")


def collect_garbage(cluster: Cluster) -> None:
    """Deletes what belongs to an owner that is gone, in the background: a layer in each round."""
    let_pods_go(cluster)
    deployment = cluster.deployment
    if deployment is not None and deployment.deleting:
        # In the foreground: first what it owns, then itself.
        mine = [n for n, rs in cluster.replica_sets.items() if rs.owner_uid == deployment.ref.uid]
        for name in mine:
            del cluster.replica_sets[name]
        if not mine:
            cluster.deployment = None
    owners = (cluster.deployment, cluster.anchor)
    alive = {None, *(owner.ref.uid for owner in owners if owner)}
    for owned in (cluster.replica_sets, cluster.records):
        for name in [name for name, item in owned.items() if item.owner_uid not in alive]:
            del owned[name]


def let_pods_go(cluster: Cluster) -> None:
    """The pods of a ReplicaSet that is gone go as well, unless it was deleted as an orphan."""
    for name in [name for name, rs in cluster.replica_sets.items() if rs.orphaning]:
        for pod in cluster.kubelet.of(cluster.replica_sets.pop(name).ref.uid):
            pod.owner_uid = None
    alive = {None, *(rs.ref.uid for rs in cluster.replica_sets.values())}
    cluster.kubelet.pods = [pod for pod in cluster.kubelet.pods if pod.owner_uid in alive]


def sync_replica_sets(cluster: Cluster) -> None:
    """Every ReplicaSet has its pods, and its status says what has become of them."""
    kubelet = cluster.kubelet
    for rs in cluster.replica_sets.values():
        for pod in kubelet.of(None):
            if pod.pod_hash == rs.pod_hash:
                pod.owner_uid = rs.ref.uid
        if rs.deleting:
            continue
        image = rs.template["spec"]["containers"][0]["image"]
        for _ in range(rs.replicas - len(kubelet.of(rs.ref.uid))):
            kubelet.make(rs.ref.name, rs.ref.uid, rs.pod_hash, image, cluster.now)
        kubelet.lower(rs.ref.uid, rs.replicas)
    kubelet.refresh(cluster.now)
    for name, rs in cluster.replica_sets.items():
        uid = rs.ref.uid
        cluster.write_replica_set(
            name,
            observed_generation=rs.generation,
            status_replicas=len(kubelet.of(uid)),
            ready_replicas=kubelet.ready(uid),
            status_available=kubelet.available(uid, rs.min_ready_seconds, cluster.now),
        )
