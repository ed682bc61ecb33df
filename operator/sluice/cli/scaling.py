"""Why there are so many replicas: the last scaling decision, as the status tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sluice.cli.facts import Facts, Json, condition, part, parts
from sluice.cli.text import DIM, Line, Paper, clock, dated, hung, sentence, until
from sluice.core import times

Row = tuple[str, str, str]

# What else of `status.scaling` there is, the operator remembers for itself.
_SHOWN: Final = ("current", "desired", "decision", "nextChange", "changes")
_NUMBER: Final = re.compile(r"^\d+: ")


def scaling(facts: Facts, now: datetime, paper: Paper) -> list[Line]:
    """The section of the explanation; empty where the Rollout does not scale."""
    found = part(facts.status, "scaling")
    asked = part(facts.rollout, "spec", "scaling")
    if not (found or asked):
        return []
    lines: list[Line] = [[], [(_heading(found, asked), "heading")]]
    for name, text, style in rows(facts, now):
        lines += hung([(f"  {name:<12}", DIM)], text, style, paper)
    changes = parts(found, "changes")
    if changes:
        lines += [[], [("Replicas that were written, oldest first", "heading")]]
    told = [
        (times.parse(item.get("at")), f"{item.get('from')} -> {item.get('to')}: {_said(item)}")
        for item in changes
    ]
    return lines + dated(told, now, paper)


def wire(facts: Facts) -> dict[str, Any] | None:
    """The decision for programs."""
    found = part(facts.status, "scaling")
    return {name: found[name] for name in _SHOWN if name in found} or None


def _heading(found: Json, asked: Json) -> str:
    current, desired = found.get("current"), found.get("desired")
    if desired is None:
        return "How many replicas"
    if current == desired:
        return f"Why {desired} replicas"
    if asked.get("mode") == "Recommend":
        return f"Why {desired} replicas are recommended (now {current})"
    return f"Why {desired} replicas (now {current})"


def rows(facts: Facts, now: datetime) -> list[Row]:
    """(name, sentence, style) of what the number was made from, in the order of the decision."""
    return list(_rows(facts, now))


def _rows(facts: Facts, now: datetime) -> Iterator[Row]:
    found = part(facts.status, "scaling")
    decision = part(found, "decision")
    asked = part(facts.rollout, "spec", "scaling")
    if not asked:
        yield "spec", "scaling was taken out: the replicas stay as they are", "wait"
    elif not decision:
        yield "decision", "nothing is decided yet", "wait"
    if decision:
        at = times.parse(decision.get("at"))
        yield "decided", f"{clock(at, now)}: {_said(decision)}" if at else _said(decision), ""
    for metric in parts(decision, "metrics"):
        yield _metric(metric)
    if by := decision.get("by"):
        yield "largest", f"{decision.get('largest')}, of {by}", ""
    for step in parts(decision, "steps"):
        name = str(step.get("cause") or "").lower()
        yield name, f"{step.get('from')} -> {step.get('to')}: {sentence(step.get('why'))}", ""
    if "floor" in decision:
        yield "bounds", f"{decision['floor']} to {decision.get('ceiling')}", ""
    if (change := times.parse(found.get("nextChange"))) is not None:
        yield "schedules", f"the bounds change next {until(change, now)}", ""
    if asked.get("mode") == "Recommend":
        yield "mode", "Recommend: decided and shown, never written", "wait"
    yield from _inactive(facts, decision)


def _metric(metric: Json) -> Row:
    """What a metric asks for: `rps is 600, target 50 a pod: asks for 12 (1.5 times the target)`."""
    name, target = metric.get("name"), metric.get("target")
    per_pod = metric.get("kind") == "averageValue"
    held = f"target {target} a pod" if per_pod else f"target {target}"
    if unknown := metric.get("unknown"):
        detail = sentence(metric.get("detail"))
        why = f"{unknown}: {detail}" if detail else str(unknown)
        return "metric", f"{name} is unknown ({why}), {held}", "wait"
    asks = f"asks for {metric.get('proposal')}"
    near = f"{metric['ratio']} times the target" if metric.get("ratio") else ""
    if metric.get("withinTolerance"):
        near = f"{near}, within the tolerance" if near else "within the tolerance"
    return (
        "metric",
        f"{name} is {metric.get('value')}, {held}: {asks}" + (f" ({near})" if near else ""),
        "",
    )


def _inactive(facts: Facts, decision: Json) -> Iterator[Row]:
    """Why scaling does nothing, where the decision does not say it."""
    held = condition(facts.rollout, "ScalingActive")
    message = sentence(held.get("message"))
    if held.get("status") == "False" and message and message not in _said(decision):
        yield "inactive", message, "wait"


def _said(decision: Json) -> str:
    """The message without the number that it begins with, which stands above or before it."""
    return _NUMBER.sub("", sentence(decision.get("message")))
