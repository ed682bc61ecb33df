"""The state machine of a release, from the table that the operator decides by."""

from __future__ import annotations

from docs.generate.blocks import code, table
from docs.generate.comments import meanings

from sluice.core.situation import State
from sluice.core.table import TABLE, Event, Move

# Longer labels are broken, or they lie across each other.
_LABEL_WIDTH = 26


def diagram() -> str:
    """The inside of a Mermaid state diagram: one arrow for each pair of states, with its events.

    Where an event leaves the state as it is, only the table says so.
    """
    arrows: dict[tuple[State, State], list[str]] = {}
    for state, row in TABLE.items():
        for event, rule in row.items():
            if rule.next is not state:
                arrows.setdefault((state, rule.next), []).append(event.value)
    lines = [f"[*] --> {next(iter(TABLE)).value}"]
    lines += [
        f"{start.value} --> {end.value}: {_label(events)}"
        for (start, end), events in arrows.items()
    ]
    return "\n".join(f"    {line}" for line in lines)


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


def _label(events: list[str]) -> str:
    lines = [""]
    for event in events:
        if lines[-1] and len(lines[-1]) + len(event) > _LABEL_WIDTH:
            lines.append("")
        lines[-1] += f"{', ' if lines[-1] else ''}{event}"
    return ",<br/>".join(lines)
