"""One pass over one Rollout: observe, decide, apply.

A pass is level-triggered: it never asks what has happened, only what is. It repeats itself while
there is something to do at once, and writes the status when there is not.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sluice.api.status import to_wire
from sluice.core import display
from sluice.core.decide import decide
from sluice.core.objects import Observed, Role, Rollout
from sluice.core.plan import Decision, Plan, Status
from sluice.core.scaling.kept import Memory
from sluice.core.table import Phase
from sluice.ports import (
    Clock,
    Cluster,
    ClusterError,
    Denied,
    Journal,
    Key,
    Parts,
    Rounds,
    Stale,
    Unreachable,
)
from sluice.runtime.queue import AgainIn, Done, Outcome

log = logging.getLogger(__name__)

# A healthy pass ends by itself after a few turns; this bounds one that does not.
_TURNS: Final = 30
# Writes refused in a row as outdated; what is refused after so many fresh reads stays refused.
_REFUSALS: Final = 5
# Counters that move with every pod are shown at most so often; phases and steps at once.
_COUNTERS_EVERY: Final = timedelta(seconds=1)
_AFTER_REFUSAL_SECONDS: Final = 30.0
# The replicas could not be set for a reason that may pass by itself.
_AFTER_FAILURE_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Memory:
    """What is kept between passes of one Rollout; all of it may be lost."""

    uid: str = ""
    pods_of: tuple[str, ...] = ()
    pods_every_seconds: float = 0.0
    untold: list[Decision] = field(default_factory=list)
    shown_at: datetime | None = None
    scaling: Memory | None = None
    # The first pass of a process, and each one after a surprise, reads afresh.
    fresh: bool = True


@dataclass(slots=True)
class _Refused:
    """What was refused in this pass, in words: the rest of it goes on without. A release and
    scaling do not hold each other up.
    """

    release: str = ""
    scaling: str = ""
    again_seconds: float = math.inf
    # Setting the replicas failed in a way that may pass by itself: the readings still count.
    passing: bool = False

    def note(self, plan: Plan, error: ClusterError) -> bool:
        """Whether the pass can go on without the plan's actions, of which one was refused."""
        if plan.scales and not self.scaling:
            self.scaling, self.passing = str(error), isinstance(error, Unreachable)
            self._within(_AFTER_FAILURE_SECONDS if self.passing else _AFTER_REFUSAL_SECONDS)
            return True
        if isinstance(error, Denied) and not plan.scales and not self.release:
            self.release = str(error)
            self._within(_AFTER_REFUSAL_SECONDS)
            return True
        return False

    def _within(self, seconds: float) -> None:
        self.again_seconds = min(self.again_seconds, seconds)


class Reconciler:
    """Brings one Rollout after the other to where it shall be; called by the work queue."""

    def __init__(
        self,
        cluster: Cluster,
        rounds: Rounds,
        clock: Clock,
        journal: Journal,
        *,
        scaling_rounds: Rounds,
    ) -> None:
        self._cluster = cluster
        self._rounds = rounds
        self._scaling_rounds = scaling_rounds
        self._clock = clock
        self._journal = journal
        self._memories: dict[Key, _Memory] = {}

    async def __call__(self, key: Key) -> Outcome:
        """One pass. Raises ClusterError where the API server is in trouble: the queue waits."""
        refusals, refused = 0, _Refused()
        for _ in range(_TURNS):
            try:
                outcome = await self._turn(key, refused)
            except Stale as stale:
                log.debug("%s: %s; reading afresh", key, stale)
                self._memory(key).fresh = True
                refusals += 1
                if refusals > _REFUSALS:
                    log.warning("%s: %s; again in a second", key, stale)
                    return AgainIn(1.0)
                continue
            refusals = 0
            if outcome is not None:
                return outcome
        log.warning("%s: still busy after %d turns; goes on in a second", key, _TURNS)
        return AgainIn(1.0)

    def new_term(self) -> None:
        """Another process may have led since the last pass: nothing that was kept holds."""
        self._memories.clear()

    async def _turn(self, key: Key, refused: _Refused) -> Outcome | None:
        """One look and what follows from it; None when the next look is due at once."""
        rollout = await self._present(key)
        if rollout is None:
            return Done()
        memory = self._memory(key)
        observed, plan = await self._planned(key, rollout, memory, refused)
        try:
            if not await self._acted(key, rollout, plan, refused):
                memory.fresh = True
                return None
            again_at = await self._conclude(key, rollout, plan, memory, refused)
        except Denied as denied:
            return await self._stalled(key, observed, denied, memory)
        memory.fresh = False
        seconds = refused.again_seconds
        if again_at is not None:
            seconds = min(seconds, (again_at - self._clock.now()).total_seconds())
        if math.isinf(seconds):
            return Done()
        return AgainIn(seconds) if seconds > 0 else None

    async def _present(self, key: Key) -> Rollout | None:
        """The Rollout, with nothing kept that is of another one or of another time."""
        rollout = await self._cluster.rollout(key)
        if rollout is None or self._memory(key).uid not in ("", rollout.ref.uid):
            self._forget(key)
        if rollout is None:
            return None
        memory = self._memory(key)
        memory.uid = rollout.ref.uid
        if rollout.policy is not None and rollout.policy.scaling is None:
            # Who scales again begins anew: meanwhile somebody else has set the replicas.
            memory.scaling = None
        return rollout

    async def _acted(self, key: Key, rollout: Rollout, plan: Plan, refused: _Refused) -> bool:
        """Carries the actions out; false where one was refused that the pass can do without."""
        try:
            for action in plan.actions:
                await self._cluster.apply(rollout, action)
        except (Denied, Unreachable) as error:
            if not refused.note(plan, error):
                raise
            log.warning("%s: %s", key, error)
            return False
        return True

    async def _planned(
        self, key: Key, rollout: Rollout, memory: _Memory, refused: _Refused
    ) -> tuple[Observed, Plan]:
        """What to do, and what it rests on: what is dangerous on fresh reads alone."""
        observed = await self._observe(key, rollout, memory, refused, fresh=memory.fresh)
        plan = decide(observed)
        if (plan.needs_fresh or plan.dangerous) and not observed.fresh:
            observed = await self._observe(key, rollout, memory, refused, fresh=True)
            plan = decide(observed)
        if plan.scales:
            # One that came a moment ago must be known before replicas are written.
            observed = replace(observed, **await self._autoscaler(rollout, fresh=True))
            plan = decide(observed)
        return observed, plan

    async def _observe(
        self, key: Key, rollout: Rollout, memory: _Memory, refused: _Refused, *, fresh: bool
    ) -> Observed:
        parts = await self._cluster.around(rollout, fresh=fresh)
        pods = None
        if parts.deployment is not None and memory.pods_of:
            pods = await self._cluster.pods(
                rollout,
                parts.deployment,
                memory.pods_of,
                # A little less than the time between two looks, or every second look would
                # find the pods just fresh enough.
                max_age_seconds=memory.pods_every_seconds * 0.9,
            )
        return Observed(
            now=self._clock.now(),
            rollout=rollout,
            deployment=parts.deployment,
            replica_sets=parts.replica_sets,
            anchor=parts.anchor,
            records=parts.records,
            pods=pods,
            pods_of=memory.pods_of if pods is not None else (),
            latest_round=self._rounds.latest(key),
            rival=await self._cluster.rival(rollout),
            fresh=parts.fresh,
            scaling_round=self._scaling_rounds.latest(key),
            scaling_memory=memory.scaling,
            release_refused=refused.release,
            scaling_refused=refused.scaling,
            **await self._autoscaler(rollout, parts, fresh=False),
        )

    async def _autoscaler(
        self, rollout: Rollout, parts: Parts | None = None, *, fresh: bool
    ) -> dict[str, Any]:
        """What else sets the replicas, as fields of Observed; it is only asked where it matters:
        to scaling, and to the size of a canary.

        Not being allowed to know is no reason to stand still with all the rest.
        """
        scales = rollout.policy is not None and rollout.policy.scaling is not None
        released = any(rs.role is Role.CANARY for rs in (parts.replica_sets if parts else ()))
        if not scales and not released:
            return {}
        try:
            return {"autoscaler": await self._cluster.autoscaler(rollout, fresh=fresh)}
        except ClusterError as error:
            return {"autoscaler": None, "autoscaler_problem": str(error)}

    async def _conclude(
        self, key: Key, rollout: Rollout, plan: Plan, memory: _Memory, refused: _Refused
    ) -> datetime | None:
        """What follows from a plan whose actions succeeded; returns when to look again."""
        if plan.decision is not None:
            self._journal.decided(rollout, plan.decision)
            memory.untold.append(plan.decision)
        if plan.scaling_memory is not None:
            before = memory.scaling.asked_at if memory.scaling else None
            asked_at = before if refused.passing else plan.scaling_memory.asked_at
            memory.scaling = replace(plan.scaling_memory, asked_at=asked_at)
        if plan.scaled is not None:
            self._journal.scaled(rollout, plan.scaled)
        elif plan.status is not None and not self._is_due(plan):
            self._journal.forget(key)
        if plan.ask is not None:
            self._rounds.submit(key, plan.ask)
        if plan.ask_scaling is not None:
            self._scaling_rounds.submit(key, plan.ask_scaling)
        if plan.status is None:
            return plan.again_at
        # Before the status, which may be refused: the pods are to be seen all the same.
        memory.pods_of, memory.pods_every_seconds = plan.pods_of, plan.pods_every_seconds
        later = await self._show(rollout, plan.status, memory)
        return min((at for at in (plan.again_at, later) if at), default=None)

    async def _show(self, rollout: Rollout, status: Status, memory: _Memory) -> datetime | None:
        """Writes the status where it differs; returns when to do so, if that is not now."""
        now, stored = self._clock.now(), rollout.status
        wire = self._wire(status, rollout, stored, None)
        for decision in memory.untold:
            wire = self._wire(status, rollout, {**stored, **_decisions(wire)}, decision)
        if wire == stored:
            return None
        if memory.shown_at is not None and _meaning(wire) == _meaning(stored):
            due = memory.shown_at + _COUNTERS_EVERY
            if now < due:
                return due
        await self._cluster.apply_status(rollout, wire)
        memory.shown_at = now
        memory.untold.clear()
        return None

    async def _stalled(
        self, key: Key, observed: Observed, denied: Denied, memory: _Memory
    ) -> Outcome:
        """Somebody has to change something: say what, and look again now and then."""
        log.warning("%s: %s", key, denied)
        memory.fresh = True
        status = display.simple(observed, Phase.STALLED, str(denied), "Refused")
        rollout = observed.rollout
        wire = self._wire(status, rollout, rollout.status, None)
        if wire != rollout.status:
            await self._cluster.apply_status(rollout, wire)
        return AgainIn(_AFTER_REFUSAL_SECONDS)

    def _is_due(self, plan: Plan) -> bool:
        """Whether the next look follows at once: then nothing has come to an end in this one."""
        return plan.again_at is not None and plan.again_at <= self._clock.now()

    def _wire(
        self,
        status: Status,
        rollout: Rollout,
        previous: Mapping[str, Any],
        decision: Decision | None,
    ) -> dict[str, Any]:
        return to_wire(
            status,
            previous=previous,
            generation=rollout.generation,
            now=self._clock.now(),
            decision=decision,
        )

    def _forget(self, key: Key) -> None:
        self._memories.pop(key, None)
        self._rounds.forget(key)
        self._scaling_rounds.forget(key)
        self._cluster.forget(key)
        self._journal.forget(key)

    def _memory(self, key: Key) -> _Memory:
        return self._memories.setdefault(key, _Memory())


def _decisions(wire: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"decisions": wire["decisions"]} if "decisions" in wire else {}


def _meaning(wire: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a status is shown at once: all but counters and messages."""
    conditions = tuple((c["type"], c["status"], c["reason"]) for c in wire.get("conditions", ()))
    release, scaling = wire.get("release") or {}, wire.get("scaling") or {}
    return (
        wire.get("phase"),
        conditions,
        release.get("id"),
        release.get("step"),
        wire.get("lastCommand"),
        wire.get("observedGeneration"),
        # It is remembered in there, and only written when that is worth it.
        {name: value for name, value in scaling.items() if name != "current"},
    )
