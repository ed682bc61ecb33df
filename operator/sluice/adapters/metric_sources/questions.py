"""What is sent for a query, and how its answer is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from sluice.adapters.metric_sources.answers import one_value, series_over_time
from sluice.api.config import Labels
from sluice.core import selectors
from sluice.core.plan import Query, Span
from sluice.core.readings import Answer, Reason, Unknown

# Of a body, decompressed. 8 MiB are 200 series of 2,000 samples each.
INSTANT_BYTES: Final = 1 << 20
RANGE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Question:
    """A request without its time-out. `read` makes an answer of the body, and never raises."""

    path: str
    form: Mapping[str, str]
    max_bytes: int
    read: Callable[[bytes], Answer]


def question_of(query: Query, labels: Labels) -> Question | Unknown:
    """The request; Unknown when the query cannot be asked."""
    if query.span is None:
        # Without `time`: the server's clock is the one that its samples were taken by.
        read = partial(one_value, asked_at_seconds=time.time())
        return Question("/api/v1/query", {"query": query.text}, INSTANT_BYTES, read)
    text = _selector(query, labels)
    if isinstance(text, Unknown):
        return text
    read = partial(series_over_time, span=query.span, pod_label=labels.pod)
    return Question("/api/v1/query_range", {"query": text, **_times(query.span)}, RANGE_BYTES, read)


def _selector(query: Query, labels: Labels) -> str | Unknown:
    selector = selectors.parse(query.text)
    if selector is None:
        return Unknown(Reason.BAD_QUERY, "this is no vector selector such as requests_total{}")
    own = sorted(selector.labels() & {labels.pod, labels.namespace})
    if own:
        sentence = f'the selector names the label "{own[0]}", which Sluice adds itself: remove it'
        return Unknown(Reason.BAD_QUERY, sentence)
    return selector.text(
        {
            labels.namespace: f"={selectors.quoted(query.namespace)}",
            labels.pod: f"=~{selectors.quoted(query.pods)}",
        }
    )


def _times(span: Span) -> dict[str, str]:
    return {
        "start": f"{span.start.timestamp():.3f}",
        "end": f"{span.end.timestamp():.3f}",
        "step": f"{span.step_seconds:.3f}",
    }
