"""The verdict on a release, from one round of readings: Pass, Fail or Unknown.

Unknown holds: it never passes a step. A reading out of range that its limit still accepts holds
as well, until the next one decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

from sluice.core.policy import Metric
from sluice.core.readings import Known, Reason, Round, Unknown
from sluice.core.release_data import Failure, ReleaseData


class Verdict(StrEnum):
    """What the readings say."""

    PASS = "Pass"  # noqa: S105  (a verdict, not a password)
    FAIL = "Fail"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one metric, with a sentence that names value and limit."""

    metric: str
    verdict: Verdict
    value: float | None
    sentence: str
    failed: bool = False


def judge(metric: Metric, reading: Known | Unknown, failures: int) -> Judgement:
    """One metric's verdict; `failures` is the count of readings in a row out of range, this one
    included. Within `failure_limit` the verdict is Unknown: neither good nor yet bad.
    """
    if isinstance(reading, Unknown):
        detail = f": {reading.detail}" if reading.detail else ""
        sentence = f'metric "{metric.name}" is unknown ({reading.reason}{detail})'
        return Judgement(metric.name, Verdict.UNKNOWN, None, sentence)
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
    """The verdict on each metric of the release's frozen analysis, in its order."""
    values = dict(readings.values)
    return tuple(
        judge(metric, values[metric.name], data.failures_of(metric.name))
        for metric in data.analysis.metrics
        if metric.name in values
    )


def fold(data: ReleaseData, readings: Round) -> ReleaseData:
    """The data after a round. A round that changes no meaning gives the same data back, so it
    may be folded in twice; one that counts carries its tick, so it is not counted twice.
    """
    if readings.tick == data.tick:
        return data
    values = dict(readings.values)
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
    unknown = any(not _is_number(value) for value in values.values())
    since = (data.unknown_since or readings.asked_at) if unknown else None
    if since and readings.since:
        # Nobody asked before: that is no outage of the metrics, but one of the operator.
        since = max(since, readings.since)
    folded = replace(data, failures=tuple(sorted(failures.items())), unknown_since=since)
    folded = replace(folded, failure=_failure(folded, readings) or data.failure)
    return data if folded == data else replace(folded, tick=readings.tick)


def overall(judgements: tuple[Judgement, ...]) -> Verdict:
    """Fail where one fails, else Unknown where one is unknown, else Pass."""
    verdicts = {judgement.verdict for judgement in judgements}
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
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


def _is_number(reading: Known | Unknown) -> bool:
    return isinstance(reading, Known) and isfinite(reading.value)


def _range(metric: Metric) -> str:
    lower = f"at least {metric.minimum:g}" if metric.minimum is not None else ""
    upper = f"at most {metric.maximum:g}" if metric.maximum is not None else ""
    return " and ".join(part for part in (lower, upper) if part)
