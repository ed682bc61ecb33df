"""`status.scaling`: a decision as people and tools see it, and the memory beside it.

Numbers that may have a fraction are texts, as everywhere in the API. The whole stays below 16 KiB:
20 metrics, and 60 entries at most of each list.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sluice.core.scaling.kept import Explanation, Memory, Proposal, Scaled, Step
from sluice.core.scaling.words import number, quantity
from sluice.core.times import stamp

CHANGES_SHOWN: Final = 5
_LONGEST_TEXT: Final = 300
_LONGEST_DETAIL: Final = 120


def shown(
    scaled: Scaled, stored: Mapping[str, Any] | None = None, *, written: bool = False
) -> dict[str, Any]:
    """The wire form. `written` says that `desired` was written to the replicas; the last changes
    are carried over from what is `stored`.
    """
    memory = scaled.after_write if written else scaled.memory
    changes = _changes(stored or {})
    if written and scaled.desired != scaled.current:
        changes.append(_change(scaled))
    body: dict[str, Any] = {
        "current": scaled.current,
        "desired": scaled.desired,
        "decision": _decision(scaled),
        "nextChange": _time(scaled.explanation.next_change),
        "changes": changes[-CHANGES_SHOWN:],
        **_remembered(memory),
    }
    return _without_nothing(body)


def _decision(scaled: Scaled) -> dict[str, Any]:
    explanation = scaled.explanation
    body = {
        "at": stamp(scaled.at),
        "cause": scaled.cause.value,
        "message": scaled.message[:_LONGEST_TEXT],
        "active": scaled.active.reason,
        "limited": scaled.limited.reason,
        "floor": explanation.floor,
        "ceiling": explanation.ceiling,
        **_course(explanation),
    }
    return _without_nothing(body)


def _course(explanation: Explanation) -> dict[str, Any]:
    return {
        "metrics": [_metric(proposal) for proposal in explanation.proposals],
        "largest": explanation.largest,
        "by": explanation.by or None,
        "steps": [_step(step) for step in explanation.steps],
    }


def _metric(proposal: Proposal) -> dict[str, Any]:
    body = {
        "name": proposal.name,
        "kind": proposal.kind.value,
        "target": quantity(proposal.target_milli),
        "value": None if proposal.value is None else number(proposal.value),
        "unknown": proposal.unknown or None,
        "detail": proposal.detail[:_LONGEST_DETAIL] or None,
        "proposal": proposal.replicas,
        "ratio": None if proposal.ratio is None else f"{proposal.ratio:.4g}",
        "withinTolerance": proposal.within_tolerance or None,
    }
    return _without_nothing(body)


def _step(step: Step) -> dict[str, Any]:
    return {
        "cause": step.cause.value,
        "from": step.before,
        "to": step.after,
        "why": step.why[:_LONGEST_TEXT],
    }


def _change(scaled: Scaled) -> dict[str, Any]:
    return {
        "at": stamp(scaled.at),
        "from": scaled.current,
        "to": scaled.desired,
        "message": scaled.message[:_LONGEST_TEXT],
    }


def _changes(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The changes shown before; what is none of them is dropped."""
    kinds = {"at": str, "from": int, "to": int, "message": str}
    found = stored.get("changes")
    return [
        {name: change[name] for name in kinds}
        for change in (found if isinstance(found, list) else [])
        if isinstance(change, Mapping)
        and all(isinstance(change.get(name), kind) for name, kind in kinds.items())
    ]


def _remembered(memory: Memory) -> dict[str, Any]:
    return {
        "recommendations": [
            {"at": stamp(each.at), "replicas": each.replicas} for each in memory.recommendations
        ],
        "events": [{"at": stamp(each.at), "change": each.change} for each in memory.events],
        "askedAt": _time(memory.asked_at),
        "unknownSince": _time(memory.unknown_since),
        "unknownUntil": _time(memory.unknown_until),
        "unansweredSince": _time(memory.unanswered_since),
        "unansweredAt": _time(memory.unanswered_at),
        "probe": memory.probe,
    }


def _time(instant: datetime | None) -> str | None:
    return stamp(instant) if instant else None


def _without_nothing(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None and value != []}
