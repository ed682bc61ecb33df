"""How many requests the stable pods have, and how many of them are bad, from their counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from sluice.core import comparing
from sluice.core.checking.subject import GRID_SECONDS, LOOK_SECONDS, Subject
from sluice.core.evidence.counts import Counts, Cut, Grid, Interval, Rules, Series, Tally, count
from sluice.core.evidence.sequential import dispersion
from sluice.core.plan import Query
from sluice.core.policy import Metric

_TICKS: Final = ceil(LOOK_SECONDS / GRID_SECONDS)


@dataclass(frozen=True, slots=True)
class Measured:
    """The stable pods' requests by one cut.

    `bad` and `total` are of all pods over the time that was looked at, `per_second` is what all
    stable pods have together, those included that were not seen.
    """

    bad: float
    total: float
    per_second: float
    dispersion: float = 1.0

    @property
    def ratio(self) -> float:
        """The share of bad requests; where there was none, as if there had been half of one."""
        return min(1.0, max(self.bad, 0.5) / self.total) if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the counters of a metric tell: by cut, and which of the pods have any. `seconds` is
    how long the pod was counted that was counted longest.
    """

    by_cut: Mapping[Cut, Measured]
    pods: frozenset[str]
    seconds: float
    remarks: tuple[str, ...] = ()


def questions(metric: Metric, subject: Subject) -> tuple[Query, ...]:
    """The counters of the last minutes, asked for as a release does."""
    analysis = replace(subject.analysis, interval_seconds=GRID_SECONDS)
    return comparing.queries(metric, analysis, subject.ground, 0, _TICKS)


def measured(metric: Metric, series: Sequence[Series], subject: Subject) -> Seen:
    """What the counters tell of the pods that are there now."""
    names = {pod.name for pod in subject.pods}
    present = [each for each in series if each.pod in names]
    grid = Grid(subject.ground.began.timestamp(), GRID_SECONDS)
    # No pod's first value is what it has counted in the meantime.
    rules = Rules(grid, bool(metric.histogram), old=frozenset(names))
    _, intervals = count(Tally(), [], present, _TICKS, rules)
    by_pod = _by_pod(intervals)
    return Seen(
        by_cut={cut: _measured(pods, len(names)) for cut, pods in sorted(by_pod.items())},
        pods=frozenset(each.pod for each in present),
        seconds=GRID_SECONDS * max((n for p in by_pod.values() for n, _ in p.values()), default=0),
        remarks=tuple(dict.fromkeys(text for each in intervals for text in each.remarks)),
    )


# In how many intervals a pod was counted, and what.
_Sum = tuple[int, Counts]


def _by_pod(intervals: Iterable[Interval]) -> Mapping[Cut, Mapping[str, _Sum]]:
    sums: dict[Cut, dict[str, _Sum]] = defaultdict(dict)
    for interval in intervals:
        for cut, pods in interval.stable.items():
            for pod, counts in pods.items():
                number, before = sums[cut].get(pod, (0, Counts(0.0, 0.0)))
                sums[cut][pod] = (number + 1, before.plus(counts))
    return sums


def _measured(pods: Mapping[str, _Sum], all_pods: int) -> Measured:
    counts = {pod: total for pod, (_, total) in pods.items()}
    per_second = sum(each.total / (number * GRID_SECONDS) for number, each in pods.values())
    return Measured(
        bad=sum(each.bad for each in counts.values()),
        total=sum(each.total for each in counts.values()),
        per_second=per_second * all_pods / len(pods),
        dispersion=dispersion(counts),
    )
