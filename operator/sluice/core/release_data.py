"""What a release remembers across restarts: one JSON in the canary's annotation.

It is written when its meaning changes, never for a reading that merely passed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sluice.core.policy import Analysis, Metric
from sluice.core.times import parse, stamp

# Longer than the longest duration that a Rollout can name.
_LONGEST_SECONDS = 1e10


@dataclass(frozen=True, slots=True)
class Failure:
    """A metric out of range for longer than its limit, as a sentence."""

    metric: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ReleaseData:
    """The release's frozen analysis and the state of its verdicts.

    `tick` is the last round folded in with a change; `failures` counts readings in a row out of
    range; `unknown_since` is when the first of the Unknown rounds in a row was asked; `failure`
    stays once found; `approved` holds the weights of the approved steps, `overrides` those of the
    steps that `promote` went past, and what held them. A step's weight stays when steps before it
    are edited away; its number does not. `full` says that the release was promoted past all
    steps and all analysis.
    """

    analysis: Analysis
    tick: int | None = None
    failures: tuple[tuple[str, int], ...] = ()
    unknown_since: datetime | None = None
    failure: Failure | None = None
    approved: tuple[int, ...] = ()
    overrides: tuple[tuple[int, str], ...] = ()
    full: bool = False

    def overridden(self, weight: int) -> bool:
        """Whether `promote` went past what held the step of this weight."""
        return any(passed == weight for passed, _ in self.overrides)

    def failures_of(self, metric: str) -> int:
        """Readings in a row of this metric that were out of range."""
        return dict(self.failures).get(metric, 0)

    def dump(self) -> str:
        """The JSON for the annotation; the same data always give the same text."""
        body = {
            "analysis": asdict(self.analysis),
            "tick": self.tick,
            "failures": dict(self.failures),
            "unknownSince": stamp(self.unknown_since) if self.unknown_since else None,
            "failure": asdict(self.failure) if self.failure else None,
            "approved": list(self.approved),
            "overrides": [list(pair) for pair in self.overrides],
            "full": self.full or None,
        }
        kept = {key: value for key, value in body.items() if value not in (None, [], {})}
        return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def load(text: str | None, fallback: Analysis) -> ReleaseData:
    """The data of an annotation; data that cannot be read begin anew with `fallback`.

    Anybody can edit an annotation. Losing it costs counters and approvals, which is safe: what is
    not known holds.
    """
    try:
        body = json.loads(text or "")
        failure = body.get("failure")
        return ReleaseData(
            analysis=_analysis(body["analysis"]),
            tick=int(body["tick"]) if "tick" in body else None,
            failures=tuple(sorted((str(k), int(v)) for k, v in body.get("failures", {}).items())),
            unknown_since=parse(body.get("unknownSince")),
            failure=Failure(**failure) if failure else None,
            approved=tuple(int(step) for step in body.get("approved", ())),
            overrides=tuple((int(n), str(text)) for n, text in body.get("overrides", ())),
            full=body.get("full") is True,
        )
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return ReleaseData(analysis=fallback)


def _analysis(body: Mapping[str, Any]) -> Analysis:
    """The frozen analysis; ValueError or TypeError where a value cannot be what was frozen."""
    values = dict(body)
    metrics = tuple(Metric(**metric) for metric in values.pop("metrics", ()))
    analysis = Analysis(**values, metrics=metrics)
    interval, delay = analysis.interval_seconds, analysis.initial_delay_seconds
    spans = (interval, analysis.no_data_after_seconds)
    if not all(0 < span < _LONGEST_SECONDS for span in spans) or not 0 <= delay < _LONGEST_SECONDS:
        raise ValueError("a span must be positive, and short enough to be added to an instant")
    for metric in metrics:
        limits = [limit for limit in (metric.minimum, metric.maximum) if limit is not None]
        # Raises TypeError where one is no number or no text.
        if any(not math.isfinite(limit) for limit in limits) or metric.failure_limit < 0:
            raise ValueError("a limit must be a finite number")
        if any(type(text) is not str for text in (metric.name, metric.query)):
            raise TypeError("a metric has a name and a query")
    return analysis


def approve(data: ReleaseData, weight: int) -> ReleaseData:
    """The data with the step of this weight approved."""
    return replace(data, approved=tuple(sorted({*data.approved, weight})))


def override(data: ReleaseData, weight: int, what: str) -> ReleaseData:
    """The data with what holds the step of this weight set aside, and a note of it; later steps
    are judged.
    """
    overrides = (*data.overrides, (weight, what))
    return replace(data, failure=None, failures=(), unknown_since=None, overrides=overrides)
