"""What a release remembers across restarts: one JSON in the canary's annotation.

It is written when its meaning changes, never for a reading that merely passed.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sluice.core import comparing, selectors
from sluice.core.comparing import Standing
from sluice.core.evidence import checkpoint
from sluice.core.policy import Analysis, Metric
from sluice.core.readings import Unknown
from sluice.core.times import parse, stamp

# Longer than the longest duration that a Rollout can name.
_LONGEST_SECONDS: Final = 1e10
# Room in an annotation. What does not fit is counted again from the beginning in each round.
_MOST_BYTES: Final = 16 * 1024
# Anybody can write an annotation; none becomes larger than this when it is read.
_MOST_UNPACKED_BYTES: Final = 1 << 20
# So often the evidence is kept when nothing else is written.
CHECKPOINT_SECONDS: Final = 30.0


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
    steps and all analysis. `standings` are the comparisons; they move with every round, and that
    alone is no change of meaning. `counted` are the canary's requests before the present step,
    `serving_since` is the interval in which its first pod became available.
    """

    analysis: Analysis
    tick: int | None = None
    failures: tuple[tuple[str, int], ...] = ()
    unknown_since: datetime | None = None
    failure: Failure | None = None
    approved: tuple[int, ...] = ()
    overrides: tuple[tuple[int, str], ...] = ()
    full: bool = False
    counted: tuple[tuple[str, float], ...] = ()
    serving_since: int | None = None
    standings: tuple[tuple[str, Standing], ...] = field(default=(), compare=False)
    # Which comparisons the newest round says nothing of, and why; never kept.
    unknown: tuple[tuple[str, Unknown], ...] = field(default=(), compare=False)

    def standing_of(self, metric: Metric) -> Standing:
        """How a comparison stands."""
        return dict(self.standings).get(metric.name) or comparing.begun(metric)

    def counted_before(self, metric: str) -> float:
        """The canary's requests before the present step."""
        return dict(self.counted).get(metric, 0.0)

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
            "counted": dict(self.counted),
            "servingSince": self.serving_since,
        }
        kept = {key: value for key, value in body.items() if value not in (None, [], {})}
        evidence = self._evidence()
        # The smallest first: many are kept rather than one.
        smallest = sorted(evidence, key=lambda name: (len(_text(evidence[name])), name))
        for number in range(len(smallest), 0, -1):
            chosen = {name: evidence[name] for name in smallest[:number]}
            for form in (chosen, _packed(chosen)):
                text = _text({**kept, "evidence": form})
                if len(text) <= _MOST_BYTES:
                    return text
        return _text(kept)

    def _evidence(self) -> dict[str, Any]:
        """The checkpoint of each comparison."""
        interval = self.analysis.interval_seconds
        found = {}
        for metric in self.analysis.metrics:
            standing = dict(self.standings).get(metric.name)
            if standing is None or not standing.evidence.index:
                continue
            delay = comparing.delay_seconds(metric, self.analysis) / interval
            gone = comparing.gone(standing, interval)
            text = checkpoint.dump(standing.evidence, standing.tally, delay, gone)
            found[metric.name] = json.loads(text)
        return found


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
            counted=tuple(sorted((str(k), float(v)) for k, v in body.get("counted", {}).items())),
            serving_since=int(body["servingSince"]) if "servingSince" in body else None,
            standings=_standings(_unpacked(body.get("evidence", {}))),
        )
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return ReleaseData(analysis=fallback)


def checkpoint_due(stored: ReleaseData, data: ReleaseData) -> bool:
    """Whether so much was counted since the evidence was kept that it is worth a write."""
    kept = dict(stored.standings)
    for name, standing in data.standings:
        before = kept[name].evidence.index if name in kept else 0
        seconds = (standing.evidence.index - before) * data.analysis.interval_seconds
        if seconds >= CHECKPOINT_SECONDS:
            return True
    return False


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _packed(evidence: Mapping[str, Any]) -> str:
    """The checkpoints in less room: pod names and digits repeat."""
    return base64.b64encode(zlib.compress(_text(evidence).encode(), 9)).decode()


def _unpacked(kept: Any) -> Mapping[str, Any]:
    if not isinstance(kept, str):
        return dict(kept)
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(base64.b64decode(kept, validate=True), _MOST_UNPACKED_BYTES)
    except zlib.error as error:
        raise ValueError("no checkpoints") from error
    return dict(json.loads(text))


def _standings(body: Mapping[str, Any]) -> tuple[tuple[str, Standing], ...]:
    """The checkpoints; one that is not whole is left out, and counted again from the beginning."""
    found = []
    for name, kept in sorted(body.items()):
        try:
            found.append((str(name), Standing(*checkpoint.load(json.dumps(kept)))))
        except ValueError:
            continue
    return tuple(found)


def _analysis(body: Mapping[str, Any]) -> Analysis:
    """The frozen analysis; ValueError or TypeError where a value cannot be what was frozen."""
    values = dict(body)
    metrics = tuple(_metric(metric) for metric in values.pop("metrics", ()))
    analysis = Analysis(**values, metrics=metrics)
    interval, delay = analysis.interval_seconds, analysis.initial_delay_seconds or 0.0
    spans = (interval, analysis.no_data_after_seconds, analysis.low_traffic_after_seconds)
    if not 0 < analysis.confidence < 1 or analysis.min_requests < 0:
        raise ValueError("a confidence is a probability, and requests are counted")
    if not all(0 < span < _LONGEST_SECONDS for span in spans) or not 0 <= delay < _LONGEST_SECONDS:
        raise ValueError("a span must be positive, and short enough to be added to an instant")
    return analysis


def _metric(body: Mapping[str, Any]) -> Metric:
    values = dict(body)
    if values.get("counters") is not None:
        bad, total = values["counters"]
        values["counters"] = (bad, total)
    metric = Metric(**values)
    limits = [limit for limit in (metric.minimum, metric.maximum) if limit is not None]
    # Raises TypeError where one is no number or no text.
    if any(not math.isfinite(limit) for limit in limits) or metric.failure_limit < 0:
        raise ValueError("a limit must be a finite number")
    if not math.isfinite(metric.tolerance) or metric.tolerance < 1:
        raise ValueError("a tolerance is at least 1")
    if any(type(text) is not str for text in (metric.name, metric.query, metric.histogram)):
        raise TypeError("a metric has a name and a query")
    named = [*(metric.counters or ()), *([metric.histogram] if metric.histogram else [])]
    if any(selectors.parse(text) is None for text in named) or bool(named) is bool(metric.query):
        raise ValueError("a metric has counters, a histogram or a query")
    return metric


def approve(data: ReleaseData, weight: int) -> ReleaseData:
    """The data with the step of this weight approved."""
    return replace(data, approved=tuple(sorted({*data.approved, weight})))


def override(data: ReleaseData, weight: int, what: str) -> ReleaseData:
    """The data with what holds the step of this weight set aside, and a note of it; later steps
    are judged.
    """
    overrides = (*data.overrides, (weight, what))
    return replace(data, failure=None, failures=(), unknown_since=None, overrides=overrides)
