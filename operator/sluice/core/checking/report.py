"""What a check has found, as plain values; their form for programs is that of `-o json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, isfinite
from typing import Any

Json = dict[str, Any]


class Grade(StrEnum):
    """How much a finding matters."""

    # A release would not be judged by this metric, or every one would be judged bad.
    PROBLEM = "Problem"
    # It works, but not as one would think.
    WARNING = "Warning"
    NOTE = "Note"


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence for people: what is so, and what to do."""

    grade: Grade
    sentence: str


@dataclass(frozen=True, slots=True)
class StepOutlook:
    """What a step can tell by one metric, with the requests of now.

    `lasts_seconds` is how long the step goes on: until its duration is over, and the canary has had
    `minRequests`. `needs` are pairs of a regression and the seconds from the canary's first ready
    pod until it is seen, about half of the time sooner; infinite where it never is.
    """

    number: int
    weight: int
    canary_pods: int
    canary_per_minute: float
    duration_seconds: float
    lasts_seconds: float
    needs: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class MetricReport:
    """One metric. `says` is what came back, in words, `asked` the query that was sent; numbers are
    None where they are unknown.

    `bad_ratio` is the stable version's; `cut` is the bound of a histogram by which requests count
    as slow in it.
    """

    name: str
    form: str
    says: str
    findings: tuple[Finding, ...] = ()
    asked: str = ""
    value: float | None = None
    requests_per_minute: float | None = None
    bad_ratio: float | None = None
    cut: float | None = None
    scrape_seconds: float | None = None
    steps: tuple[StepOutlook, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found."""

    namespace: str
    name: str
    source: str
    pods: int
    findings: tuple[Finding, ...] = ()
    metrics: tuple[MetricReport, ...] = field(default_factory=tuple)

    def count(self, grade: Grade) -> int:
        """How many findings of that grade there are."""
        return sum(finding.grade is grade for finding in self._all())

    def _all(self) -> Iterator[Finding]:
        yield from self.findings
        for metric in self.metrics:
            yield from metric.findings


# --- for programs


def wire(report: Report) -> Json:
    """The report in JSON; what never happens is null."""
    return {
        "namespace": report.namespace,
        "name": report.name,
        "source": report.source,
        "stablePods": report.pods,
        "problems": report.count(Grade.PROBLEM),
        "warnings": report.count(Grade.WARNING),
        "findings": _findings(report.findings),
        "metrics": [_metric(metric) for metric in report.metrics],
    }


def _metric(metric: MetricReport) -> Json:
    return {
        "name": metric.name,
        "form": metric.form,
        "says": metric.says,
        "asked": metric.asked or None,
        "value": metric.value,
        "requestsPerMinute": metric.requests_per_minute,
        "badRatio": metric.bad_ratio,
        "slowerThan": metric.cut,
        "scrapeSeconds": metric.scrape_seconds,
        "findings": _findings(metric.findings),
        "steps": [_step(step) for step in metric.steps],
    }


def _step(step: StepOutlook) -> Json:
    return {
        "step": step.number,
        "weight": step.weight,
        "canaryPods": step.canary_pods,
        "canaryRequestsPerMinute": step.canary_per_minute,
        "durationSeconds": step.duration_seconds,
        "lastsSeconds": _finite(step.lasts_seconds),
        "sees": [
            {"regression": regression, "afterSeconds": _finite(seconds)}
            for regression, seconds in step.needs
        ],
    }


def _findings(findings: tuple[Finding, ...]) -> list[Json]:
    return [{"grade": str(each.grade), "sentence": each.sentence} for each in findings]


def _finite(seconds: float) -> float | None:
    return seconds if isfinite(seconds) else None


def of_wire(raw: Mapping[str, Any]) -> Report:
    """The report that `wire` has written. KeyError, TypeError or ValueError for anything else."""
    return Report(
        namespace=str(raw["namespace"]),
        name=str(raw["name"]),
        source=str(raw["source"]),
        pods=int(raw["stablePods"]),
        findings=_findings_of(raw["findings"]),
        metrics=tuple(_metric_of(metric) for metric in raw["metrics"]),
    )


def _metric_of(raw: Mapping[str, Any]) -> MetricReport:
    return MetricReport(
        name=str(raw["name"]),
        form=str(raw["form"]),
        says=str(raw["says"]),
        findings=_findings_of(raw["findings"]),
        asked=str(raw["asked"] or ""),
        value=raw["value"],
        requests_per_minute=raw["requestsPerMinute"],
        bad_ratio=raw["badRatio"],
        cut=raw["slowerThan"],
        scrape_seconds=raw["scrapeSeconds"],
        steps=tuple(_step_of(step) for step in raw["steps"]),
    )


def _step_of(raw: Mapping[str, Any]) -> StepOutlook:
    return StepOutlook(
        number=int(raw["step"]),
        weight=int(raw["weight"]),
        canary_pods=int(raw["canaryPods"]),
        canary_per_minute=float(raw["canaryRequestsPerMinute"]),
        duration_seconds=float(raw["durationSeconds"]),
        lasts_seconds=_seconds(raw["lastsSeconds"]),
        needs=tuple((float(s["regression"]), _seconds(s["afterSeconds"])) for s in raw["sees"]),
    )


def _findings_of(raw: list[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(Grade(each["grade"]), str(each["sentence"])) for each in raw)


def _seconds(raw: float | None) -> float:
    return inf if raw is None else float(raw)
