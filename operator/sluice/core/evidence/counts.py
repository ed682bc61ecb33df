"""From raw counter samples to the counts of each interval.

Counters are differenced here, pod by pod and series by series, and not by `increase()`, which
extrapolates and does not see the first value of a new pod. The rules, all for one series:

- A value below the one before is a reset: the new value counts.
- A pod that comes after the grid began started at zero: its first value counts. So does the
  first value of a series that appears later in a pod that is known (the first `code="500"`).
- A pod that was there before has a baseline: its last value at or before the beginning. For one
  that is known to be `old` and missed its scrapes there, that is its first value.
- A gap counts as nothing. The difference is taken at the next sample, whole, in its interval. A
  side of which no pod has a sample has no requests then, and the comparison carries the other's.
- A pod that goes away keeps what it has counted up to its last sample.
- Within `delay_seconds` of a pod's first sample its samples only move its baseline.
- A value that is negative or not finite is no sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf, isfinite
from typing import Final, NamedTuple

# What is counted as bad: for a histogram what is slower than this `le`, in its own unit.
Cut = float
# The only cut of a metric that has counters of its own for what is bad.
BAD: Final[Cut] = 0.0

BAD_KIND: Final = "bad"
TOTAL_KIND: Final = "total"


class Counts(NamedTuple):
    """Requests, and how many of them were bad."""

    bad: float
    total: float

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(self.bad + other.bad, self.total + other.total)


NONE: Final = Counts(0.0, 0.0)
PodCounts = Mapping[str, Counts]


class Series(NamedTuple):
    """One series of a range query: (seconds, value) in rising order, a gap is an absent sample.

    `kind` is BAD_KIND or TOTAL_KIND, for a histogram's bucket its `le` as written. `labels` are
    all others than pod and `le`, as one text that is the same in every query.
    """

    pod: str
    kind: str
    labels: str
    samples: Sequence[tuple[float, float]]


class Last(NamedTuple):
    """The last known value of a series, and the instant of the grid that it is of."""

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The instants at which both sides are read: start + index * interval."""

    start_seconds: float
    interval_seconds: float

    def index(self, instant_seconds: float) -> int:
        """The index of an instant on the grid; times come back rounded to milliseconds."""
        return round((instant_seconds - self.start_seconds) / self.interval_seconds)

    def intervals(self, span_seconds: float) -> float:
        """A span in intervals."""
        return span_seconds / self.interval_seconds


SeriesKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tally:
    """What counting remembers between two rounds, both sides' pods together.

    `last` holds every series' last value by pod, (kind, labels); `first` the index of each pod's
    first sample. After a checkpoint (`resumed`) `last` holds only series that had no sample at
    the instant `at`, and `first` only pods within their delay: all others are found at `at`.
    """

    at: int = 0
    last: Mapping[str, Mapping[SeriesKey, Last]] = field(default_factory=dict)
    first: Mapping[str, float] = field(default_factory=dict)
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """What was counted between the instants `index - 1` and `index`, by cut and pod.

    A pod is in it, perhaps with no requests, when it has a sample. `remarks` tell people of
    counts that cannot be, and what was made of them.
    """

    index: int
    canary: Mapping[Cut, PodCounts]
    stable: Mapping[Cut, PodCounts]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How a metric is counted; `old` are pods known to have run before the grid began."""

    grid: Grid
    histogram: bool = False
    delay_seconds: float = 0.0
    old: Collection[str] = frozenset()


# By index and pod: what each series has counted.
Differences = Mapping[int, Mapping[str, Mapping[SeriesKey, float]]]


def count(
    tally: Tally, canary: Sequence[Series], stable: Sequence[Series], until: int, rules: Rules
) -> tuple[Tally, tuple[Interval, ...]]:
    """The intervals after `tally.at` up to `until`, the last instant that both sides' queries
    cover, and the tally for the next round.

    The queries of a round begin at `tally.at` or before; the first ones of a release reach back
    by `delay_seconds` and a few scrapes, so that no old pod is taken for a new one.
    """
    book = _Book(tally, rules, until)
    of_canary, of_stable = book.enter(canary), book.enter(stable)
    cuts = _slower if rules.histogram else _bad_of_total
    intervals = []
    for index in range(tally.at + 1, until + 1):
        remarks: list[str] = []
        counts = [cuts(side.get(index, {}), remarks) for side in (of_canary, of_stable)]
        intervals.append(Interval(index, counts[0], counts[1], tuple(remarks)))
    return book.closed(), tuple(intervals)


class _Book:
    """A tally that is being written on."""

    def __init__(self, tally: Tally, rules: Rules, until: int) -> None:
        self._tally, self._rules, self._until = tally, rules, until
        self._delay = rules.grid.intervals(rules.delay_seconds)
        self._last = {pod: dict(series) for pod, series in tally.last.items()}
        # A pod that a checkpoint names without a first instant is past its delay.
        self._first: dict[str, float] = {**dict.fromkeys(tally.last, -inf), **tally.first}
        self._known = frozenset(self._first)

    def enter(self, side: Sequence[Series]) -> Differences:
        """The differences of one side's series."""
        on_grid = [(series, self._on_the_grid(series.samples)) for series in side]
        read = [(series, samples) for series, samples in on_grid if samples]
        for series, samples in read:
            self._meet(series.pod, samples[0].at)
        differences: dict[int, dict[str, dict[SeriesKey, float]]]
        differences = defaultdict(lambda: defaultdict(dict))
        for series, samples in read:
            key = (series.kind, series.labels)
            for index, difference in self._differences(series.pod, key, samples):
                differences[index][series.pod][key] = difference
        return differences

    def closed(self) -> Tally:
        """The tally at the last instant."""
        return Tally(max(self._tally.at, self._until), self._last, self._first)

    def _on_the_grid(self, samples: Iterable[tuple[float, float]]) -> list[Last]:
        on_grid = (Last(self._rules.grid.index(at), value) for at, value in samples)
        return [
            sample
            for sample in on_grid
            if sample.at <= self._until and isfinite(sample.value) and sample.value >= 0
        ]

    def _meet(self, pod: str, index: int) -> None:
        if pod in self._known:
            return
        # It was there at the checkpoint and past its delay, else the checkpoint named it.
        warm = self._tally.resumed and index <= self._tally.at
        self._first[pod] = min(-inf if warm else index, self._first.get(pod, inf))

    def _differences(
        self, pod: str, key: SeriesKey, samples: Sequence[Last]
    ) -> Iterable[tuple[int, float]]:
        first = self._first[pod]
        known = self._last.setdefault(pod, {})
        last = known.get(key)
        for sample in samples:
            if sample.at <= self._tally.at:
                # A baseline; the one that is known already is the same.
                last = last if key in known else sample
                continue
            if last is None and sample.at == first and pod in self._rules.old:
                last = sample
                continue
            before = last.value if last else 0.0
            last = sample
            # A hair less: the delay in intervals may not be exact.
            if sample.at >= first + self._delay - 1e-9:
                reset = sample.value < before
                yield sample.at, sample.value if reset else sample.value - before
        if last is not None:
            known[key] = last


def _bad_of_total(
    pods: Mapping[str, Mapping[SeriesKey, float]], remarks: list[str]
) -> Mapping[Cut, PodCounts]:
    counts = {}
    for pod, series in pods.items():
        bad = _sum_of(BAD_KIND, series)
        total = _sum_of(TOTAL_KIND, series)
        if bad > total:
            # Two exporters that are scraped in turn, or a selector that is no part of the other.
            remarks.append(
                f"pod {pod} counted {bad:g} bad of {total:g} requests: {total:g} are taken as bad"
            )
        counts[pod] = Counts(min(bad, total), total)
    return {BAD: counts} if counts else {}


def _sum_of(kind: str, series: Mapping[SeriesKey, float]) -> float:
    return sum((value for key, value in series.items() if key[0] == kind), start=0.0)


def _slower(
    pods: Mapping[str, Mapping[SeriesKey, float]], remarks: list[str]
) -> Mapping[Cut, PodCounts]:
    cuts: dict[Cut, dict[str, Counts]] = defaultdict(dict)
    for pod, series in pods.items():
        bounds = {key: bound_of(key[0]) for key in series}
        totals = {key[1]: series[key] for key, bound in bounds.items() if bound == inf}
        impossible = False
        for key, bound in bounds.items():
            # Another series of the pod may have other bounds: it says nothing of this one.
            if bound is None or bound == inf or key[1] not in totals:
                continue
            total = totals[key[1]]
            impossible = impossible or series[key] > total
            slower = Counts(max(0.0, total - series[key]), total)
            cuts[bound][pod] = cuts[bound].get(pod, NONE).plus(slower)
        if impossible:
            remarks.append(f"pod {pod} counted more requests within a bound than in all")
    return cuts


@lru_cache(maxsize=1024)
def bound_of(le: str) -> float | None:
    """A bucket's bound: `1` and `1.0` are the same; None for what is no bound."""
    try:
        bound = float(le)
    except ValueError:
        return None
    return bound if bound == bound else None  # noqa: PLR0124  (not NaN)
