"""What the objects mean: which ReplicaSet is stable, which is the canary, and where a release is.

Nothing here is stored anywhere but on the objects themselves (design, section 1: the objects are
the truth), so an operator that was killed at any moment reads the same situation again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from sluice.core import keys, sizing, times
from sluice.core.comparing import Ground
from sluice.core.expressions import look_alike, pods_of
from sluice.core.objects import Deployment, Observed, Record, ReplicaSet, Role
from sluice.core.policy import Policy, Step
from sluice.core.readings import Round
from sluice.core.release_data import ReleaseData, load
from sluice.core.troubles import Trouble, find
from sluice.core.verdict import Judgement, fold, judge_all

# An annotation may hold any number.
_MOST_LOST_SECONDS = 10**6


class State(StrEnum):
    """Where a release is; every pass reads it from the objects."""

    SETTLED = "Settled"  # one stable ReplicaSet, no other has or wants pods
    GROWING = "Growing"  # the canary has fewer available pods than its step wants
    STEPPING = "Stepping"  # the step's clock runs
    FILLING = "Filling"  # a weight above 50: the canary is the Deployment's, its pods are awaited
    TRYING = "Trying"  # a weight above 50: the step's clock runs
    RECLAIMING = "Reclaiming"  # a tried version goes: the stable one grows to N again
    RAISING = "Raising"  # all steps passed: the canary grows to N
    RETURNING = "Returning"  # an earlier version grows to N
    SWAPPING = "Swapping"  # announced; the owners are being changed
    SHRINKING = "Shrinking"  # swapped, or rejected: an old side still has pods


def is_on_trial(rising: ReplicaSet) -> bool:
    """Whether a swap of this one is for a weight above 50: its last step is still to come."""
    return rising.role is Role.CANARY and keys.RAISE_STARTED not in rising.annotations


@dataclass(frozen=True)
class Situation:
    """An adopted Deployment, the roles around it, and the derived figures decisions use."""

    observed: Observed
    deployment: Deployment
    policy: Policy
    anchor_uid: str

    @cached_property
    def living(self) -> tuple[ReplicaSet, ...]:
        """All ReplicaSets that are not being deleted, newest first."""
        alive = [rs for rs in self.observed.replica_sets if not rs.deleting]
        return tuple(sorted(alive, key=lambda rs: (rs.created, rs.ref.name), reverse=True))

    @cached_property
    def owned(self) -> tuple[ReplicaSet, ...]:
        """Those that the Deployment owns; the rule is one."""
        return tuple(rs for rs in self.living if rs.owner_uid == self.deployment.ref.uid)

    @cached_property
    def ours(self) -> tuple[ReplicaSet, ...]:
        """Those that the Deployment does not own."""
        return tuple(rs for rs in self.living if rs.owner_uid != self.deployment.ref.uid)

    @cached_property
    def base(self) -> ReplicaSet | None:
        """What the Deployment owns by right and keeps at N: the stable ReplicaSet, or a version
        that is tried with a weight above 50. None in the gap of a swap, and where it is lost.
        """
        roles = [Role.STABLE, Role.CANARY]
        if any(rs.role is Role.STABLE for rs in self.ours):
            # Tried and found wanting: it stays until the stable one has grown again.
            roles += [Role.REJECTED, Role.RETIRED]
        found = (rs for role in roles for rs in self.owned if rs.role is role)
        return next(found, None)

    @cached_property
    def stable(self) -> ReplicaSet | None:
        """The stable version: what the Deployment owns, or beside a tried version one of ours."""
        if self.base is not None and self.base.role is Role.STABLE:
            return self.base
        if self.base is None and self.heir is None:
            return None
        return next((rs for rs in self.ours if rs.role is Role.STABLE), None)

    @property
    def tried(self) -> bool:
        """Whether the Deployment owns another version than the stable one."""
        return self.base is not None and self.base.role is not Role.STABLE

    @property
    def to_be_tried(self) -> bool:
        """Whether the present step cannot be had beside a whole stable side."""
        return self.canary is not None and self.step.weight > sizing.MOST_BESIDE

    @property
    def trial_swap(self) -> bool:
        """Whether the announced swap is one for a weight above 50, not the end of a release."""
        return self.heir is not None and is_on_trial(self.heir)

    @cached_property
    def gap(self) -> bool:
        """Whether the Deployment owns nothing because a swap is on."""
        return self.heir is not None and self.base is None

    @cached_property
    def heir(self) -> ReplicaSet | None:
        """The one announced to become the Deployment's, between announcement and swap."""
        return next((rs for rs in self.ours if keys.SWAP in rs.annotations), None)

    @cached_property
    def canary(self) -> ReplicaSet | None:
        """The canary, until it is the stable version."""
        if self.base is not None and self.base.role is Role.CANARY:
            return self.base
        return next((rs for rs in self.ours if rs.role is Role.CANARY), None)

    @cached_property
    def returning(self) -> ReplicaSet | None:
        """The target of a rollback or of a fast release, before its swap; the stable version while
        it grows again in place of a tried one.
        """
        if self.tried and self.canary is None:
            return self.stable
        return next((rs for rs in self.ours if rs.role is Role.RETURNING), None)

    @cached_property
    def rising(self) -> ReplicaSet | None:
        """Whichever side is on its way up."""
        return self.canary or self.returning

    @cached_property
    def leavers(self) -> tuple[ReplicaSet, ...]:
        """Those of ours on their way down, or down but still with pods."""
        gone = (Role.RETIRED, Role.REJECTED, Role.SURPLUS)
        return tuple(rs for rs in self.ours if rs.role in gone and not rs.idle)

    @cached_property
    def rejected(self) -> frozenset[str]:
        """Template hashes that are not released again."""
        records = {r.template_hash for r in self.observed.records if r.rejected_at}
        return frozenset(
            records | {rs.template_hash for rs in self.living if keys.REJECTED_AT in rs.annotations}
        )

    @cached_property
    def state(self) -> State:
        """Where the release is."""
        if self.heir is not None:
            return State.SWAPPING
        if self.canary is not None:
            return self._state_of(self.canary)
        if self.returning is not None:
            return State.RECLAIMING if self.tried else State.RETURNING
        return State.SHRINKING if self.leavers and not self.overstayed else State.SETTLED

    def _state_of(self, canary: ReplicaSet) -> State:
        started = self.stamp(canary, keys.STEP_STARTED)
        running = started and not self.stamp(canary, keys.GROW_STARTED)
        if self.tried:
            return State.TRYING if running else State.FILLING
        if keys.RAISE_STARTED in canary.annotations:
            return State.RAISING
        return State.STEPPING if running else State.GROWING

    @cached_property
    def overstayed(self) -> bool:
        """Whether old pods have been needed for longer than a growth may take: they must not hold
        the next release up.
        """
        stable_at = self.stamp(self.stable, keys.STABLE_AT)
        limit = timedelta(seconds=self.policy.progress_deadline_seconds)
        return stable_at is None or self.now > stable_at + limit

    @property
    def now(self) -> datetime:
        """The instant of this pass."""
        return self.observed.now

    @property
    def replicas(self) -> int:
        """N: what the Deployment wants."""
        return self.deployment.replicas

    @cached_property
    def stored_data(self) -> ReleaseData:
        """What the canary remembers of its release."""
        text = self.canary.annotations.get(keys.RELEASE_DATA) if self.canary else None
        return load(text, self.policy.analysis)

    @cached_property
    def release_key(self) -> str:
        """The release's id and when it began: an id may come again after its objects are gone."""
        side = self.rising
        began = side.annotations.get(keys.RELEASE_STARTED, "") if side else ""
        return f"{self.release}@{began}"

    @cached_property
    def round(self) -> Round | None:
        """The newest answers to this release's metrics; none while no canary pod serves."""
        latest, canary = self.observed.latest_round, self.canary
        if latest is None or canary is None or not canary.status_available or not self.replicas:
            return None
        return latest if latest.release == self.release_key else None

    @cached_property
    def data(self) -> ReleaseData:
        """The stored data with the newest round folded in."""
        stored = self.stored_data
        return fold(stored, self.round, self.ground) if self.round else stored

    @cached_property
    def began(self) -> datetime:
        """When the release began; the canary's creation where that cannot be read.

        Also an instant in the future: the grid of the counters does not move with the clock.
        """
        canary = self.canary
        began = times.parse(canary.annotations.get(keys.RELEASE_STARTED)) if canary else None
        return began or (canary.created if canary else self.now)

    @cached_property
    def ground(self) -> Ground:
        """What the counts of the release are told apart by."""
        canary, stable = (self.pods_expression(side) for side in (self.canary, self.stable))
        return Ground(self.began, self.observed.rollout.namespace, canary, stable)

    @cached_property
    def alike(self) -> bool:
        """Whether long names make the pods of both sides begin alike."""
        return look_alike(self.rising, self.stable)

    def pods_expression(self, side: ReplicaSet | None) -> str:
        """A regular expression for the names of a side's pods."""
        return pods_of(side, alike=self.alike, seen=self.observed.pods)

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """The verdict on each metric by the newest round; empty before the first."""
        return judge_all(self.data, self.round) if self.round else ()

    @cached_property
    def trouble(self) -> Trouble | None:
        """The gravest trouble of the rising side's pods; None also where nobody looked."""
        pods = self.observed.pods
        if not pods or self.rising is None:
            return None
        stable = self.stable
        looked = [pod for pod in pods if stable and pod.pod_hash == stable.pod_hash]
        return find(
            (pod for pod in pods if pod.pod_hash == self.rising.pod_hash),
            looked,
            self.policy.crash_restarts,
            compared=bool(looked) or stable is None or not stable.status_replicas,
        )

    @cached_property
    def step_number(self) -> int:
        """The present step, from 1. Steps edited in mid-release: the first whose weight is not
        below the present one, else the last.
        """
        if self.canary is None:
            return 1
        number = _number(self.canary.annotations.get(keys.STEP), 1)
        weight = _number(self.canary.annotations.get(keys.STEP_WEIGHT), 0)
        steps = self.policy.steps
        if 1 <= number <= len(steps) and steps[number - 1].weight == weight:
            return number
        fitting = [i for i, step in enumerate(steps, start=1) if step.weight >= weight]
        return fitting[0] if fitting else len(steps)

    @property
    def step(self) -> Step:
        """The present step."""
        return self.policy.steps[self.step_number - 1]

    @cached_property
    def lost_seconds(self) -> int:
        """For how long the present step had lost pods before, all losses together."""
        lost = self.canary.annotations.get(keys.LOST_SECONDS) if self.canary else None
        return min(_number(lost, 0), _MOST_LOST_SECONDS)

    @cached_property
    def wanted(self) -> int:
        """Pods that the rising side shall have now."""
        if self.state in (State.RAISING, State.SWAPPING) or self.canary is None:
            return self.replicas
        size = sizing.canary_size(self.replicas, self.step.weight)
        if self.observed.autoscaler is None or self.step.weight > sizing.MOST_BESIDE:
            return size
        # An autoscaler counts the canary's pods, too: N that rises with them would run away.
        return min(size, _number(self.canary.annotations.get(keys.STEP_SIZE), size))

    def at_least_serving(self, side: ReplicaSet, wanted: int) -> int:
        """The size of a side beside what the Deployment owns: as wanted, but as long as pods are
        missing there, its own that serve in their place stay.
        """
        if self.base is None or not side.status_available:
            return wanted
        return max(wanted, sizing.shrunk(side.replicas, self.replicas, self.base.available))

    @cached_property
    def given(self) -> int:
        """The size of the rising side in this pass."""
        rising = self.rising
        return self.at_least_serving(rising, self.wanted) if rising else self.wanted

    @cached_property
    def kept(self) -> int:
        """Pods of the stable side that the present weight leaves beside a tried version."""
        return sizing.kept_size(self.replicas, self.step.weight)

    @cached_property
    def release(self) -> str:
        """The id of the release under way, or of the stable version."""
        side = self.rising or self.heir or self.stable
        return side.annotations.get(keys.RELEASE, "") if side else ""

    @cached_property
    def rolling_back(self) -> bool:
        """Whether what leaves is a rejected version."""
        if self.tried and self.base is not None:
            return self.base.role is Role.REJECTED
        if self.returning is not None and self.stable is not None:
            return self.stable.template_hash in self.rejected
        return any(rs.role is Role.REJECTED for rs in self.leavers)

    def stamp(self, replica_set: ReplicaSet | None, key: str) -> datetime | None:
        """The instant that an annotation holds; None where it is absent, unreadable, or so far in
        the future that the clock must have been set back since.
        """
        instant = times.parse(replica_set.annotations.get(key)) if replica_set else None
        return instant if instant and instant <= self.now + times.CLOCK_SLACK else None

    def since(self, replica_set: ReplicaSet | None, key: str) -> datetime:
        """The instant that an annotation holds, or now."""
        return self.stamp(replica_set, key) or self.now

    def after(self, seconds: float) -> datetime:
        """The instant so many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    def record_of(self, template_hash: str) -> Record | None:
        """The ControllerRevision that keeps this template."""
        matching = (r for r in self.observed.records if r.template_hash == template_hash)
        return next(matching, None)

    def of_template(self, template_hash: str) -> ReplicaSet | None:
        """A ReplicaSet of ours with this template."""
        known = (rs for rs in self.ours if rs.role is not Role.SURPLUS)
        return next((rs for rs in known if rs.template_hash == template_hash), None)

    def next_revision(self) -> int:
        """The number after the highest in the Deployment's history."""
        own = _number(self.deployment.annotations.get(keys.REVISION), 0)
        return max([own, *(rs.revision for rs in self.observed.replica_sets)]) + 1


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
