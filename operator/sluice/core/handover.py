"""The moves of a swap: the Deployment parts with one ReplicaSet and is given another.

Announced first, so that with nothing owned it is known which one to give (design, section 1). A
weight above 50 is had by a swap, too: the version that is tried stays a canary, the stable one
stays beside it with what is left of its pods, and both keep their roles.
"""

from __future__ import annotations

from sluice.core import keys, story, times
from sluice.core.belongings import deployments, handed_over, newest_stable, ours
from sluice.core.events import old_side
from sluice.core.objects import ReplicaSet, Role
from sluice.core.plan import Action, Changes, PatchReplicaSet
from sluice.core.rising import CLEARED, patch_rising
from sluice.core.situation import Situation, is_on_trial
from sluice.core.table import Event

Actions = tuple[Action, ...]


def announce(situation: Situation) -> Actions:
    """The record first: from here on the template is one to come back to, should its ReplicaSet
    be lost. One that is only tried is none yet.
    """
    base, rising = situation.base, situation.rising
    assert base is not None, "a side rises beside what the Deployment owns"
    assert rising is not None, "only a rising side is announced"
    announcement = patch_rising(situation, {keys.SWAP: base.ref.uid})
    if is_on_trial(rising):
        return (announcement,)
    return (*newest_stable(situation, rising), announcement)


def unannounce(situation: Situation) -> Actions:
    """No swap for now: the new side has lost pods."""
    assert situation.heir is not None, "only an announced swap is taken back"
    return (PatchReplicaSet(situation.heir.ref, annotations={keys.SWAP: None}),)


def part(situation: Situation) -> Actions:
    """What the Deployment owns becomes ours; what leaves for good says so by its role."""
    base = situation.base
    assert base is not None, "only a Deployment that owns one parts with it"
    changes: dict[str, str | None] = {}
    if base.role is Role.STABLE and not situation.trial_swap:
        changes = retirement(situation, base)
    return (handed_over(situation, base, ours(situation), changes),)


def retirement(situation: Situation, replica_set: ReplicaSet) -> dict[str, str | None]:
    """The marks of a version that was stable: retired, or rejected where its template is."""
    record = situation.record_of(replica_set.template_hash)
    if record is None or not record.rejected_at:
        return {keys.ROLE: Role.RETIRED}
    return {
        keys.ROLE: Role.REJECTED,
        keys.REJECTED_AT: record.rejected_at,
        keys.REASON: record.reason,
    }


def give(situation: Situation) -> Actions:
    """The heir becomes the Deployment's; from here on its controller keeps it at N."""
    heir = situation.heir
    assert heir is not None, "only an announced swap has a gap"
    now = times.stamp(situation.now)
    changes: dict[str, str | None] = {**CLEARED, **_stable_marks(now)}
    if situation.trial_swap:
        growing = heir.annotations.get(keys.GROW_STARTED, now)
        changes = {keys.SWAP: None, keys.GROW_STARTED: growing, keys.STEP_STARTED: None}
    return (handed_over(situation, heir, deployments(situation), changes),)


def take_back(situation: Situation) -> Actions:
    """The new side has lost its pods in the gap: the old one is the Deployment's again."""
    old, heir = old_side(situation), situation.heir
    assert old is not None, "GapUnready holds only while the old side lives"
    assert heir is not None, "only an announced swap has a gap"
    changes: Changes = {keys.ROLE: Role.STABLE, keys.REASON: None, keys.REJECTED_AT: None}
    if heir.role is Role.STABLE:
        # The old side is a version that was tried: it comes back as what it is.
        changes = {}
    return (handed_over(situation, old, deployments(situation), changes),)


def accept(situation: Situation) -> Actions:
    """The tried version is the stable one: the Deployment has it already, only its role changes.

    What decides is the last write, here and below: a plan that is refused half-way is told by
    nobody. The former stable one follows in the next pass (`former_stable`).
    """
    base, now = situation.base, times.stamp(situation.now)
    assert base is not None, "only a version that the Deployment owns is tried"
    marks: Changes = {**CLEARED, **_stable_marks(now)}
    accepted = PatchReplicaSet(base.ref, annotations=marks, dangerous=True)
    return (*newest_stable(situation, base), accepted)


def former_stable(situation: Situation) -> Actions:
    """The former stable version, once `accept` has made another one so: it shrinks from here on."""
    base = situation.base
    if base is None or situation.tried or situation.heir is not None:
        return ()
    return tuple(
        PatchReplicaSet(rs.ref, annotations=retirement(situation, rs))
        for rs in situation.ours
        if rs.role is Role.STABLE
    )


def condemn(situation: Situation, event: Event) -> Actions:
    """The tried version is rejected; it serves on until the stable one has grown again."""
    marks: Changes = {keys.ROLE: Role.REJECTED, keys.REJECTED_AT: times.stamp(situation.now)}
    return give_up(situation, marks, story.why(situation, event))


def reclaim(situation: Situation, event: Event) -> Actions:
    """The tried version is wanted no more; nothing is said against it."""
    return give_up(situation, {keys.ROLE: Role.RETIRED}, story.why(situation, event))


def give_up(situation: Situation, marks: Changes, why: str) -> Actions:
    """The tried version leaves with these marks, as soon as the stable one has its pods again; in
    the next pass that one is raised.
    """
    base, stable = situation.base, situation.stable
    assert base is not None, "only a version that the Deployment owns is tried"
    gone = PatchReplicaSet(base.ref, annotations={**CLEARED, **marks, keys.REASON: why})
    if stable is None or keys.GROW_STARTED in stable.annotations:
        return (gone,)
    grown = {keys.GROW_STARTED: times.stamp(situation.now)}
    return PatchReplicaSet(stable.ref, annotations=grown), gone


def _stable_marks(now: str) -> Changes:
    return {keys.ROLE: Role.STABLE, keys.STABLE_AT: now, keys.REASON: None}
