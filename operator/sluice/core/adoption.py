"""Taking a plain Deployment up: it is paused and keeps the one ReplicaSet that runs.

Nothing moves while this happens. It waits until the Deployment has finished a rollout of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core import keys, times
from sluice.core.belongings import anchor_owner, record_labels
from sluice.core.objects import Deployment, Observed, ReplicaSet, Role
from sluice.core.ownership import gate_patch
from sluice.core.plan import Action, CreateRecord, PatchDeployment, PatchRecord, PatchReplicaSet
from sluice.core.rising import CLEARED
from sluice.core.templates import without_hash


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a Deployment cannot be adopted yet, as a sentence."""

    sentence: str


def is_adopted(observed: Observed, deployment: Deployment) -> bool:
    """Whether this very Deployment was adopted and not given back.

    The anchor says so, and nothing on the Deployment can unsay it: `kubectl replace` wipes label
    and `paused` together, and an exported manifest brings both to a Deployment that is new.
    """
    anchor = observed.anchor
    if anchor is None or anchor.given_back or anchor.deployment_uid != deployment.ref.uid:
        return False
    if anchor.adopted:
        return True
    # Killed between the gate, which is the last write but one, and the word on the anchor.
    shut = deployment.labels.get(keys.ROLLOUT_LABEL) == observed.rollout.ref.name
    marked = any(rs.role is Role.STABLE or keys.SWAP in rs.annotations for rs in _living(observed))
    return shut and deployment.paused and marked


def adopt(observed: Observed, deployment: Deployment) -> tuple[Action, ...] | Waiting:
    """The writes of adoption in their order: record, marks on the stable ReplicaSet, the gate, and
    last the word on the anchor that all of it is there.
    """
    if _is_exported(observed, deployment):
        # A manifest that was exported while it was adopted: nothing runs, and nothing ever would.
        rollout_label = {keys.ROLLOUT_LABEL: None}
        return (PatchDeployment(deployment.ref, paused=False, labels=rollout_label),)
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
    return (*actions, PatchRecord(anchor.ref, {keys.ADOPTED: now}))


def _is_exported(observed: Observed, deployment: Deployment) -> bool:
    marked = deployment.labels.get(keys.ROLLOUT_LABEL) == observed.rollout.ref.name
    # Anything of its own, or of ours, means that this is no new Deployment: the anchor was lost.
    known = any(
        rs.owner_uid == deployment.ref.uid or rs.role is not None for rs in _living(observed)
    )
    return marked and deployment.paused and deployment.observed and not known


def _running(observed: Observed, deployment: Deployment) -> ReplicaSet | Waiting:
    """The ReplicaSet of the Deployment's template, when it is all that runs."""
    name = deployment.ref.name
    if not deployment.observed:
        return Waiting(f"waits until the Deployment controller has seen {name}")
    owned = [rs for rs in _living(observed) if rs.owner_uid == deployment.ref.uid]
    fitting = [rs for rs in owned if rs.template_hash == deployment.template_hash]
    fitting.sort(key=lambda rs: rs.replicas, reverse=True)
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
