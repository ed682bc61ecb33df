"""What is done about a Deployment that somebody has unpaused (design, section 1).

Within seconds its controller makes a ReplicaSet of its own from whatever template is there and
rolls. The gate is shut again first; once that is observed, what the roll has left is put in its
place: nothing of it is released without its steps, and nothing that serves is taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sluice.core import keys, times
from sluice.core.belongings import handed_over, ours
from sluice.core.handover import retirement
from sluice.core.objects import ReplicaSet, Role
from sluice.core.ownership import violators
from sluice.core.plan import PatchReplicaSet
from sluice.core.rising import CLEARED
from sluice.core.situation import Situation

# So often within so long is somebody else's will, which a fight does not bend.
LIMIT: Final = 3
WINDOW: Final = timedelta(minutes=10)
# In the place of a release's id: no release has made this one.
_BY_ITSELF: Final = "ungated"
ACCEPTED: Final = "rolled out by the Deployment's own controller while it was unpaused (Ungated)"


def instants(annotations: Mapping[str, str], now: datetime) -> tuple[datetime, ...]:
    """When the Deployment was found unpaused, within the window, oldest first."""
    texts = annotations.get(keys.UNGATED, "").split(",")
    found = [instant for instant in map(times.parse, texts) if instant]
    return tuple(sorted(at for at in found if now - WINDOW < at <= now + WINDOW))


def noted(annotations: Mapping[str, str], now: datetime) -> str:
    """The annotation with one more instant; only the last ones are kept."""
    return ",".join(times.stamp(at) for at in (*instants(annotations, now), now)[-LIMIT:])


def over_at(situation: Situation) -> datetime | None:
    """When it will be long enough ago that the Deployment was unpaused too often; None where it
    was not.
    """
    found = instants(situation.observed.rollout.annotations, situation.now)
    return found[0] + WINDOW if len(found) >= LIMIT else None


def unsettled(situation: Situation) -> bool:
    """Whether the controller may not have seen yet that the gate is shut again."""
    if situation.deployment.observed:
        return False
    recent = instants(situation.observed.rollout.annotations, situation.now)
    return bool(recent or violators(situation))


def put_in_place(situation: Situation) -> tuple[PatchReplicaSet, str] | None:
    """The next change of what the roll has left, with what it is in words; None for nothing.

    One at a time: each may take the Deployment to another size, so that the next must be judged
    from what is then.
    """
    for rs in violators(situation):
        if not rs.idle:
            return _placed(situation, rs)
    return None


def _placed(situation: Situation, rs: ReplicaSet) -> tuple[PatchReplicaSet, str]:
    name = rs.ref.name
    if rs.role is Role.STABLE:
        # A newer one has taken its place.
        return _to_ours(situation, rs, retirement(situation, rs)), f"{name} was stable before"
    if rs.role is not None:
        return _to_ours(situation, rs, {}), f"{name} is the Rollout's"
    twin = any(
        other.template_hash == rs.template_hash and other.role not in (None, Role.SURPLUS)
        for other in situation.living
    )
    if twin:
        marks = {**CLEARED, keys.ROLE: Role.SURPLUS}
        return _to_ours(situation, rs, marks), f"{name} is a second one of its template"
    if rs.template_hash in situation.rejected:
        return _to_ours(situation, rs, _rejected(situation, rs)), f"{name} is of a rejected version"
    if _may_be_stable(situation):
        marks = {
            **CLEARED,
            keys.ROLE: Role.STABLE,
            keys.STABLE_AT: times.stamp(situation.now),
            keys.REASON: ACCEPTED,
        }
        return PatchReplicaSet(rs.ref, annotations=marks, dangerous=True), f"{name} is all there is"
    marks = {**CLEARED, keys.ROLE: Role.RETIRED, keys.RELEASE: _BY_ITSELF}
    return _to_ours(situation, rs, marks), f"{name} is a new version: it goes through its steps"


def _may_be_stable(situation: Situation) -> bool:
    """Whether the roll has been to its end: nothing else serves, and nothing is to come. Where
    nobody has unpaused the Deployment it is no roll: then the stable version is made again.
    """
    if not instants(situation.observed.rollout.annotations, situation.now):
        return False
    if situation.heir is not None or situation.tried or situation.rising is not None:
        return False
    kept = any(rs.role is Role.STABLE for rs in situation.ours)
    return not kept and (situation.base is None or situation.base.idle)


def _rejected(situation: Situation, rs: ReplicaSet) -> Mapping[str, str | None]:
    record = situation.record_of(rs.template_hash)
    return {
        **CLEARED,
        keys.ROLE: Role.REJECTED,
        keys.REJECTED_AT: (record.rejected_at if record else None) or times.stamp(situation.now),
        keys.REASON: record.reason if record else None,
    }


def _to_ours(
    situation: Situation, rs: ReplicaSet, marks: Mapping[str, str | None]
) -> PatchReplicaSet:
    return handed_over(situation, rs, ours(situation), marks)
