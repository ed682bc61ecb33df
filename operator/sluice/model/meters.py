"""What a metric's value is in a simulation, which has requests and pods but no Prometheus.

PromQL is not evaluated. A query is either given a value, or it is of a shape whose meaning is known
for sure enough: then the same figure is taken of the simulated requests. Each kind of metric is one
entry of `_KINDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sluice.core.policy import Metric
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.times import span
from sluice.model.operators import Reading
from sluice.model.scenario import Given, Scenario
from sluice.model.traffic import Counts, Traffic

_WINDOW: Final = re.compile(r"\[((?:\d+(?:ms|[smhd]))+)(?::[^\]]*)?\]")
_PIECE: Final = re.compile(r"(\d+)(ms|[smhd])")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DEFAULT_WINDOW_SECONDS: Final = 60.0
_GOOD_ONES: Final = re.compile(r'!~?\s*"5|=~?\s*"2|success|availability')
_BAD_ONES: Final = re.compile(r'5\.\.|5xx|"5|error|fail')
_QUANTILE: Final = re.compile(r"histogram_quantile|latency|duration")


@dataclass(frozen=True, slots=True)
class Meter:
    """How one metric is read; `how` says it to people."""

    read: Callable[[Traffic, datetime, float], Reading]
    how: str


class NoMeter(ValueError):
    """A metric that the simulation cannot know."""

    def __init__(self, metric: str) -> None:
        super().__init__(metric)
        self.metric = metric


def meters(scenario: Scenario) -> dict[str, Meter]:
    """A meter for each metric of the scenario, or NoMeter."""
    found = {}
    for metric in scenario.policy.analysis.metrics:
        known = (kind(metric, scenario) for kind in _KINDS)
        meter = next((meter for meter in known if meter is not None), None)
        given = scenario.values.get(metric.name, ())
        if meter is None and not given:
            raise NoMeter(metric.name)
        found[metric.name] = _with_given(meter, given) if given else _the(meter)
    return found


def _the(meter: Meter | None) -> Meter:
    assert meter is not None, "looked at before"
    return meter


def _with_given(meter: Meter | None, given: Iterable[Given]) -> Meter:
    """Given values go first; at other times it is as it was, or there is no data."""
    values = tuple(given)

    def read(traffic: Traffic, now: datetime, seconds: float) -> Reading:
        for item in reversed(values):
            if seconds in item.span:
                return Known(item.value)
        return meter.read(traffic, now, seconds) if meter else Unknown(Reason.EMPTY)

    said = ", ".join(_of_given(item) for item in values)
    always = any(item.span.begin_seconds == 0 and item.span.end_seconds > 1e9 for item in values)
    rest = "" if always else f"; else {meter.how if meter else 'no data'}"
    return Meter(read, f"given: {said}{rest}")


def _of_given(item: Given) -> str:
    begin, end = item.span.begin_seconds, item.span.end_seconds
    since = f" from {span(begin)}" if begin else ""
    until = f" until {span(end)}" if end < 1e9 else ""
    return f"{item.value:g}{since}{until}"


def _error_ratio(metric: Metric, _: Scenario) -> Meter | None:
    """The share of failed requests, or of good ones, over the query's window."""
    words = f"{metric.name} {metric.query}".lower()
    side = _side(metric)
    good = bool(_GOOD_ONES.search(words)) and metric.minimum is not None
    if side is None or "/" not in metric.query or not (good or _BAD_ONES.search(words)):
        return None
    window = _window_seconds(metric.query)

    def read(traffic: Traffic, now: datetime, _seconds: float) -> Reading:
        old, new = traffic.within(now, timedelta(seconds=window))
        counts = old + new if side == "pods" else new
        return _ratio(counts, good=good)

    whose = "all pods'" if side == "pods" else "the canary's"
    share = "good" if good else "failed"
    return Meter(read, f"the share of {whose} requests that {share}, over {span(window)}")


def _ratio(counts: Counts, *, good: bool) -> Reading:
    if not counts.total:
        return Unknown(Reason.EMPTY)
    failed = counts.failed / counts.total
    return Known(1 - failed if good else failed)


def _latency(metric: Metric, scenario: Scenario) -> Meter | None:
    words = f"{metric.name} {metric.query}".lower()
    if _side(metric) != "canary" or not _QUANTILE.search(words):
        return None
    latency = scenario.canary.latency_seconds

    def read(traffic: Traffic, now: datetime, _seconds: float) -> Reading:
        new = traffic.within(now, timedelta(seconds=_window_seconds(metric.query)))[1]
        return Known(latency) if new.total else Unknown(Reason.EMPTY)

    return Meter(read, f"the canary's latency, {latency:g} s")


def _side(metric: Metric) -> str | None:
    """Whose pods the query is about; None where it compares, or names none."""
    if "{{stable}}" in metric.query:
        return None
    if "{{canary}}" in metric.query:
        return "canary"
    return "pods" if "{{pods}}" in metric.query else None


def _window_seconds(query: str) -> float:
    found = _WINDOW.search(query)
    if found is None:
        return _DEFAULT_WINDOW_SECONDS
    return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _PIECE.findall(found[1]))


def _compared(metric: Metric, _: Scenario) -> Meter | None:
    """Comparisons are made of the counters themselves (`counters`)."""
    if not metric.compares:
        return None
    what = "how many requests are slower" if metric.histogram else "the share of failed requests"

    def read(*_: object) -> Reading:
        return Unknown(Reason.WRONG_TYPE)

    return Meter(read, f"{what}, the canary's compared with v1's")


_KINDS: Final[tuple[Callable[[Metric, Scenario], Meter | None], ...]] = (
    _compared,
    _latency,
    _error_ratio,
)
