"""Taking a plain Deployment up: it is paused and keeps the one ReplicaSet that runs.

Nothing moves while this happens. It waits until the Deployment has finished a rollout of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core import keys, times
from sluice.core.moves import CLEARED, anchor_owner, record_labels
from sluice.core.objects import Deployment, Observed, ReplicaSet, Role
from sluice.core.ownership import gate_patch
from sluice.core.plan import Action, CreateRecord, PatchReplicaSet
from sluice.core.templates import without_hash


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a Deployment cannot be adopted yet, as a sentence."""

    sentence: str


def is_adopted(observed: Observed, deployment: Deployment) -> bool:
    """Whether the Deployment is ours already: marked with our label, or paused with roles.

    The label alone says so while the gate is merely broken; the roles alone where only the label
    was taken away (a replace, a label-wiping apply).
    """
    if deployment.labels.get(keys.ROLLOUT_LABEL) == observed.rollout.ref.name:
        return True
    known = any(rs.role is Role.STABLE or keys.SWAP in rs.annotations for rs in _living(observed))
    return deployment.paused and known


def adopt(observed: Observed, deployment: Deployment) -> tuple[Action, ...] | Waiting:
    """The writes of adoption in their order: record, marks on the stable ReplicaSet, the gate.

    The gate comes last, because it is what says that the rest is there.
    """
    running = _running(observed, deployment)
    if isinstance(running, Waiting):
        return running
    now, rollout = times.stamp(observed.now), observed.rollout.ref.name
    anchor = observed.anchor
    assert anchor is not None, "the anchor is made before anything is adopted"
    owner = anchor_owner(rollout, anchor.ref.uid)
    actions: list[Action] = []
    stable_at = running.annotations.get(keys.STABLE_AT, now)
    if not any(r.template_hash == running.template_hash for r in observed.records):
        actions.append(
            CreateRecord(
                keys.record_name(rollout, running.template_hash),
                labels=record_labels(rollout, running.template_hash),
                annotations={keys.POD_HASH: running.pod_hash, keys.STABLE_AT: stable_at},
                owner=owner,
                data={"template": without_hash(running.template)},
            )
        )
    for other in _living(observed):
        settled = (None, Role.REJECTED, Role.RETIRED)
        if other.ref.uid != running.ref.uid and other.role not in settled:
            # Left over from a gate that was taken away altogether: nothing of it is under way.
            retired = {**CLEARED, keys.ROLE: Role.RETIRED}
            actions.append(PatchReplicaSet(other.ref, annotations=retired))
    mark = {keys.ROLLOUT_LABEL: rollout}
    if running.role is not Role.STABLE or not mark.items() <= dict(running.labels).items():
        facts = {**CLEARED, keys.ROLE: Role.STABLE, keys.STABLE_AT: stable_at, keys.REASON: None}
        actions.append(PatchReplicaSet(running.ref, labels=mark, annotations=facts))
    if gate := gate_patch(deployment, rollout):
        actions.append(gate)
    return tuple(actions)


def _running(observed: Observed, deployment: Deployment) -> ReplicaSet | Waiting:
    """The ReplicaSet of the Deployment's template, when it is all that runs."""
    name = deployment.ref.name
    if not deployment.observed:
        return Waiting(f"waits until the Deployment controller has seen {name}")
    owned = [rs for rs in _living(observed) if rs.owner_uid == deployment.ref.uid]
    fitting = [rs for rs in owned if rs.template_hash == deployment.template_hash]
    busy = [rs for rs in owned if rs not in fitting[:1] and not rs.idle]
    n = deployment.replicas
    if not fitting:
        hint = "; it is paused: unpause it once" if deployment.paused else ""
        return Waiting(f"waits until Deployment {name} has rolled its template out{hint}")
    have = (deployment.updated_replicas, deployment.status_replicas, deployment.available_replicas)
    if busy or have != (n, n, n):
        return Waiting(
            f"waits until Deployment {name} has finished its own rollout: "
            f"{have[0]} of {n} pods updated, {have[2]} available"
        )
    return fitting[0]


def _living(observed: Observed) -> list[ReplicaSet]:
    return [rs for rs in observed.replica_sets if not rs.deleting]
