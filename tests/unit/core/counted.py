"""A source of metrics that has counters: each pod's, as they were scraped."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sluice.core.plan import Query, Span
from sluice.core.readings import Answer, Matrix, Reason, Series, Unknown

# Older than this, a series has ended (Prometheus marks it when a scrape fails).
LOOK_BACK: Final = timedelta(seconds=4)
# Of a histogram: what is bad here is slower than this.
BOUND: Final = "0.1"


class Scrape(NamedTuple):
    """A pod's counters at an instant, since the pod began."""

    at: datetime
    bad: float
    total: float


@dataclass
class Scraped:
    """The counters of all pods. A bad counter without any bad request is not there."""

    pods: dict[str, list[Scrape]] = field(default_factory=dict)

    def scrape(self, pod: str, at: datetime, bad: float, total: float) -> None:
        """The pod has counted so much in all."""
        self.pods.setdefault(pod, []).append(Scrape(at, bad, total))

    def served(self, pod: str, at: datetime, bad: float, total: float) -> None:
        """The pod has counted so much more."""
        scrapes = self.pods.get(pod) or [Scrape(at, 0.0, 0.0)]
        self.scrape(pod, at, scrapes[-1].bad + bad, scrapes[-1].total + total)

    def forget(self) -> None:
        """The source is replaced by one that knows nothing."""
        self.pods.clear()

    def answer(self, query: Query) -> Answer:
        """As a range query is answered."""
        assert query.span is not None
        found: list[Series] = []
        for pod, scrapes in sorted(self.pods.items()):
            if re.fullmatch(query.pods, pod):
                seen = list(_seen(scrapes, query.span))
                found += _series(query.name.rpartition("/")[2], pod, seen)
        return Matrix(tuple(found)) if found else Unknown(Reason.EMPTY)


def _seen(scrapes: list[Scrape], span: Span) -> Iterator[tuple[float, Scrape]]:
    instant = span.start
    while instant <= span.end:
        index = bisect_right(scrapes, instant, key=lambda scrape: scrape.at) - 1
        if index >= 0 and instant - scrapes[index].at <= LOOK_BACK:
            yield instant.timestamp(), scrapes[index]
        instant += timedelta(seconds=span.step_seconds)


def _series(part: str, pod: str, seen: list[tuple[float, Scrape]]) -> list[Series]:
    def series(value: Callable[[Scrape], float], **labels: str) -> Series:
        samples = tuple((at, value(scrape)) for at, scrape in seen)
        return Series(pod, tuple(sorted(labels.items())), samples)

    if part == "buckets":
        within = series(lambda scrape: scrape.total - scrape.bad, le=BOUND)
        found = [within, series(lambda scrape: scrape.total, le="+Inf")]
    elif part == "bad":
        seen = [each for each in seen if each[1].bad]
        found = [series(lambda scrape: scrape.bad, code="500")]
    else:
        found = [series(lambda scrape: scrape.total)]
    return [each for each in found if each.samples]
