"""What a simulation told: the time line, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sluice.cli.text import BOLD, DIM, Line, Paper, Part, columns, cut, hung, length
from sluice.cli.tree import PHASE_STYLES, headings
from sluice.core.times import span
from sluice.model.scenario import Moment, Scenario, Side, Story
from sluice.model.traffic import Counts

# Narrower than this, a sentence goes below its row.
_LEAST_SENTENCE: Final = 40
_OUTCOMES: Final = {
    "Healthy": ("promoted: v2 is the stable version", "good"),
    "RolledBack": ("rolled back: v1 serves alone", "bad"),
    "Paused": ("paused until a person decides", "wait"),
    "UnderWay": ("still under way", "busy"),
}
_LABEL: Final = 10


def clock(seconds: float) -> str:
    """`1:05`, `1:02:03`; with tenths where there are any."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"


def lines(scenario: Scenario, story: Story, paper: Paper) -> list[Line]:
    """Scenario, time line and summary."""
    return [
        *_setting(scenario, paper),
        [],
        *_time_line(story, paper),
        [],
        *_summary(scenario, story, paper),
    ]


def _setting(scenario: Scenario, paper: Paper) -> Iterator[Line]:
    steps = ", ".join(
        f"{step.weight}% for {span(step.duration_seconds)}"
        + (" and an approval" if step.approval_required else "")
        for step in scenario.policy.steps
    )
    pods = "pod" if scenario.replicas == 1 else "pods"
    v1, v2 = (f"{100 * side.error_ratio:.4g}%" for side in (scenario.stable, scenario.canary))
    errors = f"errors: v1 {v1}, v2 {v2}"
    ready = f"ready after {span(scenario.pod_start_seconds)}"
    crash = scenario.crash_after_seconds
    if crash is not None:
        ready += f"; v2 crashes {span(crash)} after each start"
    setting = (
        f"{scenario.replicas} {pods}, {ready}; {scenario.per_second:g} requests/s; {errors}; "
        f"seed {scenario.seed}"
    )
    yield from hung([(f"{'Rollout':<{_LABEL}}", DIM)], f"{scenario.name}: {steps}", BOLD, paper)
    yield from hung([(f"{'Scenario':<{_LABEL}}", DIM)], setting, "", paper)


def _time_line(story: Story, paper: Paper) -> list[Line]:
    rows = [headings(["TIME", "PHASE", "STEP", "WEIGHT", "V1", "V2", "WHAT HAPPENED, AND WHY"])]
    rows += [_row(moment) for moment in story.moments]
    laid = columns(rows)
    start = length(laid[0][:-1])
    beside = paper.width is None or paper.width - start >= _LEAST_SENTENCE
    shown: list[Line] = [cut(laid[0], paper.width)]
    for line, moment in zip(laid[1:], story.moments, strict=True):
        what = ("bad" if moment.warning else BOLD) if moment.ours else "wait"
        if beside:
            text = f"{moment.what}: {moment.why}"
            first, *others = hung(line[:-1], text, "", paper)
            shown += [_marked(first, moment.what, what), *others]
        else:
            shown.append(cut([*line[:-1], (moment.what, what)], paper.width))
            shown += hung([("      ", "")], moment.why, DIM, paper, [("      ", "")])
    return shown


def _marked(line: Line, what: str, style: str) -> Line:
    """The line whose last part begins with `what`, that in a style of its own."""
    text, _ = line[-1]
    if not text.startswith(what):
        return line
    return [*line[:-1], (what, style), (text[len(what) :], "")]


def _row(moment: Moment) -> list[Part]:
    step = f"{moment.step}/{moment.steps}" if moment.step is not None else "-"
    return [
        (clock(moment.at_seconds), DIM),
        (moment.phase, PHASE_STYLES.get(moment.phase, "")),
        (step, ""),
        (f"{moment.weight}%", ""),
        (_pods(moment.old), ""),
        (_pods(moment.new), ""),
        (moment.what, ""),
    ]


def _pods(side: Side) -> str:
    return f"{side.ready}/{side.wanted}"


def _summary(scenario: Scenario, story: Story, paper: Paper) -> Iterator[Line]:
    said, style = _OUTCOMES[story.outcome]
    decided = story.decided_seconds
    when = f"decided at {clock(decided)}, " if decided is not None else "not decided; "
    rows = [
        ("Outcome", said, style),
        ("", story.why, ""),
        ("Time", f"{when}ended at {clock(story.ended_seconds)}", ""),
        ("Requests", _requests(story), ""),
        ("Ready", f"never fewer than {story.least_ready} of {scenario.replicas} pods", ""),
    ]
    for name, how in story.meters.items():
        rows.append(("Metric", f"{name} is {how}", ""))
    if story.meters:
        rows.append(("", "simulated: PromQL is not evaluated here", DIM))
    else:
        rows.append(("Metrics", "none: only the pods are watched, errors go unseen", "wait"))
    for label, text, mark in rows:
        yield from hung([(f"{label:<{_LABEL}}", DIM)], text, mark, paper)


def _requests(story: Story) -> str:
    total = story.old.total + story.new.total + story.lost
    said = f"{total} in all; {_served(story.new)} by v2, {_served(story.old)} by v1"
    return f"{said}; {story.lost} found no ready pod" if story.lost else said


def _served(counts: Counts) -> str:
    return f"{counts.total} ({counts.failed} failed)"


def wire(scenario: Scenario, story: Story) -> dict[str, Any]:
    """The same for programs."""
    return {
        "rollout": scenario.name,
        "outcome": story.outcome,
        "why": story.why,
        "decidedSeconds": story.decided_seconds,
        "endedSeconds": story.ended_seconds,
        "leastReady": story.least_ready,
        "replicas": scenario.replicas,
        "seed": scenario.seed,
        "requests": {
            "v1": {"served": story.old.total, "failed": story.old.failed},
            "v2": {"served": story.new.total, "failed": story.new.failed},
            "lost": story.lost,
        },
        "metrics": dict(story.meters),
        "timeline": [
            {
                "seconds": moment.at_seconds,
                "phase": moment.phase,
                "step": moment.step,
                "steps": moment.steps,
                "weight": moment.weight,
                "v1": {"ready": moment.old.ready, "wanted": moment.old.wanted},
                "v2": {"ready": moment.new.ready, "wanted": moment.new.wanted},
                "what": moment.what,
                "why": moment.why,
                "by": "sluice" if moment.ours else "scenario",
            }
            for moment in story.moments
        ],
    }
