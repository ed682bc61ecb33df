"""Scaling beside a release: what is asked of the metrics when, and what becomes of the answers.

A release never touches N, and scaling never touches anything else. Scaling has its turn when the
release has nothing to do in this pass, so that a pass does one kind of dangerous thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sluice.core import placeholders, scaling_status, troubles, waking
from sluice.core.announcements import Act, decision
from sluice.core.events import QUERY_SECONDS
from sluice.core.objects import ReplicaSet
from sluice.core.plan import Ask, Plan, Query, ScaleDeployment, Status
from sluice.core.readings import Round
from sluice.core.scaling import remembering
from sluice.core.scaling.decision import decide
from sluice.core.scaling.kept import Facts, Memory, Scaled
from sluice.core.scaling.policy import Mode, Scaling
from sluice.core.scaling.schedules import bounds
from sluice.core.situation import Situation, State
from sluice.core.table import Phase

# Answers older than so many intervals, and a query's time, say nothing of now.
_INTERVALS_FRESH: Final = 2
# How often pods are looked at that do not come up after a raise.
_PODS_SECONDS: Final = 5.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Meanwhile a lowered N would take pods away that serve for the version that is not there yet.
_WAITS: Final = {
    Phase.PROMOTING: "a version is being promoted",
    Phase.ROLLING_BACK: "a version is being rolled back",
}
_RETURNS: Final = frozenset({State.RETURNING, State.RECLAIMING})


def with_scaling(situation: Situation, plan: Plan) -> Plan:
    """The plan of the release, with what scaling adds where the release has nothing to do."""
    scaling = situation.policy.scaling
    if scaling is None or plan.actions or plan.status is None:
        return plan
    return _Beside(situation, scaling, plan, plan.status).plan()


def replicas_key(situation: Situation) -> str:
    """What the answers are for: another spec asks other questions."""
    return f"scaling@{situation.observed.rollout.generation}"


@dataclass(frozen=True, slots=True)
class _Beside:
    """One decision on replicas, beside a release at rest."""

    situation: Situation
    scaling: Scaling
    rest: Plan
    status: Status

    def plan(self) -> Plan:
        if self._pods_unseen:
            seen = self._with_pods(self.rest)
            before = scaling_status.as_before(self.situation, self.status)
            return replace(seen, status=before, again_at=self.situation.now)
        scaled = decide(self.scaling, self._facts(), self._memory(), self.situation.now)
        if self._may_write and scaled.desired != scaled.current:
            return self._write(scaled)
        return self._show(scaled)

    # --- what a decision is made from

    def _facts(self) -> Facts:
        base, answered = self._base, self._round
        return Facts(
            current=self.situation.replicas,
            ready=base.ready_replicas if base else 0,
            ready_all=sum(rs.ready_replicas for rs in self.situation.living),
            answers=answered.values if answered else (),
            asked_at=answered.asked_at if answered else None,
            lowering_waits=self._waits,
            pending=self._pending,
            bounds=bounds(self.scaling.schedules, self.situation.now),
        )

    def _memory(self) -> Memory:
        """This process's, else what the status has kept of a former one's."""
        observed = self.situation.observed
        if observed.scaling_memory is not None:
            return observed.scaling_memory
        return remembering.remember(observed.rollout.stored_scaling)

    @property
    def _base(self) -> ReplicaSet | None:
        """What is kept at N; in the gap of a swap the one that serves in its place."""
        return self.situation.base or self.situation.stable

    @property
    def _waits(self) -> str:
        if self.situation.observed.release_refused:
            # Nobody knows how far the release has come.
            return "a write of the release was refused"
        phase = Phase(self.status.phase)
        if phase is Phase.STALLED and self.situation.state in _RETURNS:
            # A rollback whose version does not come up is still one.
            phase = Phase.ROLLING_BACK
        return _WAITS.get(phase, "")

    @property
    def _pending(self) -> int:
        """The pods of what is kept at N that fit on no node. A canary's say nothing of it: what
        is wrong with them may be their own.
        """
        pods, base = self.situation.observed.pods or (), self._base
        return troubles.count_unplaced(p for p in pods if base and p.pod_hash == base.pod_hash)

    @property
    def _pods_unseen(self) -> bool:
        """Whether pods are missing, and nobody has looked yet why."""
        short = self._short
        return short is not None and short.pod_hash not in self.situation.observed.pods_of

    @property
    def _short(self) -> ReplicaSet | None:
        """What is kept at N, while pods of it are missing."""
        base = self._base
        return base if base and base.ready_replicas < self.situation.replicas else None

    @property
    def _round(self) -> Round | None:
        """The newest answers, if they are to the present questions and speak for now."""
        latest = self.situation.observed.scaling_round
        if latest is None or latest.release != replicas_key(self.situation):
            return None
        lasts = _INTERVALS_FRESH * self.scaling.interval_seconds + QUERY_SECONDS
        age_seconds = (self.situation.now - latest.asked_at).total_seconds()
        return latest if age_seconds <= lasts else None

    @property
    def _may_write(self) -> bool:
        observed = self.situation.observed
        alone = observed.autoscaler is None and not observed.autoscaler_problem
        return self.scaling.mode is Mode.ACTIVE and alone and not observed.scaling_refused

    # --- what comes of it

    def _write(self, scaled: Scaled) -> Plan:
        change = scaled.desired - scaled.current
        said = "scaled up" if change > 0 else "scaled down"
        why = f"from {scaled.current} to {scaled.message}"
        return replace(
            self._with_pods(self.rest),
            actions=(ScaleDeployment(self.situation.deployment.ref, scaled.desired),),
            decision=decision(Act.SCALE, said, why),
            status=self._told(scaled, written=True),
            scaled=scaled,
            scaling_memory=scaled.after_write,
            again_at=self.situation.now,
        )

    def _show(self, scaled: Scaled) -> Plan:
        seen = self._with_pods(self.rest)
        instants = (seen.again_at, *self._looks(scaled))
        return replace(
            seen,
            status=self._told(scaled),
            ask_scaling=self._ask(),
            scaled=scaled,
            scaling_memory=scaled.memory,
            again_at=min((at for at in instants if at), default=None),
        )

    def _told(self, scaled: Scaled, *, written: bool = False) -> Status:
        return scaling_status.with_scaling(
            self.situation, self.scaling, self.status, scaled, written=written
        )

    def _looks(self, scaled: Scaled) -> Iterator[datetime | None]:
        yield self._tick_at(self._tick + 1)
        yield scaled.explanation.next_change

    def _with_pods(self, plan: Plan) -> Plan:
        """The plan, with the pods of what is kept at N to be seen while some are missing."""
        short = self._short
        if short is None:
            return plan
        hashes = tuple(dict.fromkeys((*plan.pods_of, short.pod_hash)))
        seconds = min(plan.pods_every_seconds or _PODS_SECONDS, _PODS_SECONDS)
        again = self.situation.after(seconds)
        sooner = min(plan.again_at or again, again)
        return replace(plan, pods_of=hashes, pods_every_seconds=seconds, again_at=sooner)

    # --- what is asked, and when

    def _ask(self) -> Ask | None:
        """The round that is due. All Rollouts of an interval ask at the same instants, so that
        equal questions can be asked once.
        """
        last = self.situation.observed.scaling_round
        key = replicas_key(self.situation)
        if not self.situation.replicas:
            return None
        if last is not None and (last.release, last.tick) == (key, self._tick):
            return None
        values = {**waking.values(self.situation), "pods": _all_pods(self.situation)}
        return Ask(
            release=key,
            tick=self._tick,
            source=self.scaling.source,
            queries=tuple(
                Query(metric.name, placeholders.fill(metric.query, values))
                for metric in self.scaling.metrics
            ),
            timeout_seconds=min(QUERY_SECONDS, self.scaling.interval_seconds),
        )

    @property
    def _interval(self) -> timedelta:
        return timedelta(seconds=self.scaling.interval_seconds)

    @property
    def _tick(self) -> int:
        return (self.situation.now - _EPOCH) // self._interval

    def _tick_at(self, number: int) -> datetime:
        return _EPOCH + number * self._interval


def _all_pods(situation: Situation) -> str:
    """An expression for the pods of every version that is kept. Also of one that has none left:
    what its pods did a moment ago still counts in a rate, and left out it would look like a load
    that has gone.
    """
    prefixes = {placeholders.pods_expression(rs.ref.name) for rs in situation.living}
    return "|".join(sorted(prefixes)) or placeholders.names_expression(())
