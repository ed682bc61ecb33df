"""The passes of `sluice.reconcile` on the world of the core's tests."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from world import World

from sluice.core.objects import Deployment, JsonMap, Pod, Rollout
from sluice.core.plan import Action, Ask, Decision, ScaleDeployment
from sluice.core.readings import Round
from sluice.core.scaling.kept import Scaled
from sluice.ports import ClusterError, Key, Parts
from sluice.reconcile import Reconciler
from sluice.runtime.queue import AgainIn, Outcome

KEY = Key("shop", "web")


@dataclass
class Board:
    """Answers every round at once, with what the world has."""

    world: World
    asks: list[Ask] = field(default_factory=list)
    newest: Round | None = None

    def submit(self, key: Key, ask: Ask) -> None:
        if self.newest and (self.newest.release, self.newest.tick) == (ask.release, ask.tick):
            return
        self.asks.append(ask)
        values = tuple((query.name, self.world.reading(query)) for query in ask.queries)
        self.newest = Round(ask.release, ask.tick, self.world.now, values, self.world.now)

    def latest(self, key: Key) -> Round | None:
        return self.newest

    def forget(self, key: Key) -> None:
        self.newest = None


@dataclass
class Told:
    """A journal, and how often it was told to forget."""

    decisions: list[Decision] = field(default_factory=list)
    scalings: list[Scaled] = field(default_factory=list)
    forgotten: int = 0

    def decided(self, rollout: Rollout, decision: Decision) -> None:
        self.decisions.append(decision)

    def scaled(self, rollout: Rollout, scaled: Scaled) -> None:
        self.scalings.append(scaled)

    def forget(self, key: Key) -> None:
        self.forgotten += 1


class Passes:
    """One Rollout's passes, each at an instant of the world; they satisfy `ports.Cluster`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rounds, self.scaling_rounds, self.journal = Board(world), Board(world), Told()
        # What is answered instead, by the type of the action.
        self.refuses: dict[type[Any], ClusterError] = {}
        self.tried: list[Action] = []
        self.statuses: list[JsonMap] = []
        self.refuses_status: ClusterError | None = None
        self.reconciler = Reconciler(
            self, self.rounds, self, self.journal, scaling_rounds=self.scaling_rounds
        )

    # --- time

    def now(self) -> datetime:
        return self.world.now

    def one(self) -> Outcome:
        """One pass, and what the controllers make of it."""

        async def one() -> Outcome:
            return await self.reconciler(KEY)

        outcome = asyncio.run(one())
        self.world.controllers()
        return outcome

    def when_due(self, seconds: float) -> None:
        """Time goes by in half seconds, with a pass only where one is due, or a round is answered:
        the longest that anything is let wait.
        """
        end = self.world.now + timedelta(seconds=seconds)
        due = self.world.now
        while self.world.now < end:
            self.world.now += timedelta(seconds=0.5)
            self.world.controllers()
            while self.world.now >= due:
                asked = self._asked
                outcome = self.one()
                if self._asked == asked:
                    later = outcome.seconds if isinstance(outcome, AgainIn) else math.inf
                    due = self.world.now + timedelta(seconds=min(later, 10**6))

    @property
    def _asked(self) -> int:
        return len(self.rounds.asks) + len(self.scaling_rounds.asks)

    def run(self, seconds: float) -> None:
        """Time goes by in half seconds, with a pass at each."""
        for _ in range(int(seconds * 2)):
            self.world.now += timedelta(seconds=0.5)
            self.world.controllers()
            self.world.serve(self.world.now, 0.5)
            self.one()

    @property
    def status(self) -> JsonMap:
        assert self.world.rollout is not None
        return self.world.rollout.status

    def condition(self, kind: str) -> JsonMap | None:
        found = self.status.get("conditions", ())
        return next((each for each in found if each["type"] == kind), None)

    @property
    def scale_writes(self) -> list[int]:
        return [action.replicas for action in self.tried if isinstance(action, ScaleDeployment)]

    # --- the cluster

    async def rollout(self, key: Key) -> Rollout | None:
        return self.world.rollout

    async def rival(self, rollout: Rollout) -> str | None:
        return None

    async def autoscaler(self, rollout: Rollout, *, fresh: bool) -> str | None:
        return self.world.autoscaler

    async def around(self, rollout: Rollout, *, fresh: bool) -> Parts:
        world = self.world
        sets, records = world.replica_sets.values(), world.records.values()
        return Parts(world.deployment, tuple(sets), world.anchor, tuple(records), fresh=True)

    async def pods(
        self,
        rollout: Rollout,
        deployment: Deployment,
        pod_hashes: tuple[str, ...],
        *,
        max_age_seconds: float,
    ) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.world.pods if pod.pod_hash in pod_hashes)

    async def apply(self, rollout: Rollout, action: Action) -> None:
        self.tried.append(action)
        if type(action) in self.refuses:
            raise self.refuses[type(action)]
        self.world.apply(action)
        self.world.controllers()

    async def apply_status(self, rollout: Rollout, status: JsonMap) -> None:
        assert self.world.rollout is not None
        if self.refuses_status is not None:
            raise self.refuses_status
        self.statuses.append(status)
        self.world.rollout = replace(self.world.rollout, status=status)

    def forget(self, key: Key) -> None:
        """Nothing is kept."""
