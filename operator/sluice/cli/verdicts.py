"""A check's report for people."""

from __future__ import annotations

from collections.abc import Iterable
from math import isinf
from typing import Final

from sluice.cli.text import BOLD, DIM, Line, Paper, Part, columns, cut, hung
from sluice.cli.tree import headings
from sluice.core import times
from sluice.core.checking.lengths import REGRESSIONS
from sluice.core.checking.report import Finding, Grade, MetricReport, Report, StepOutlook

_STYLES: Final = {Grade.PROBLEM: "bad", Grade.WARNING: "wait", Grade.NOTE: DIM}
_LEGEND: Final = (
    "Below 2x, 5x and 10x: how long after the canary's first ready pod so many times as many bad "
    "requests as the stable version has are seen; half of the time it is sooner."
)


def lines(report: Report, asked_by: str, paper: Paper) -> list[Line]:
    """The report as lines: metric by metric, then how many problems there are."""
    pods = f"{report.pods} stable pod{'' if report.pods == 1 else 's'}"
    title: Line = [(f"{report.namespace}/{report.name}  ", BOLD)]
    found = hung(title, f'{pods}, source "{report.source}", asked by {asked_by}', "", paper)
    found += _findings(report.findings, paper, "")
    for metric in report.metrics:
        found += [[], *_metric(metric, paper)]
    if any(metric.steps for metric in report.metrics):
        found += [[], *hung([], _LEGEND, DIM, paper)]
    return [*found, [], _summary(report)]


def _metric(metric: MetricReport, paper: Paper) -> list[Line]:
    wrong = any(finding.grade is Grade.PROBLEM for finding in metric.findings)
    style = "bad" if wrong else ""
    found = hung([(f"{metric.name}  ", "name")], f"{metric.form}: {metric.says}", style, paper)
    found += _findings(metric.findings, paper, "  ")
    if wrong:
        for line in metric.asked.splitlines():
            found += hung([("  asked: ", DIM)], line, DIM, paper)
    return found + _steps(metric.steps, paper)


def _findings(findings: Iterable[Finding], paper: Paper, indent: str) -> list[Line]:
    found: list[Line] = []
    for finding in sorted(findings, key=lambda each: list(Grade).index(each.grade)):
        head: Line = [(f"{indent}{finding.grade.lower()}: ", _STYLES[finding.grade])]
        found += hung(head, finding.sentence, "", paper)
    return found


def _steps(steps: tuple[StepOutlook, ...], paper: Paper) -> list[Line]:
    if not steps:
        return []
    seen = [f"{regression:g}x" for regression in REGRESSIONS]
    rows = [headings(["  STEP", "WEIGHT", "CANARY", "REQUESTS", "LASTS", *seen])]
    rows += [_row(step) for step in steps]
    return [cut(line, paper.width) for line in columns(rows)]


def _row(step: StepOutlook) -> list[Part]:
    per_minute = step.canary_per_minute
    rate = f"{per_minute:,.0f}" if per_minute >= 10 else f"{per_minute:.2g}"
    return [
        (f"  {step.number}", ""),
        (f"{step.weight}%", ""),
        (f"{step.canary_pods} pod{'' if step.canary_pods == 1 else 's'}", ""),
        (f"{rate}/min", ""),
        (_span(step.lasts_seconds, "for ever"), ""),
        *((_span(each, "never"), _style(each, step)) for _, each in step.needs),
    ]


def _span(seconds: float, endless: str) -> str:
    return endless if isinf(seconds) else times.span(seconds)


def _style(seconds: float, step: StepOutlook) -> str:
    return "good" if seconds <= step.lasts_seconds else "wait"


def _summary(report: Report) -> Line:
    problems, warnings = report.count(Grade.PROBLEM), report.count(Grade.WARNING)
    said = f"{problems} problem{'' if problems == 1 else 's'}"
    text = said if problems else "Nothing is missing"
    if warnings:
        text += f", {warnings} warning{'' if warnings == 1 else 's'}"
    return [(text, "bad" if problems else "wait" if warnings else "good")]
