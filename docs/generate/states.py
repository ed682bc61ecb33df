"""The state machine of a release, from the table that the operator decides by."""

from __future__ import annotations

from typing import Final

from docs.generate.blocks import code, table
from docs.generate.comments import meanings

from sluice.core.situation import State
from sluice.core.table import TABLE, Event, Move

# Longer labels are broken, or they lie across each other.
_LABEL_WIDTH: Final = 26
# What so many events, and more, have in common is said once, below the diagram.
_MANY: Final = 5
_SHARED: Final = "an end"

Arrows = dict[tuple[State, State], list[str]]


def diagram() -> str:
    """The inside of a Mermaid state diagram: one arrow for each pair of states, with its events.

    Where an event leaves the state as it is, only the table says so.
    """
    arrows = _arrows()
    shared = _shared(arrows)
    lines = [f"[*] --> {next(iter(TABLE)).value}"]
    for (start, end), events in arrows.items():
        has_all = shared and set(shared) <= set(events)
        said = [_SHARED, *(e for e in events if e not in shared)] if has_all else events
        lines.append(f"{start.value} --> {end.value}: {_label(said)}")
    return "\n".join(f"    {line}" for line in lines)


def shared() -> str:
    """The events that the diagram calls by one name; empty where it needs none."""
    events = _shared(_arrows())
    return f"\n*{_SHARED}* is any of {', '.join(map(code, events))}.\n\n" if events else ""


def tables() -> str:
    """For each state what may be found, in the order in which it is looked for."""
    states, events = meanings(State), meanings(Event)
    text = ""
    for state, row in TABLE.items():
        rows = (
            (
                code(event.value),
                events[event.name],
                "" if rule.move is Move.NOTHING else rule.move.value,
                "" if rule.next is state else f"**{rule.next.value}**",
                code(rule.phase.value),
            )
            for event, rule in row.items()
        )
        head = ("Event", "Holds when", "What is done", "Next state", "Phase shown")
        text += f"\n#### {state.value}: {states[state.name]}\n{table(head, rows)}"
    return f"{text}\n"


def _arrows() -> Arrows:
    arrows: Arrows = {}
    for state, row in TABLE.items():
        for event, rule in row.items():
            if rule.next is not state:
                arrows.setdefault((state, rule.next), []).append(event.value)
    return arrows


def _shared(arrows: Arrows) -> list[str]:
    """What all the arrows with many events have in common, in the order of the first of them."""
    many = [events for events in arrows.values() if len(events) >= _MANY]
    if len(many) < 2:
        return []
    common = set.intersection(*map(set, many))
    return [event for event in many[0] if event in common] if len(common) >= _MANY else []


def _label(events: list[str]) -> str:
    lines = [""]
    for event in events:
        if lines[-1] and len(lines[-1]) + len(event) > _LABEL_WIDTH:
            lines.append("")
        lines[-1] += f"{', ' if lines[-1] else ''}{event}"
    return ",<br/>".join(lines)
