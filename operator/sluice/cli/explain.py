"""Why a Rollout is where it is: what was decided and on what, and what it rests on now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sluice.cli import scaling
from sluice.cli.facts import Facts, annotations_of, number, part, parts
from sluice.cli.metrics import metrics_of, release_data
from sluice.cli.outlook import deadline, outlook, step_ends
from sluice.cli.tables import conditions
from sluice.cli.text import BOLD, DIM, Line, Paper, clock, dated, hung, joined, sentence, until
from sluice.cli.tree import PHASE_STYLES, VERDICT_STYLES
from sluice.core import keys, times


def explain(facts: Facts, now: datetime, paper: Paper) -> list[Line]:
    """The explanation as lines."""
    style = PHASE_STYLES.get(facts.phase, "wait")
    coming = outlook(facts)
    when = f"{until(coming.at, now)}: " if coming.at else ""
    lines: list[Line] = [
        [(f"{facts.namespace}/{facts.name}  ", BOLD), (facts.phase or "not taken up yet", style)]
    ]
    if facts.message:
        lines += hung([("Why   ", DIM)], sentence(facts.message), "", paper)
    lines += hung([("Next  ", DIM)], f"{when}{coming.sentence}", BOLD, paper)
    lines += [[], [("What it rests on now", "heading")]]
    for name, text, mark in inputs(facts, now):
        lines += hung([(f"  {name:<12}", DIM)], text, mark, paper)
    lines += scaling.scaling(facts, now, paper)
    lines += [[], [("What was decided, oldest first", "heading")]]
    lines += _decisions(facts, now, paper)
    for note in facts.notes:
        lines += hung([("note: ", "wait")], note, "", paper)
    return lines


def inputs(facts: Facts, now: datetime) -> list[tuple[str, str, str]]:
    """(name, sentence, style) of everything that the present decision is made from."""
    found: list[tuple[str, str, str]] = []
    if facts.unseen:
        found.append(("spec", "its last change is not seen by the operator yet", "wait"))
    if part(facts.rollout, "spec").get("paused"):
        found.append(("spec.paused", "true: no new release and no next step", "wait"))
    for side in facts.sides:
        if side.role == "stable" or not side.idle:
            pods = f"{side.available} of {side.wanted} available"
            text = f"{side.name}, revision {side.revision}: {pods}"
            found.append((side.role or "unknown", text, ""))
            found += [
                ("  pod", f"{pod.name}: {pod.wrong}", "bad") for pod in side.pods if pod.wrong
            ]
    found += _release(facts, now)
    for metric in metrics_of(facts):
        said = sentence(metric.message) or f'metric "{metric.name}" is not read yet'
        found.append(
            ("metric", f"{said}: {metric.verdict}", VERDICT_STYLES.get(metric.verdict, ""))
        )
    found += _rejected(facts, now)
    for held in conditions(facts):
        if held.get("message") != facts.message:
            found.append((str(held.get("type")), sentence(held.get("message")), "wait"))
    return found + _commands(facts, now)


def _release(facts: Facts, now: datetime) -> list[tuple[str, str, str]]:
    if not facts.release:
        return []
    found = [("release", _release_text(facts), "")]
    if (at := step_ends(facts)) is not None:
        found.append(("clock", f"the step's duration ends {until(at, now)}", ""))
    elif (at := deadline(facts)) is not None:
        found.append(("clock", f"progressDeadline ends {until(at, now)}", ""))
    data = release_data(facts)
    if approved := data.get("approved"):
        found.append(("approved", f"steps {joined(map(str, approved))}", ""))
    found += [
        ("overridden", f"step {number_}: {sentence(text)}", "wait")
        for number_, text in data.get("overrides") or ()
    ]
    if (since := times.parse(data.get("unknownSince"))) is not None:
        found.append(("unknown", f"since {clock(since, now)}", "wait"))
    return found


def _release_text(facts: Facts) -> str:
    release = facts.release
    step = number(release, "step")
    wanted = facts.steps[step - 1].get("weight") if 0 < step <= len(facts.steps) else None
    place = f"step {step} of {release.get('steps')}" if step else ""
    weight = f"weight {release.get('weight')}%" + (f" (wanted {wanted}%)" if wanted else "")
    return joined([str(release.get("id") or ""), place, weight])


def _rejected(facts: Facts, now: datetime) -> list[tuple[str, str, str]]:
    """The rejections that count now: with a template that is rejected, the newest one."""
    if facts.phase != "RolledBack":
        return []
    found = []
    for item in parts(facts.status, "rejected")[-1:]:
        at = times.parse(item.get("at"))
        when = f" at {clock(at, now)}" if at else ""
        found.append(
            ("rejected", f"{item.get('hash')}{when}: {sentence(item.get('reason'))}", "bad")
        )
    return found


def _commands(facts: Facts, now: datetime) -> list[tuple[str, str, str]]:
    found = []
    if waiting := annotations_of(facts.rollout).get(keys.COMMAND):
        found.append(("command", f'"{waiting}" waits to be taken up by the operator', "wait"))
    if last := part(facts.status, "lastCommand"):
        at = times.parse(last.get("at"))
        when = f" at {clock(at, now)}" if at else ""
        found.append(("command", f'"{last.get("verb")}"{when}: {sentence(last.get("result"))}', ""))
    return found


def _decisions(facts: Facts, now: datetime, paper: Paper) -> list[Line]:
    told = [
        (times.parse(item.get("at")), f"{sentence(item.get('what'))}: {sentence(item.get('why'))}")
        for item in parts(facts.status, "decisions")
    ]
    return dated(told, now, paper) or [[("  nothing yet", DIM)]]


def wire(facts: Facts, now: datetime) -> dict[str, Any]:
    """The explanation for programs."""
    coming = outlook(facts)
    return {
        "namespace": facts.namespace,
        "name": facts.name,
        "phase": facts.phase or None,
        "reason": facts.reason or None,
        "message": facts.message,
        "next": {"sentence": coming.sentence, "at": times.stamp(coming.at) if coming.at else None},
        "inputs": [{"name": name.strip(), "says": text} for name, text, _ in inputs(facts, now)],
        "scaling": scaling.wire(facts),
        "decisions": parts(facts.status, "decisions"),
        "notes": list(facts.notes),
    }
