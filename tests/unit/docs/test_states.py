"""The diagram and the tables of states say all that the table of the operator says."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest
from docs.generate import states
from docs.generate.comments import meanings

from sluice.core.situation import State
from sluice.core.table import TABLE, Event


class Fruit(StrEnum):
    """An enum with every way to say what a member means."""

    APPLE = "Apple"  # keeps the doctor away
    # grows on trees,
    # and is yellow
    PEAR = "Pear"
    RED_PLUM = "RedPlum"
    CHERRY = (  # in two lines
        "Cherry"
    )


def test_a_member_means_what_is_said_beside_it_or_above_it() -> None:
    assert meanings(Fruit) == {
        "APPLE": "keeps the doctor away",
        "PEAR": "grows on trees, and is yellow",
        "RED_PLUM": "red plum",
        "CHERRY": "in two lines",
    }


@pytest.mark.parametrize("kind", [State, Event])
def test_every_member_has_a_meaning(kind: type[State | Event]) -> None:
    found = meanings(kind)
    assert found.keys() == kind.__members__.keys()
    assert all(found.values())


def test_the_diagram_has_an_arrow_for_every_change_of_state_and_no_other() -> None:
    shared = set(re.findall(r"`(\w+)`", states.shared()))
    arrows: dict[tuple[str, str], set[str]] = {}
    for start, end, label in re.findall(r"(\w+) --> (\w+): (.+)", states.diagram()):
        events = set(re.split(r",(?: |<br/>)", label))
        if "an end" in events:
            events = events - {"an end"} | shared
        arrows[start, end] = events
    wanted: dict[tuple[str, str], set[str]] = {}
    for state, row in TABLE.items():
        for event, rule in row.items():
            if rule.next is not state:
                wanted.setdefault((state.value, rule.next.value), set()).add(event.value)
    assert arrows == wanted


def test_no_label_of_the_diagram_is_longer_than_two_lines() -> None:
    assert all(line.count("<br/>") < 2 for line in states.diagram().splitlines())


def test_the_diagram_begins_at_rest() -> None:
    assert states.diagram().splitlines()[0].strip() == "[*] --> Settled"


def test_the_tables_have_every_pair_in_the_order_in_which_it_is_looked_for() -> None:
    text = states.tables()
    rows = re.findall(r"^(?:#### (\w+): |\| `(\w+)` \|.*?\| (?:\*\*(\w+)\*\*)? *\| `(\w+)` \|$)",
                      text, re.MULTILINE)  # fmt: skip
    found: dict[str, list[tuple[str, str, str]]] = {}
    present = ""
    for heading, event, following, phase in rows:
        if heading:
            present = heading
            found[present] = []
        else:
            found[present].append((event, following or present, phase))
    assert found == {
        state.value: [(e.value, rule.next.value, rule.phase.value) for e, rule in row.items()]
        for state, row in TABLE.items()
    }
