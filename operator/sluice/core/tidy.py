"""What is put in order in every pass: old sides shrink, rejections are recorded, history is kept
within its limits.
"""

from __future__ import annotations

from sluice.core import keys, sizing
from sluice.core.belongings import new_record, newest_stable
from sluice.core.events import available
from sluice.core.objects import ReplicaSet, Role
from sluice.core.ownership import stable_record
from sluice.core.plan import (
    Action,
    DeleteRecord,
    DeleteReplicaSet,
    PatchRecord,
    PatchReplicaSet,
)
from sluice.core.situation import Situation, State

# Rejected ReplicaSets that are kept, whatever the Deployment's limit (design, section 3).
_REJECTED_KEPT = 5


def shrink(situation: Situation) -> tuple[Action, ...]:
    """Lowers each old side as far as N allows, by N and availability as they are in this pass; the
    stable one beside a version that is tried to its share.
    """
    base, n = situation.base, situation.replicas
    if base is None and (situation.gap or n):
        return ()
    have = available(base)
    sizes = [
        (old, sizing.shrunk(old.replicas, _needed(situation, old), have))
        for old in situation.leavers
    ]
    stable = situation.stable
    if stable is not None and situation.state in (State.FILLING, State.TRYING):
        sizes.append((stable, sizing.shrunk(stable.replicas, n, have, situation.kept)))
    return tuple(
        PatchReplicaSet(old.ref, size, dangerous=True) for old, size in sizes if size < old.replicas
    )


def _needed(situation: Situation, old: ReplicaSet) -> int:
    """How many pods must serve before those of an old side go: N. A rejected version does not stay
    for the last ones when they do not come: what the user lets be missing is missing then.
    """
    n = situation.replicas
    if old.role is Role.REJECTED and situation.overstayed:
        return n - situation.deployment.max_unavailable
    return n


def record_facts(situation: Situation) -> tuple[Action, ...]:
    """Writes on the templates' records what must outlive their ReplicaSets: since when one is
    stable, why one is rejected, how often one was tried.
    """
    actions: list[Action] = []
    if situation.stable is not None:
        actions += newest_stable(situation, situation.stable)
    for rs in situation.living:
        facts = _facts(rs)
        if not facts:
            continue
        record = situation.record_of(rs.template_hash)
        if record is None:
            actions.append(new_record(situation, rs.template_hash, rs.pod_hash, facts))
            continue
        known = {
            keys.REJECTED_AT: record.rejected_at,
            keys.TRIES: str(record.tries),
        }
        if any(key in known and known[key] != value for key, value in facts.items()):
            actions.append(PatchRecord(record.ref, facts))
    return tuple(actions)


def _facts(rs: ReplicaSet) -> dict[str, str]:
    if rs.role is Role.CANARY:
        tries = rs.annotations.get(keys.RELEASE, "").rpartition("-")[2]
        return {keys.TRIES: str(int(tries)) if tries.isdecimal() else "1"}
    if rs.role is Role.REJECTED and keys.REJECTED_AT in rs.annotations:
        wanted = (keys.REJECTED_AT, keys.REASON)
        return {key: rs.annotations[key] for key in wanted if key in rs.annotations}
    return {}


def clean_up(situation: Situation) -> tuple[Action, ...]:
    """Deletes ReplicaSets beyond the limits of history, and records that nothing needs.

    One earlier stable version is kept even with revisionHistoryLimit 0, because one command must
    be able to go back at any time.
    """
    limit = situation.deployment.revision_history_limit
    present = situation.deployment.template_hash
    idle = [rs for rs in situation.ours if rs.idle]
    # The highest number stays, so that it is not given to another release.
    newest = max(situation.living, key=lambda rs: rs.revision, default=None)
    surplus = [
        *_beyond([rs for rs in idle if is_history(rs)], max(1, limit)),
        *(
            rs
            for rs in idle
            if _is_cancelled(rs) and rs.template_hash != present and rs is not newest
        ),
        *_beyond(
            [rs for rs in idle if rs.role is Role.REJECTED and rs.template_hash != present],
            min(limit, _REJECTED_KEPT),
        ),
    ]
    gone = {rs.ref.uid for rs in surplus}
    needed = {rs.template_hash for rs in situation.living if rs.ref.uid not in gone} | {present}
    if stable := stable_record(situation.observed.records):
        needed.add(stable.template_hash)
    return (
        *(DeleteReplicaSet(rs.ref) for rs in surplus),
        *(DeleteRecord(r.ref) for r in situation.observed.records if r.template_hash not in needed),
    )


def is_history(rs: ReplicaSet) -> bool:
    """Whether it is a version that ran: once stable, or from before the Deployment was adopted."""
    ran = keys.STABLE_AT in rs.annotations or keys.RELEASE not in rs.annotations
    return rs.role is Role.RETIRED and ran


def _is_cancelled(rs: ReplicaSet) -> bool:
    return rs.role is Role.RETIRED and not is_history(rs)


def _beyond(replica_sets: list[ReplicaSet], keep: int) -> list[ReplicaSet]:
    return sorted(replica_sets, key=lambda rs: rs.revision, reverse=True)[keep:]
