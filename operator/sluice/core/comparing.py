"""Metrics that compare both sides: what is asked, what the answers add to the evidence, and what
the evidence says in words (design, section 3).

Everything is computed from raw counters since the release began, so a restart changes nothing; a
checkpoint spares reading all of them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil, inf
from typing import Final

from sluice.core import selectors
from sluice.core.evidence.counts import (
    BAD_KIND,
    TOTAL_KIND,
    Grid,
    Rules,
    Tally,
    bound_of,
    count,
)
from sluice.core.evidence.counts import Series as Counted
from sluice.core.evidence.sequential import (
    Evidence,
    Terms,
    of_counters,
    of_histogram,
    update,
)
from sluice.core.plan import Query, Span
from sluice.core.policy import Analysis, Metric
from sluice.core.readings import Answer, Known, Matrix, Reason, Round, Series, Unknown

# How long Prometheus gives the last sample of a series as its value: whoever was not seen for so
# long was not there.
LOOK_BACK_SECONDS: Final = 300.0
# So far before its beginning the counters are read, so that a pod which missed a scrape or two is
# not taken for a new one.
_BEFORE_SECONDS: Final = 60.0
_HISTOGRAM_DELAY_SECONDS: Final = 30.0
# A scrape that is under way at an instant of the grid is there a moment later.
LAG: Final = timedelta(seconds=0.3)
# No question reaches back further than this behind a checkpoint: histograms of 60 pods with 12
# bounds are 6 MiB then, of the 8 that a source reads. What an outage has hidden for longer is lost,
# not awaited for ever.
MOST_INTERVALS: Final = 300
# Without a checkpoint all is read that Prometheus gives at once (11,000 instants): half of a
# release would be another promise. Too large an answer is unknown then, and holds.
MOST_INTERVALS_IN_ALL: Final = 10_000

_COUNTERS: Final = frozenset({BAD_KIND, TOTAL_KIND})
BAD: Final = "/bad"
_TOTAL: Final = "/total"
_BUCKETS: Final = "/buckets"


@dataclass(frozen=True, slots=True)
class Ground:
    """What the counts of a release are told apart by: when it began, where its pods are, and those
    of each side, as regular expressions; and in which interval the canary began to serve.
    """

    began: datetime
    namespace: str
    canary: str
    stable: str
    serving_since: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a metric stands: its evidence, and what counting has to remember."""

    evidence: Evidence
    tally: Tally = field(default_factory=Tally)


def begun(metric: Metric) -> Standing:
    """Before the first interval."""
    return Standing(of_histogram() if metric.histogram else of_counters(terms(metric)))


def terms(metric: Metric, since: int | None = None) -> Terms:
    """What the canary is held to, from the interval `since` on."""
    return Terms(metric.tolerance, metric.maximum, since)


def delay_seconds(metric: Metric, analysis: Analysis) -> float:
    """For so long a pod's counts say nothing: it is cold."""
    if analysis.initial_delay_seconds is not None:
        return analysis.initial_delay_seconds
    return _HISTOGRAM_DELAY_SECONDS if metric.histogram else 0.0


def gone(standing: Standing, interval_seconds: float) -> frozenset[str]:
    """Pods that have had no sample for so long that they will not come back."""
    oldest = standing.tally.at - ceil(LOOK_BACK_SECONDS / interval_seconds)
    return frozenset(
        pod
        for pod, series in standing.tally.last.items()
        if all(last.at < oldest for last in series.values())
    )


# --- what is asked


def queries(
    metric: Metric, analysis: Analysis, ground: Ground, index: int, tick: int
) -> tuple[Query, ...]:
    """The counters of both sides from the instant of the last interval that is known on."""
    interval = timedelta(seconds=analysis.interval_seconds)
    index = max(index, tick - _reach(index))
    if index == 0:
        before = _BEFORE_SECONDS + delay_seconds(metric, analysis)
        index = -ceil(before / analysis.interval_seconds)
    span = Span(
        ground.began + index * interval, ground.began + tick * interval, analysis.interval_seconds
    )
    pods = f"{ground.canary}|{ground.stable}"
    return tuple(
        Query(f"{metric.name}{part}", text, span, ground.namespace, pods)
        for part, text in _texts(metric)
    )


def _reach(index: int) -> int:
    return MOST_INTERVALS if index else MOST_INTERVALS_IN_ALL


def _texts(metric: Metric) -> tuple[tuple[str, str], ...]:
    if metric.counters is not None:
        bad, total = metric.counters
        return (BAD, bad), (_TOTAL, total)
    selector = selectors.parse(metric.histogram)
    assert selector is not None, "refused with the spec, and checked when it was frozen"
    return ((_BUCKETS, selector.suffixed("_bucket").text({})),)


# --- what the answers add


@dataclass(frozen=True, slots=True)
class Answered:
    """The standing after a round, and why the round says nothing, where it does not."""

    standing: Standing
    unknown: Unknown | None = None


def asked(metric: Metric, values: Mapping[str, Answer]) -> bool:
    """Whether the round asked for this metric's counters."""
    return any(f"{metric.name}{part}" in values for part, _ in _texts(metric))


def answered(
    metric: Metric, standing: Standing, readings: Round, analysis: Analysis, ground: Ground
) -> Answered:
    """The standing with the answers of a round."""
    series = counted(metric, dict(readings.values))
    if isinstance(series, Unknown):
        return Answered(standing, series)
    tick = readings.tick
    canary = [each for each in series if re.fullmatch(ground.canary, each.pod)]
    stable = [each for each in series if re.fullmatch(ground.stable, each.pod)]
    if not stable:
        return Answered(standing, Unknown(Reason.EMPTY, "no series of the stable version's pods"))
    grid = Grid(ground.began.timestamp(), analysis.interval_seconds)
    delay = delay_seconds(metric, analysis)
    old = _old(standing.tally.at, canary, stable, grid, tick)
    rules = Rules(grid, bool(metric.histogram), delay, old)
    tally, intervals = count(standing.tally, canary, stable, tick, rules)
    evidence = standing.evidence
    since = ground.serving_since
    held = terms(metric, None if since is None else since + ceil(grid.intervals(delay)))
    for interval in intervals:
        evidence = update(evidence, interval, held)
    after = Standing(evidence, tally)
    if tick < standing.tally.at:
        return Answered(after, Unknown(Reason.STALE, "older than what is known: wrong clock"))
    return Answered(after, _silent(canary, stable, grid, tick))


def _old(
    known: int, canary: list[Counted], stable: list[Counted], grid: Grid, tick: int
) -> frozenset[str]:
    """Pods whose first value here is not all that they have counted since the release began.

    The stable version's ran before. One that is new loses its first scrape by this; one that had
    missed its scrapes would else bring the bad requests of weeks. So would all pods where nothing
    is left of what was known: a source that was replaced, or an outage of many intervals.
    """
    pods = {each.pod for each in stable}
    linked = any(
        each.samples and grid.index(each.samples[0][0]) <= known for each in (*canary, *stable)
    )
    if tick - known > _reach(known) or (known > 0 and not linked):
        pods |= {each.pod for each in canary}
    return frozenset(pods)


def _silent(canary: list[Counted], stable: list[Counted], grid: Grid, tick: int) -> Unknown | None:
    """That a side's pods tell nothing: that is not the same as having had no requests."""
    if not canary:
        return Unknown(Reason.EMPTY, "no series of the canary's pods")
    for side, name in ((canary, "canary"), (stable, "stable version")):
        if not _fresh(side, grid, tick):
            return Unknown(Reason.STALE, f"the series of the {name}'s pods have ended")
    if not _kinds(canary) & _kinds(stable):
        return Unknown(Reason.EMPTY, "both sides have no bucket in common")
    return None


def _kinds(side: list[Counted]) -> set[str | float | None]:
    """What can be compared: of a histogram its bounds, but the last one, which all are below."""
    return {each.kind if each.kind in _COUNTERS else bound_of(each.kind) for each in side} - {inf}


def counted(metric: Metric, values: Mapping[str, Answer]) -> list[Counted] | Unknown:
    """The counters in the answers to `queries`; Unknown where they do not say all."""
    found: list[Counted] = []
    for part, _ in _texts(metric):
        match values.get(f"{metric.name}{part}"):
            case Matrix(series):
                found += [_as_counted(part, each) for each in series]
            case Unknown(Reason.EMPTY) if part == BAD and _may_be_empty(metric):
                # Of the same metric as the total: nothing has been bad yet.
                continue
            case Unknown() as unknown:
                return unknown
            case Known():
                return Unknown(Reason.WRONG_TYPE, "a single value in the place of counters")
            case None:
                return Unknown(Reason.UNREACHABLE, "not asked")
    return found


def _as_counted(part: str, series: Series) -> Counted:
    if part != _BUCKETS:
        kind = BAD_KIND if part == BAD else TOTAL_KIND
        return Counted(series.pod, kind, _text(series.labels), series.samples)
    others = tuple(pair for pair in series.labels if pair[0] != "le")
    return Counted(series.pod, dict(series.labels).get("le", ""), _text(others), series.samples)


def _text(labels: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels)


def _may_be_empty(metric: Metric) -> bool:
    """Whether no bad request is what it says. A counter with a name of its own is there from the
    beginning, at 0: without any series its name is wrong, and that is no good news.
    """
    if metric.counters is None:
        return False
    bad, total = (selectors.parse(text) for text in metric.counters)
    return bad is not None and total is not None and bad.name == total.name


def _fresh(series: Iterable[Counted], grid: Grid, tick: int) -> bool:
    return any(each.samples and grid.index(each.samples[-1][0]) >= tick for each in series)
