"""The verdict on a release, from one round of readings: Pass, Fail or Unknown.

Unknown holds: it never passes a step. A reading out of range that its limit still accepts holds
as well, until the next one decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Final

from sluice.core import comparing, findings
from sluice.core.comparing import Ground, Standing
from sluice.core.evidence.sequential import Finding
from sluice.core.policy import Metric
from sluice.core.readings import Answer, Known, Reason, Round, Unknown
from sluice.core.release_data import Failure, ReleaseData

# The release keeps the queries that it began with, so mending the spec alone is not enough.
_MEND: Final = "; correct it in the Rollout, then abort and retry"


class Verdict(StrEnum):
    """What the readings say."""

    PASS = "Pass"  # noqa: S105  (a verdict, not a password)
    FAIL = "Fail"
    UNKNOWN = "Unknown"
    # No Unknown: all is known, but it is not much (lowTraffic).
    TOO_FEW = "TooFew"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one metric, with a sentence that names value and limit.

    `value` is the canary's; of a comparison a ratio, with the stable side's beside it and how far
    the `evidence` has come to a Fail, from 0 to 1. `reason` is why nothing is known.
    """

    metric: str
    verdict: Verdict
    value: float | None
    sentence: str
    failed: bool = False
    stable: float | None = None
    evidence: float | None = None
    reason: Reason | None = None


def judge(metric: Metric, reading: Known | Unknown, failures: int) -> Judgement:
    """One metric's verdict; `failures` is the count of readings in a row out of range, this one
    included. Within `failure_limit` the verdict is Unknown: neither good nor yet bad.
    """
    if isinstance(reading, Unknown):
        detail = f": {reading.detail}" if reading.detail else ""
        then = _MEND if reading.reason is Reason.BAD_QUERY else ""
        sentence = f'metric "{metric.name}" is unknown ({reading.reason}{detail}){then}'
        return Judgement(metric.name, Verdict.UNKNOWN, None, sentence, reason=reading.reason)
    value = reading.value
    if not isfinite(value):
        return judge(metric, Unknown(Reason.NOT_FINITE), failures)
    limit = _limit(metric, value)
    if limit is None:
        sentence = f'metric "{metric.name}" is {value:.4g}, within {_range(metric)}'
        return Judgement(metric.name, Verdict.PASS, value, sentence)
    sentence = f'metric "{metric.name}" is {value:.4g}, {limit}'
    if metric.failure_limit:
        sentence += f" ({failures} in a row, {metric.failure_limit} accepted)"
    failed = failures > metric.failure_limit
    verdict = Verdict.FAIL if failed else Verdict.UNKNOWN
    return Judgement(metric.name, verdict, value, sentence, failed=failed)


def judge_all(data: ReleaseData, readings: Round) -> tuple[Judgement, ...]:
    """The verdict on each metric of the release's frozen analysis, in its order. `data` are those
    with this round folded in.
    """
    values = dict(readings.values)
    compared = _standings(data)
    whole = findings.finding(compared, data.analysis.confidence)
    judgements = []
    for metric in data.analysis.metrics:
        if metric.compares:
            unknown = dict(data.unknown).get(metric.name)
            if comparing.asked(metric, values):
                judgements.append(_compared(metric, unknown, data, compared, whole))
        elif isinstance(reading := values.get(metric.name), Known | Unknown):
            judgements.append(judge(metric, reading, data.failures_of(metric.name)))
    return tuple(judgements)


def _compared(
    metric: Metric,
    unknown: Unknown | None,
    data: ReleaseData,
    compared: Mapping[str, Standing],
    whole: Finding,
) -> Judgement:
    found = findings.found_of(metric, compared, data.analysis, whole)
    good = Judgement(
        metric.name,
        Verdict.PASS,
        found.canary_ratio,
        found.sentence,
        stable=found.stable_ratio,
        evidence=found.evidence,
    )
    if findings.blamed(whole) == metric.name:
        return replace(good, verdict=Verdict.FAIL, failed=True)
    if unknown is not None:
        said = judge(metric, unknown, 0)
        return replace(good, verdict=said.verdict, sentence=said.sentence, reason=said.reason)
    requests, wanted = found.requests - data.counted_before(metric.name), data.analysis.min_requests
    if requests < wanted:
        few = f"{requests:.0f} of {wanted} requests in this step (minRequests)"
        return replace(good, verdict=Verdict.TOO_FEW, sentence=f"{found.sentence}; {few}")
    return good


def fold(data: ReleaseData, readings: Round, ground: Ground) -> ReleaseData:
    """The data after a round. A round that changes no meaning gives equal data back, so it may be
    folded in twice; one that counts carries its tick, so it is not counted twice.
    """
    values = dict(readings.values)
    data = _weighed(data, readings, ground)
    if readings.tick == data.tick:
        return data
    failures: dict[str, int] = {}
    for metric in data.analysis.metrics:
        count = data.failures_of(metric.name)
        match values.get(metric.name):
            case Known(value) if isfinite(value):
                count = count + 1 if _limit(metric, value) else 0
            case _:
                pass
        if count:
            failures[metric.name] = count
    since = (data.unknown_since or readings.asked_at) if _outage(data, values) else None
    if since and readings.since:
        # Nobody asked before: that is no outage of the metrics, but one of the operator.
        since = max(since, readings.since)
    folded = replace(data, failures=tuple(sorted(failures.items())), unknown_since=since)
    folded = replace(folded, failure=_failure(folded, readings) or data.failure)
    return data if folded == data else replace(folded, tick=readings.tick)


def _weighed(data: ReleaseData, readings: Round, ground: Ground) -> ReleaseData:
    """The data with what the counters say weighed."""
    standings, unknown, values = dict(data.standings), [], dict(readings.values)
    for metric in data.analysis.metrics:
        if not metric.compares or not comparing.asked(metric, values):
            continue
        if data.serving_since is None:
            # Counters are asked for from the canary's first available pod on.
            data = replace(data, serving_since=readings.tick + 1)
        ground = replace(ground, serving_since=data.serving_since)
        before = data.standing_of(metric)
        after = comparing.answered(metric, before, readings, data.analysis, ground)
        standings[metric.name] = after.standing
        if after.unknown is not None:
            unknown.append((metric.name, after.unknown))
    if not standings:
        return data
    return replace(data, standings=tuple(sorted(standings.items())), unknown=tuple(unknown))


def _outage(data: ReleaseData, values: Mapping[str, Answer]) -> bool:
    """Whether anything is unknown that may be known again by itself: a query that is wrong stays
    so until a person mends it, and what `noData` says is no answer to that.
    """
    readings: list[Answer | None] = [unknown for _, unknown in data.unknown]
    readings += [values.get(m.name) for m in data.analysis.metrics if not m.compares]
    return any(reading is not None and _is_outage(reading) for reading in readings)


def _standings(data: ReleaseData) -> dict[str, Standing]:
    """All comparisons of the release, with those that have seen nothing yet."""
    return {
        metric.name: data.standing_of(metric) for metric in data.analysis.metrics if metric.compares
    }


def overall(judgements: tuple[Judgement, ...]) -> Verdict:
    """Fail where one fails, else Unknown where one is unknown, then too few, else Pass."""
    verdicts = {judgement.verdict for judgement in judgements}
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.TOO_FEW):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def _failure(data: ReleaseData, readings: Round) -> Failure | None:
    failed = [judgement for judgement in judge_all(data, readings) if judgement.failed]
    return Failure(failed[0].metric, failed[0].sentence) if failed else None


def _limit(metric: Metric, value: float) -> str | None:
    """Which limit the value is beyond, as words; None within the range (ends included)."""
    if metric.maximum is not None and value > metric.maximum:
        return f"above its maximum {metric.maximum:g}"
    if metric.minimum is not None and value < metric.minimum:
        return f"below its minimum {metric.minimum:g}"
    return None


def _is_outage(reading: Answer) -> bool:
    match reading:
        case Known(value):
            return not isfinite(value)
        case Unknown(reason):
            return reason is not Reason.BAD_QUERY
        case _:
            return True


def _range(metric: Metric) -> str:
    lower = f"at least {metric.minimum:g}" if metric.minimum is not None else ""
    upper = f"at most {metric.maximum:g}" if metric.maximum is not None else ""
    return " and ".join(part for part in (lower, upper) if part)
