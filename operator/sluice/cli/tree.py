"""One Rollout as a tree: where it is, what comes next, both versions, their pods, the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sluice.cli.facts import Facts, Metric, Pod, Side, number, part, short_image
from sluice.cli.metrics import metrics_of
from sluice.cli.outlook import outlook
from sluice.cli.text import (
    BOLD,
    DIM,
    GUIDE,
    Line,
    Paper,
    Part,
    age,
    clock,
    columns,
    cut,
    hung,
    joined,
    length,
    sentence,
    until,
    without_empty,
)
from sluice.core import times

PHASE_STYLES: Final = {
    "Healthy": "good",
    "Progressing": "busy",
    "Promoting": "busy",
    "Paused": "wait",
    "RollingBack": "bad",
    "RolledBack": "bad",
    "Stalled": "bad",
    "Invalid": "bad",
}
VERDICT_STYLES: Final = {"Pass": "good", "Fail": "bad", "Unknown": "wait"}
_ROLE_STYLES: Final = {"stable": "good", "canary": "wait", "returning": "wait", "rejected": "bad"}
_LABEL: Final = 10
# From this width on there is room for what is only sometimes of use.
_WIDE: Final = 120


@dataclass(frozen=True, slots=True)
class _Branch:
    """A row of the tree, what hangs below it, and a remark on the row."""

    row: Line
    children: tuple[_Branch, ...] = ()
    remark: str = ""
    remark_style: str = ""


def tree(facts: Facts, now: datetime, paper: Paper) -> list[Line]:
    """The whole picture of one Rollout."""
    lines = [*_heading(facts, now, paper), []]
    branches = [*_sides(facts, now, paper), *_metrics(facts)]
    for index, branch in enumerate(branches):
        last = index == len(branches) - 1
        lines += _drawn(branch, "", last, paper)
    if not branches:
        lines.pop()
    for note in facts.notes:
        lines += hung([("note: ", "wait")], note, "", paper)
    return lines


def _heading(facts: Facts, now: datetime, paper: Paper) -> list[Line]:
    lines: list[Line] = [[(_label("Rollout"), DIM), (f"{facts.namespace}/{facts.name}", BOLD)]]
    lines[0] += [(f"  of Deployment {facts.target}", DIM)] if facts.target else []
    lines += hung([(_label("Phase"), DIM)], *_phase(facts), paper)
    if facts.message:
        lines += hung([(_label("Why"), DIM)], sentence(facts.message), "", paper)
    coming = outlook(facts)
    when = f"{until(coming.at, now)}: " if coming.at else ""
    lines += hung([(_label("Next"), DIM)], f"{when}{coming.sentence}", BOLD, paper)
    if facts.release:
        lines += _steps(facts, paper)
    if command := _last_command(facts, now):
        lines += hung([(_label("Command"), DIM)], command, "", paper)
    return lines


def _label(text: str) -> str:
    return text.ljust(_LABEL)


def _phase(facts: Facts) -> tuple[str, str]:
    release = facts.release
    progress = f"step {release['progress'].replace('/', ' of ')}" if release.get("progress") else ""
    weight = f"weight {release['weight']}%" if "weight" in release else ""
    shown = facts.phase or "not taken up yet"
    return joined([shown, progress, weight]), PHASE_STYLES.get(facts.phase, "wait")


def _steps(facts: Facts, paper: Paper) -> list[Line]:
    """All steps in a row, the present one marked; only those around it where there is no room."""
    present = number(facts.release, "step")
    if not present:
        return []
    line: Line = [(_label("Steps"), DIM)]
    for index, step in enumerate(facts.steps, start=1):
        approval = " approval" if step.get("approval") == "Required" else ""
        text = f"{step.get('weight')}% {step.get('duration', '')}{approval}"
        style = BOLD if index == present else DIM if index < present else ""
        line.append((f"[{text}]" if index == present else text, style))
        line.append(("  ", ""))
    return [cut(line[:-1], paper.width)]


def _last_command(facts: Facts, now: datetime) -> str:
    """The last command, unless it was given to an earlier release."""
    command = part(facts.status, "lastCommand")
    at = times.parse(command.get("at"))
    started = times.parse(facts.release.get("startedAt"))
    if not command or (at and started and at < started):
        return ""
    ago = f" ({age(at, now)} ago)" if at else ""
    return f"{command.get('verb')}{ago}: {sentence(command.get('result'))}"


def _sides(facts: Facts, now: datetime, paper: Paper) -> list[_Branch]:
    shown = [side for side in facts.sides if side.role == "stable" or not side.idle]
    wide = (paper.width or _WIDE) >= _WIDE
    rows = columns(without_empty([_side_cells(side, now, wide=wide) for side in shown]))
    pod_rows = iter(
        columns([_pod_cells(pod, now, wide=wide) for side in shown for pod in side.pods])
    )
    return [
        _Branch(
            row,
            tuple(
                _Branch(next(pod_rows), remark=pod.wrong, remark_style="bad") for pod in side.pods
            ),
        )
        for side, row in zip(shown, rows, strict=True)
    ]


def _side_cells(side: Side, now: datetime, *, wide: bool) -> list[Part]:
    images = side.images if wide else tuple(short_image(image) for image in side.images)
    enough = side.available >= side.wanted
    cells = [
        (side.role, _ROLE_STYLES.get(side.role, DIM)),
        (side.name, BOLD),
        (f"revision {side.revision}" if side.revision else "", ""),
        (f"{side.available}/{side.wanted} available", "" if enough else "wait"),
    ]
    if wide:
        cells.append((age(side.born, now), DIM))
    return [*cells, (joined(images, " "), DIM)]


def _pod_cells(pod: Pod, now: datetime, *, wide: bool) -> list[Part]:
    style = "good" if pod.ready else "bad" if pod.wrong else "wait"
    restarts = f"{pod.restarts} restart{'' if pod.restarts == 1 else 's'}" if pod.restarts else ""
    cells = [
        (pod.name, ""),
        (pod.state, style),
        ("ready" if pod.ready else "not ready", style),
        (age(pod.born, now), DIM),
    ]
    if wide:
        cells.append((pod.node, DIM))
    return [*cells, (restarts, "wait")]


def _metrics(facts: Facts) -> list[_Branch]:
    metrics = metrics_of(facts)
    if not metrics:
        return []
    rows = columns(without_empty([_metric_cells(metric) for metric in metrics]))
    children = tuple(
        _Branch(
            row,
            remark=_remark(metric),
            remark_style={"Pass": DIM, "Fail": "bad"}.get(metric.verdict, "wait"),
        )
        for metric, row in zip(metrics, rows, strict=True)
    )
    return [_Branch([("metrics", BOLD)], children)]


def _metric_cells(metric: Metric) -> list[Part]:
    style = VERDICT_STYLES.get(metric.verdict, DIM)
    return [
        (metric.name, ""),
        (metric.verdict, style),
        (metric.value or "-", style),
        (f"stable {metric.stable}" if metric.stable else "", ""),
        (f"evidence {metric.evidence}" if metric.evidence else "", style),
        (metric.limit, DIM),
    ]


def _remark(metric: Metric) -> str:
    """The sentence on it, where the row does not say it all: of a comparison it has the requests,
    and what would have been seen.
    """
    if metric.evidence:
        return sentence(metric.message.removeprefix(f'metric "{metric.name}": '))
    return "" if metric.verdict == "Pass" or metric.value else sentence(metric.message)


def _drawn(branch: _Branch, indent: str, last: bool, paper: Paper) -> list[Line]:  # noqa: FBT001
    """The branch with its guides; in a pipe the guides are spaces."""
    tee, bar = ("└─ " if last else "├─ ", "   " if last else "│  ")
    if not paper.guides:
        tee, bar = ("  " if indent else "", "  ")
    below = indent + bar
    head: Line = [(indent + tee, GUIDE), *branch.row]
    lines = [cut(head, paper.width)]
    if branch.remark:
        fits = paper.width is None or length(head) + len(branch.remark) + 2 <= paper.width
        if fits:
            lines = [[*head, ("  ", ""), (branch.remark, branch.remark_style)]]
        else:
            hang: Line = [(f"{below}  ", GUIDE)]
            lines += hung(hang, branch.remark, branch.remark_style, paper, hang)
    for index, child in enumerate(branch.children):
        lines += _drawn(child, below, index == len(branch.children) - 1, paper)
    return lines


def one_line(facts: Facts, now: datetime) -> str:
    """The state in one line, for logs: time, phase, step, weight and why."""
    release = facts.release
    weight = f"{release['weight']}%" if "weight" in release else ""
    place = joined([str(release.get("progress") or ""), weight], " ")
    return joined([clock(now, now), facts.phase, place, sentence(facts.message)], "  ")


def headings(names: Sequence[str]) -> list[Part]:
    """The head of a table."""
    return [(name, "heading") for name in names]
