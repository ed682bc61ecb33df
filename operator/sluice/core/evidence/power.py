"""What the evidence could tell by now, and what a step needs to tell more.

All of it is of the expected course: a regression "can be seen" where its expected evidence is
enough for a Fail, which about half of the releases with it reach earlier and half later.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, inf, log
from typing import Final

from sluice.core.evidence.sequential import (
    FEWEST_INTERVALS,
    LOG_CAP,
    RATIOS,
    Finding,
    Process,
    Sides,
    canary_share,
    gain,
    log_mean_exp,
    threshold,
)

# The regressions that people are told of: the canary's ratio as a multiple of the stable side's.
REGRESSIONS: Final = RATIOS


@dataclass(frozen=True, slots=True)
class Bar:
    """What a Fail needs: the confidence, and among how many e-values the mean is taken."""

    confidence: float
    processes: int = 1

    @property
    def log_height(self) -> float:
        """ln of what one process alone must reach while all others are at 0."""
        return threshold(self.confidence) + log(max(1, self.processes))

    @property
    def fewest_intervals(self) -> int:
        """In how many intervals it can be reached at best, each being capped."""
        return max(FEWEST_INTERVALS, ceil(self.log_height / LOG_CAP))


@dataclass(frozen=True, slots=True)
class Traffic:
    """The load of both sides: requests per second, and the stable side's ratio of bad ones."""

    canary_per_second: float
    stable_per_second: float
    stable_ratio: float
    dispersion: float = 1.0


@dataclass(frozen=True, slots=True)
class Need:
    """What it takes to see a regression; infinite where it cannot be seen."""

    seconds: float
    canary_requests: float


def share(process: Process, bar: Bar) -> float:
    """How far one metric's evidence has come to a Fail, from 0 to 1, as a share of the way that
    is left to equal steps: so many bad requests brought it to 0.5, as many again bring it to 1.
    """
    return min(1.0, max(0.0, process.log_m / bar.log_height))


def share_of_all(finding: Finding, confidence: float) -> float:
    """The same for all metrics together; 1 is a Fail, two intervals with evidence given."""
    return min(1.0, max(0.0, finding.log_mean / threshold(confidence)))


def smallest_seen(
    seen: Sides, bar: Bar, *, tolerance: float = 1.0, dispersion: float = 1.0
) -> float | None:
    """The smallest of REGRESSIONS that would have been seen by now, with these counts; None where
    even the largest would not. A stable side without a bad request counts as with half of one.
    """
    (_, canary_total), (stable_bad, stable_total) = seen
    if canary_total <= 0 or stable_total <= 0:
        return None
    ratio = max(stable_bad, 0.5) / stable_total
    for factor in REGRESSIONS:
        canary_bad = min(1.0, factor * ratio) * canary_total
        logs = _gains(canary_bad, stable_bad, canary_share(canary_total, stable_total, tolerance))
        if log_mean_exp([value / dispersion for value in logs]) >= bar.log_height:
            return factor
    return None


def needed(
    regression: float,
    traffic: Traffic,
    bar: Bar,
    *,
    interval_seconds: float,
    tolerance: float = 1.0,
) -> Need:
    """How long a step has to last, and how many requests the canary then has had, until a canary
    that is `regression` times as bad as the stable side is seen. Whole intervals.
    """
    canary_bad = min(1.0, regression * traffic.stable_ratio) * traffic.canary_per_second
    stable_bad = traffic.stable_ratio * traffic.stable_per_second
    if canary_bad <= 0 or traffic.stable_per_second <= 0:
        return Need(inf, inf)
    odds = canary_share(traffic.canary_per_second, traffic.stable_per_second, tolerance)
    per_second = [value / traffic.dispersion for value in _gains(canary_bad, stable_bad, odds)]
    seconds = _until(bar.log_height, per_second)
    if seconds == inf:
        return Need(inf, inf)
    intervals = max(bar.fewest_intervals, ceil(seconds / interval_seconds))
    seconds = intervals * interval_seconds
    return Need(seconds, seconds * traffic.canary_per_second)


def _gains(canary_bad: float, stable_bad: float, odds: float) -> list[float]:
    bad = canary_bad + stable_bad
    return [gain(canary_bad, bad, odds, ratio, log(ratio)) for ratio in RATIOS]


def _until(log_height: float, per_second: list[float]) -> float:
    """The t at which mean(exp(t * rate)) reaches exp(log_height), by Newton's method from above.

    ln(mean(exp(t * rate))) is convex and 0 at t = 0, so from where it is too high the steps come
    down and never pass the root.
    """
    fastest = max(per_second)
    if fastest <= 0:
        return inf
    seconds = (log_height + log(len(per_second))) / fastest
    for _ in range(20):
        exponents = [rate * seconds for rate in per_second]
        height = log_mean_exp(exponents)
        weights = [exp(each - height) / len(per_second) for each in exponents]
        slope = sum(rate * weight for rate, weight in zip(per_second, weights, strict=True))
        seconds -= (height - log_height) / slope
    return seconds
