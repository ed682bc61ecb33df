"""Simulated releases, thousands at a time, for the study of the verdicts.

The formulas are those of `sluice.core.evidence`, written once more over numpy arrays: a test holds
both against each other, count for count. Fixed thresholds are judged on the same counts.

Time 0 is the canary's first request, `lead_seconds` after the release began. Each pod is scraped
every `scrape_seconds` with an offset of its own, and an instant of the grid, whose phase is random
too, sees the counts of the last scrape before it. So a change that hits both sides at once reaches
their counts at different instants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sluice.core.evidence.sequential import (
    FEWEST_INTERVALS,
    LOG_CAP,
    RATIOS,
    SCATTER_BAD,
    SCATTER_SHARE,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# (from second, value), in force until the next.
Course = tuple[tuple[float, float], ...]
ALWAYS_ONE: Final[Course] = ((0.0, 1.0),)
NEVER: Final = np.inf
_R: Final = np.array(RATIOS)
_LOG_R: Final = np.log(_R)


@dataclass(frozen=True)
class World:
    """What one kind of release meets. Courses multiply the ratio of bad requests.

    `canary_pods` come at time 0, `more_canary_pods` at `more_after_seconds`; all pods get the same
    share of `per_second`. `spread` is the sigma of the log-normal factor by which each pod differs
    for good, `batch` how many requests are bad at a time.
    """

    per_second: float
    ratio: float
    factor: float = 1.0
    stable_pods: int = 8
    canary_pods: int = 1
    more_canary_pods: int = 0
    more_after_seconds: float = 0.0
    spread: float = 0.0
    batch: int = 1
    both: Course = ALWAYS_ONE
    canary: Course = ALWAYS_ONE
    cold: Course = ALWAYS_ONE
    seconds: float = 300.0
    interval_seconds: float = 10.0
    scrape_seconds: float = 5.0
    delay_seconds: float = 0.0
    lead_seconds: float = 5.0

    @property
    def indices(self) -> range:
        """The instants of the grid; those before the canary's first request are below 0."""
        lead = round(self.lead_seconds / self.interval_seconds)
        return range(-lead, round(self.seconds / self.interval_seconds))


@dataclass(frozen=True)
class Counted:
    """One interval of all runs: requests and bad ones, runs by pods, canary pods last."""

    total: Floats
    bad: Floats
    instant_seconds: Floats


@dataclass
class _Pods:
    """The pods of one start: their expected requests and bad ones as cumulated courses."""

    number: int
    times: Floats
    requests: Floats
    bad: Floats

    def between(self, begin: Floats, end: Floats) -> tuple[Floats, Floats]:
        """Expected requests, and the mean factor on the ratio, between two scrapes of each pod."""
        expected = self._at(end, self.requests) - self._at(begin, self.requests)
        bad = self._at(end, self.bad) - self._at(begin, self.bad)
        return expected, np.divide(bad, expected, out=np.zeros_like(bad), where=expected > 0)

    def _at(self, time: Floats, cumulated: Floats) -> Floats:
        return np.interp(time, self.times, cumulated)


def _value(course: Course, time: float) -> float:
    return [value for begin, value in course if begin <= max(time, 0.0)][-1]


def _pods(world: World, number: int, begin: float, role: Course, *, warm: bool) -> _Pods:
    early = -(world.lead_seconds + 2 * world.interval_seconds + world.scrape_seconds)
    edges = {early, 0.0, begin, world.more_after_seconds}
    edges |= {time for course in (world.both, role) for time, _ in course}
    edges |= {begin + time for time, _ in world.cold}
    times = sorted({*edges, world.seconds + world.interval_seconds})
    requests, bad = [0.0], [0.0]
    for left, right in pairwise(times):
        more = world.more_canary_pods if left >= world.more_after_seconds else 0
        live = world.stable_pods + world.canary_pods * (left >= 0) + more
        rate = world.per_second / live * (warm or left >= begin)
        factor = _value(world.both, left) * _value(role, left)
        factor *= 1.0 if warm else _value(world.cold, left - begin)
        requests.append(requests[-1] + rate * (right - left))
        bad.append(bad[-1] + rate * factor * (right - left))
    return _Pods(number, np.array(times), np.array(requests), np.array(bad))


def counts(world: World, runs: int, rng: np.random.Generator) -> Iterator[Counted]:
    """The intervals of `runs` releases."""
    canary: Course = tuple((begin, world.factor * value) for begin, value in world.canary)
    groups = [
        _pods(world, world.stable_pods, 0.0, ALWAYS_ONE, warm=True),
        _pods(world, world.canary_pods, 0.0, canary, warm=False),
        _pods(world, world.more_canary_pods, world.more_after_seconds, canary, warm=False),
    ]
    starts = np.repeat([-NEVER, 0.0, world.more_after_seconds], [each.number for each in groups])
    pods = len(starts)
    offset = rng.uniform(0.0, world.scrape_seconds, (runs, pods))
    phase = rng.uniform(0.0, world.interval_seconds, (runs, 1))
    # The mean of the factors is 1, whatever their spread.
    own = rng.lognormal(-(world.spread**2) / 2, world.spread, (runs, pods))
    delay = np.ceil(world.delay_seconds / world.interval_seconds)
    first = np.full((runs, pods), NEVER)
    first[:, : world.stable_pods] = -NEVER
    began = phase + (world.indices[0] - 1) * world.interval_seconds
    before = _last_scrape(began, offset, world.scrape_seconds)
    for index in world.indices:
        instant = phase + index * world.interval_seconds
        scrape = _last_scrape(instant, offset, world.scrape_seconds)
        expected, factor = _joined(groups, before, scrape)
        first = np.minimum(first, np.where(scrape >= starts, float(index), NEVER))
        total = rng.poisson(expected).astype(float)
        ratio = np.minimum(1.0, world.ratio * own * factor)
        bad = _bad(total, ratio, world.batch, rng)
        counted = index >= first + delay
        yield Counted(total * counted, bad * counted, instant[:, 0])
        before = scrape


def _last_scrape(instant: Floats, offset: Floats, scrape_seconds: float) -> Floats:
    return offset + np.floor((instant - offset) / scrape_seconds) * scrape_seconds


def _joined(groups: list[_Pods], before: Floats, scrape: Floats) -> tuple[Floats, Floats]:
    edges = np.cumsum([0, *(each.number for each in groups)])
    parts = [
        group.between(before[:, left:right], scrape[:, left:right])
        for group, (left, right) in zip(groups, pairwise(edges), strict=True)
    ]
    return np.hstack([part[0] for part in parts]), np.hstack([part[1] for part in parts])


def _bad(total: Floats, ratio: Floats, batch: int, rng: np.random.Generator) -> Floats:
    if batch == 1:
        return rng.binomial(total.astype(np.int64), ratio).astype(float)
    batches = rng.poisson(total * ratio / batch)
    return np.minimum(total, batch * batches)


@dataclass
class Sequential:
    """The sequential test of many runs; `phi` and `cap` can be left out to see what they do."""

    runs: int
    stable_pods: int
    log_height: float = float(np.log(100.0))
    tolerance: float = 1.0
    phi: bool = True
    cap: bool = True
    logs: Floats = field(init=False)
    dispersion: Floats = field(init=False)
    log_m: Floats = field(init=False)
    found: Floats = field(init=False)

    def __post_init__(self) -> None:
        runs = self.runs
        self.logs = np.zeros((runs, len(RATIOS)))
        self.dispersion, self.log_m, self._log_e = np.ones(runs), np.zeros(runs), np.zeros(runs)
        self._rises = np.zeros(runs)
        self._carried = np.zeros((4, runs))
        self._pods = np.zeros((2, runs, self.stable_pods))
        self._started = np.zeros(runs, dtype=bool)
        self.found = np.full(runs, NEVER)

    def take(self, counted: Counted) -> None:
        """One more interval."""
        k = self.stable_pods
        lasting = np.where(telling(*self._pods), self.dispersion, 1.0)
        self._pods += np.stack([counted.bad[:, :k], counted.total[:, :k]])
        if self.phi:
            self.dispersion = np.maximum(lasting, scatter(*self._pods))
        sides = (counted.bad[:, k:], counted.total[:, k:], counted.bad[:, :k], counted.total[:, :k])
        interval = np.stack([side.sum(axis=1) for side in sides])
        self._started |= counted.instant_seconds > 0
        self._carried += interval * self._started
        complete = (self._carried[1] > 0) & (self._carried[3] > 0)
        bad, total, stable_bad, stable_total = self._carried * complete
        whole = self.tolerance * total + stable_total
        share = np.divide(self.tolerance * total, whole, out=np.zeros_like(whole), where=whole > 0)
        self.logs += bad[:, None] * _LOG_R
        self.logs -= (bad + stable_bad)[:, None] * np.log1p(np.outer(share, _R - 1.0))
        self._carried *= ~complete
        self._move(counted.instant_seconds)

    def _move(self, instant_seconds: Floats) -> None:
        log_e = log_mean_exp(self.logs / self.dispersion[:, None])
        step = log_e - self._log_e
        if self.cap:
            step = np.minimum(step, LOG_CAP)
        self.log_m += step
        self._log_e = log_e
        self._rises += step > 0
        over = (self.log_m >= self.log_height) & (self._rises >= FEWEST_INTERVALS)
        self.found = np.minimum(self.found, np.where(over, instant_seconds, NEVER))


def _comparable(total: Floats) -> Bools:
    live: Bools = total > 0
    fewest = SCATTER_SHARE * total.sum(axis=1) / np.maximum(1, live.sum(axis=1))
    comparable: Bools = live & (total >= fewest[:, None])
    return comparable


def telling(bad: Floats, total: Floats) -> Bools:
    """Whether each run's pods had so many bad requests that their scatter stays."""
    live = _comparable(total)
    enough: Bools = (bad * live).sum(axis=1) >= SCATTER_BAD * np.maximum(1, live.sum(axis=1))
    return enough


def scatter(bad: Floats, total: Floats) -> Floats:
    """Pearson's chi-squared per degree of freedom of each run's pods, at least 1."""
    live = _comparable(total)
    bad, total = bad * live, total * live
    pods = live.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = bad.sum(axis=1) / total.sum(axis=1)
        squares = np.where(live, (bad - total * ratio[:, None]) ** 2 / total, 0.0).sum(axis=1)
        value = squares / (ratio * (1.0 - ratio)) / (pods - 1)
    return np.where((pods >= 2) & (ratio > 0) & (ratio < 1), np.fmax(1.0, value), 1.0)


@dataclass
class Ceiling:
    """The test of the canary's own ratio against a limit, of many runs."""

    runs: int
    limit: float
    log_height: float = float(np.log(100.0))
    log_m: Floats = field(init=False)
    found: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._logs = np.zeros((self.runs, len(RATIOS)))
        self.log_m, self._rises = np.zeros(self.runs), np.zeros(self.runs)
        self.found = np.full(self.runs, NEVER)

    def take(self, counted: Counted, stable_pods: int) -> None:
        """One more interval."""
        bad = counted.bad[:, stable_pods:].sum(axis=1)
        good = counted.total[:, stable_pods:].sum(axis=1) - bad
        alternatives = np.minimum(0.99, _R * self.limit)
        before = log_mean_exp(self._logs)
        self._logs += np.outer(bad, np.log(alternatives / self.limit))
        self._logs += np.outer(good, np.log1p(-alternatives) - np.log1p(-self.limit))
        step = np.minimum(log_mean_exp(self._logs) - before, LOG_CAP)
        self.log_m += step
        self._rises += step > 0
        over = (self.log_m >= self.log_height) & (self._rises >= FEWEST_INTERVALS)
        self.found = np.minimum(self.found, np.where(over, counted.instant_seconds, NEVER))


def log_mean_exp(values: Floats) -> Floats:
    """ln(mean(exp(v))) of each row."""
    highest: Floats = values.max(axis=1)
    mean: Floats = np.exp(values - highest[:, None]).mean(axis=1)
    result: Floats = highest + np.log(mean)
    return result


@dataclass
class Threshold:
    """A success ratio of the canary that must be kept, looked at once a minute.

    It fails at the `failures`-th minute below it in all; a minute without a request is one.
    """

    runs: int
    success: float
    failures: int
    found: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.found = np.full(self.runs, NEVER)
        self._failed = np.zeros(self.runs)
        self._minute = np.zeros((2, self.runs))
        self._due = 60.0

    def take(self, counted: Counted, stable_pods: int, interval_seconds: float) -> None:
        """One more interval; those before the canary are not looked at."""
        if counted.instant_seconds.max() < 0:
            return
        self._minute += np.stack(
            [side[:, stable_pods:].sum(axis=1) for side in (counted.bad, counted.total)]
        )
        self._due -= interval_seconds
        if self._due > 1e-9:
            return
        bad, total = self._minute
        self._failed += ~(total - bad >= self.success * np.maximum(total, 1e-9))
        over = self._failed >= self.failures
        self.found = np.minimum(self.found, np.where(over, counted.instant_seconds, NEVER))
        self._minute = np.zeros((2, self.runs))
        self._due = 60.0


# Argo Rollouts fails on more than failureLimit failures, Flagger when they are `threshold`.
FIXED: Final = {
    "95 %, limit 3": (0.95, 4),
    "95 %, limit 10": (0.95, 10),
    "99 %, limit 3": (0.99, 4),
    "99 %, limit 10": (0.99, 10),
}


@dataclass(frozen=True)
class Findings:
    """When each run was failed, in seconds since the canary's first request; infinite: never."""

    sequential: Floats
    fixed: dict[str, Floats]


def simulate(world: World, runs: int, rng: np.random.Generator, **options: Any) -> Findings:
    """The same releases judged by the sequential test and by fixed thresholds."""
    test = Sequential(runs, world.stable_pods, **options)
    fixed = {name: Threshold(runs, *setting) for name, setting in FIXED.items()}
    for counted in counts(world, runs, rng):
        test.take(counted)
        for threshold in fixed.values():
            threshold.take(counted, world.stable_pods, world.interval_seconds)
    return Findings(test.found, {name: each.found for name, each in fixed.items()})


def simulate_ceiling(world: World, limit: float, runs: int, rng: np.random.Generator) -> Floats:
    """When the canary's own ratio was found to be above the limit."""
    test = Ceiling(runs, limit)
    for counted in counts(world, runs, rng):
        test.take(counted, world.stable_pods)
    return test.found
