"""A source of metrics that has series, and answers the questions of a check as Prometheus does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sluice.core import selectors
from sluice.core.checking.check import questions, report
from sluice.core.checking.report import MetricReport, Report
from sluice.core.checking.subject import Labels, StablePod, Subject
from sluice.core.plan import Query, Span
from sluice.core.policy import Analysis, Metric, Step
from sluice.core.readings import Answer, Known, Matrix, Reason, Series, Unknown
from sluice.core.selectors import Selector

NOW: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
REPLICA_SET: Final = "web-a"
PODS: Final = tuple(f"{REPLICA_SET}-{number:05}" for number in range(4))
HOUR: Final = timedelta(hours=1)
LABELS: Final = Labels()

_COUNT: Final = re.compile(r"count\((?P<selector>.*)\)", re.DOTALL)
_SAMPLES: Final = re.compile(
    r"max\(count_over_time\((?P<selector>.*)\[(?P<seconds>[0-9]+)s\]\)\)", re.DOTALL
)
# What gave nothing leads to further questions, and those to none.
_ROUNDS: Final = 2


@dataclass(frozen=True)
class Counter:
    """A series that counts `per_second` since it began; `labels` have its name."""

    labels: Mapping[str, str]
    per_second: float
    began: datetime = NOW - HOUR
    scrape_seconds: float = 5.0

    def at(self, instant: datetime) -> float | None:
        """Its value at the last scrape before."""
        seconds = (instant - self.began).total_seconds()
        scraped = seconds - seconds % self.scrape_seconds
        return None if scraped < 0 else self.per_second * scraped

    def samples(self, window_seconds: float) -> int:
        """How many scrapes there were in a window that ends now."""
        seconds = min(window_seconds, (NOW - self.began).total_seconds())
        return int(seconds // self.scrape_seconds)


@dataclass
class Stored:
    """Series, and what queries give that are no question of the check itself."""

    counters: list[Counter] = field(default_factory=list)
    values: dict[str, Answer] = field(default_factory=dict)
    # What the exporters call them, and what the source's configuration says.
    exposed: Labels = LABELS
    configured: Labels = LABELS
    down: Unknown | None = None
    asked: list[Query] = field(default_factory=list)

    def requests(
        self,
        per_second: float = 10.0,
        bad_ratio: float = 0.01,
        *,
        pods: tuple[str, ...] = PODS,
        name: str = "requests_total",
        began: datetime = NOW - HOUR,
        scrape_seconds: float = 5.0,
        **more: str,
    ) -> Stored:
        """Each of these pods counts its requests, good and bad ones."""
        for pod in pods:
            for code, share in (("200", 1 - bad_ratio), ("500", bad_ratio)):
                if share:
                    labels = self._of(pod, name) | {"code": code} | more
                    each = Counter(labels, per_second * share, began, scrape_seconds)
                    self.counters.append(each)
        return self

    def latency(
        self, per_second: float, within: Mapping[str, float], pods: tuple[str, ...] = PODS
    ) -> Stored:
        """Each of these pods has a histogram: what share of its requests is within each `le`."""
        for pod in pods:
            for le, share in within.items():
                labels = self._of(pod, "seconds_bucket") | {"le": le}
                self.counters.append(Counter(labels, per_second * share))
        return self

    def _of(self, pod: str, name: str) -> dict[str, str]:
        return {"__name__": name, self.exposed.pod: pod, self.exposed.namespace: "shop"}

    def every(self, change: Callable[[Counter], Counter]) -> Stored:
        """All series otherwise."""
        self.counters = [change(counter) for counter in self.counters]
        return self

    def answer(self, query: Query) -> Answer:
        """What the source says to a question."""
        self.asked.append(query)
        if self.down is not None:
            return self.down
        if query.span is not None:
            return self._counted(query, query.span)
        if query.text in self.values:
            return self.values[query.text]
        if counted := _SAMPLES.fullmatch(query.text):
            window = float(counted["seconds"])
            found = [each.samples(window) for each in self._selected(counted["selector"])]
            return Known(float(max(found))) if found else Unknown(Reason.EMPTY)
        counted = _COUNT.fullmatch(query.text)
        assert counted is not None, query.text
        number = len(list(self._selected(counted["selector"])))
        return Known(float(number)) if number else Unknown(Reason.EMPTY)

    def _counted(self, query: Query, span: Span) -> Answer:
        found = []
        for each in self._selected(query.text):
            pod = each.labels.get(self.configured.pod, "")
            mine = each.labels.get(self.configured.namespace) == query.namespace
            samples = tuple(_samples(each, span))
            if mine and samples and re.fullmatch(query.pods, pod):
                own = {"__name__", self.configured.pod, self.configured.namespace}
                others = sorted((k, v) for k, v in each.labels.items() if k not in own)
                found.append(Series(pod, tuple(others), samples))
        return Matrix(tuple(found)) if found else Unknown(Reason.EMPTY)

    def _selected(self, text: str) -> Iterator[Counter]:
        selector = selectors.parse(text)
        assert selector is not None, text
        return (each for each in self.counters if _fits(selector, each.labels))


def _samples(counter: Counter, span: Span) -> Iterator[tuple[float, float]]:
    instant = span.start
    while instant <= span.end:
        value = counter.at(instant)
        if value is not None:
            yield instant.timestamp(), value
        instant += timedelta(seconds=span.step_seconds)


def _fits(selector: Selector, labels: Mapping[str, str]) -> bool:
    if selector.name and labels["__name__"] != selector.name:
        return False
    return all(
        _matches(labels.get(label, ""), operator, value[1:-1])
        for label, operator, value in selector.matchers
    )


def _matches(have: str, operator: str, want: str) -> bool:
    equal = bool(re.fullmatch(want, have)) if "~" in operator else have == want
    return equal != operator.startswith("!")


# --- what is checked


def subject(
    *metrics: Metric, steps: tuple[Step, ...] = (Step(20, 120.0),), **more: object
) -> Subject:
    """Four stable pods that have been there for an hour, and one step."""
    found = Subject(
        namespace="shop",
        name="web",
        analysis=Analysis(metrics=metrics),
        steps=steps,
        replica_set=REPLICA_SET,
        pods=tuple(StablePod(pod, NOW - HOUR) for pod in PODS),
        replicas=len(PODS),
        now=NOW,
    )
    return replace(found, **more)  # type: ignore[arg-type]


def analysed(given: Subject, **analysis: object) -> Subject:
    """The subject with another analysis."""
    return replace(given, analysis=replace(given.analysis, **analysis))  # type: ignore[arg-type]


def checked(source: Stored, given: Subject) -> Report:
    """The report, after all rounds of questions."""
    answers: dict[str, Answer] = {}
    rounds = 0
    while asked := questions(given, answers):
        rounds += 1
        assert rounds <= _ROUNDS, [query.name for query in asked]
        answers |= {query.name: source.answer(query) for query in asked}
    return report(given, answers)


def one(source: Stored, given: Subject) -> MetricReport:
    """The report on the only metric."""
    (metric,) = checked(source, given).metrics
    return metric


def told(metric: MetricReport) -> list[tuple[str, str]]:
    """Its findings as (grade, sentence)."""
    return [(str(finding.grade), finding.sentence) for finding in metric.findings]
