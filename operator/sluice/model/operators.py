"""A process of the operator: what `sluice.reconcile` does around `decide`, on the model.

All that it keeps between two passes may be lost at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.decide import decide
from sluice.core.objects import Observed
from sluice.core.plan import Ask, Plan
from sluice.core.readings import Answer, Known, Round, Unknown
from sluice.core.scaling.kept import Memory
from sluice.model import api
from sluice.model.cluster import Cluster

Reading = Known | Unknown
# What the source of metrics answers to a question; None: nothing at all, not even that it does not
# know.
Source = Callable[[Ask], tuple[tuple[str, Answer], ...] | None]

_TURNS_AT_MOST = 60


@dataclass
class Operator:
    """One process. `skew` is how far its clock is ahead of the cluster's."""

    cluster: Cluster
    source: Source
    skew: timedelta = timedelta(0)
    latest_round: Round | None = None
    scaling_round: Round | None = None
    scaling_memory: Memory | None = None
    asking_since: tuple[str, datetime] | None = None
    pods_of: tuple[str, ...] = ()

    @property
    def now(self) -> datetime:
        """The time by its own clock."""
        return self.cluster.now + self.skew

    def observe(self) -> Observed:
        """A fresh snapshot."""
        cluster = self.cluster
        assert cluster.rollout is not None
        pods = None
        if cluster.deployment is not None and self.pods_of:
            seen = cluster.kubelet.seen(cluster.now)
            pods = tuple(pod for pod in seen if pod.pod_hash in self.pods_of)
        return Observed(
            self.now, cluster.rollout, cluster.deployment, tuple(cluster.replica_sets.values()),
            cluster.anchor, tuple(cluster.records.values()), pods, self.latest_round, fresh=True,
            pods_of=self.pods_of, scaling_round=self.scaling_round,
            scaling_memory=self.scaling_memory,
        )  # fmt: skip

    def plan(self, stale: Observed | None = None) -> tuple[Observed, Plan]:
        """What to do, and the snapshot that it rests on. An older snapshot is good enough for all
        that is not dangerous.
        """
        seen = self.observe()
        if stale is not None:
            older = replace(
                stale, now=self.now, latest_round=self.latest_round, pods=seen.pods, fresh=False,
                pods_of=self.pods_of, scaling_round=self.scaling_round,
                scaling_memory=self.scaling_memory,
            )  # fmt: skip
            plan = decide(older)
            if not (plan.needs_fresh or plan.dangerous):
                return older, plan
        return seen, decide(seen)

    def conclude(self, plan: Plan) -> None:
        """What follows from a plan that was carried out."""
        if plan.status is not None:
            self.pods_of = plan.pods_of
        self.scaling_memory = plan.scaling_memory or self.scaling_memory
        if plan.ask_scaling is not None and (answers := self.source(plan.ask_scaling)):
            asked = plan.ask_scaling
            self.scaling_round = Round(asked.release, asked.tick, self.now, answers)
        if plan.ask is not None:
            self._ask(plan.ask)

    def work(self, between: Callable[[], None], told: Callable[[Observed, Plan], None]) -> Plan:
        """Turns until nothing is left to be done now; `between` runs after each write, and `told`
        hears of each plan that was carried out.
        """
        for _ in range(_TURNS_AT_MOST):
            seen, plan = self.plan()
            for action in plan.actions:
                try:
                    api.apply(self.cluster, action)
                except api.Refused:
                    break
                between()
            self.conclude(plan)
            if self.cluster.rollout is None:
                return plan
            told(seen, plan)
            later = plan.again_at is None or plan.again_at > self.now
            if not plan.actions and later and not plan.ask and not plan.ask_scaling:
                return plan
        raise AssertionError(f"the operator does not come to rest: {plan.decision}")

    def _ask(self, ask: Ask) -> None:
        answers = self.source(ask)
        if answers is None:
            return
        if self.asking_since is None or self.asking_since[0] != ask.release:
            self.asking_since = (ask.release, self.now)
        since = self.asking_since[1]
        self.latest_round = Round(ask.release, ask.tick, self.now, answers, since)
