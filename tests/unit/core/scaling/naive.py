"""A second HorizontalPodAutoscaler for External metrics, as plain as can be: it remembers every
round and every change for ever, and looks through all of them each time. Written from the rules,
not from the code it is compared with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sluice.core.scaling.policy import (
    Direction,
    PolicyKind,
    Scaling,
    ScalingMetric,
    Select,
    TargetKind,
)

LARGEST = 2_147_483_647


@dataclass
class NaiveHpa:
    """Times are seconds; `rounds` are (time, recommendation) and `changes` (time, pods)."""

    scaling: Scaling
    rounds: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, time: float, current: int, ready: int, values: dict[str, float]) -> int:
        """The replicas after this round."""
        if current == 0:
            return 0
        if not self.rounds:
            self.rounds.append((time, current))
        if current > self.scaling.max_replicas:
            result = self.scaling.max_replicas
        elif current < self.scaling.min_replicas:
            result = self.scaling.min_replicas
        else:
            result = self.by_metrics(time, current, ready, values)
        if result != current:
            self.changes.append((time, result - current))
        return result

    def by_metrics(self, time: float, current: int, ready: int, values: dict[str, float]) -> int:
        recommendation = 0
        for metric in self.scaling.metrics:
            milli = int((abs(values[metric.name]) * 1000) + 0.5)
            milli = milli if values[metric.name] >= 0 else -milli
            recommendation = max(recommendation, self.one(metric, milli, current, ready))
        self.rounds.append((time, recommendation))
        if self.scaling.behavior is None:
            return self.without_behavior(time, current)
        return self.with_behavior(time, current, recommendation)

    def one(self, metric: ScalingMetric, milli: int, current: int, ready: int) -> int:
        up = down = 0.1
        if self.scaling.behavior is not None:
            up = self.scaling.behavior.up.tolerance
            down = self.scaling.behavior.down.tolerance
        if metric.kind == TargetKind.AVERAGE_VALUE:
            ratio = milli / (metric.target_milli * current)
            result = math.ceil(milli / metric.target_milli)
        else:
            ratio = milli / metric.target_milli
            result = math.ceil(ratio * ready)
        if ratio >= 1 - down and ratio <= 1 + up:
            return current
        return min(result, LARGEST)

    def without_behavior(self, time: float, current: int) -> int:
        highest = max(number for when, number in self.rounds if when >= time - 300)
        most = min(self.scaling.max_replicas, max(current * 2, 4))
        return sorted([self.scaling.min_replicas, highest, most])[1]

    def with_behavior(self, time: float, current: int, recommendation: int) -> int:
        behavior = self.scaling.behavior
        assert behavior is not None
        up_from, down_from = time - behavior.up.window_seconds, time - behavior.down.window_seconds
        lowest = min([recommendation] + [n for when, n in self.rounds if when > up_from])
        highest = max([recommendation] + [n for when, n in self.rounds if when > down_from])
        wanted = current
        if wanted < lowest:  # noqa: PLR1730 - as the rules say it
            wanted = lowest
        if wanted > highest:  # noqa: PLR1730
            wanted = highest
        if wanted > current:
            limit = max(current, self.farthest(time, current, behavior.up, +1))
            return min(wanted, limit, self.scaling.max_replicas)
        if wanted < current:
            limit = min(current, self.farthest(time, current, behavior.down, -1))
            return max(wanted, limit, self.scaling.min_replicas)
        return current

    def farthest(self, time: float, current: int, direction: Direction, sign: int) -> int:
        if direction.select == Select.DISABLED:
            return current
        reached = []
        for policy in direction.limits:
            start = current
            for when, change in self.changes:
                if when > time - policy.period_seconds:
                    start -= change
            if policy.kind == PolicyKind.PODS:
                reached.append(start + sign * policy.value)
            elif sign > 0:
                reached.append(math.ceil(start * (1 + policy.value / 100)))
            else:
                reached.append(int(start * (1 - policy.value / 100)))
        changes = sorted(reached, key=lambda number: sign * (number - current))
        return changes[-1] if direction.select == Select.MAX else changes[0]
