"""What was found broken once: annotations that somebody edited raise nothing, and cost no write in
every pass.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from world import World

from sluice.core import keys
from sluice.core.plan import PatchReplicaSet
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.release_data import ReleaseData

ANALYSIS = Analysis(interval_seconds=5.0, metrics=(Metric("errors", "q", maximum=0.01),))


def releasing() -> World:
    """A canary in its first step, which is long, after its first reading."""
    steps = (Step(10, 600.0), Step(50, 600.0))
    world = World(policy=Policy("web", steps=steps, analysis=ANALYSIS))
    world.settle()
    world.set_image("web:2")
    world.settle()
    world.run(7)
    assert world.situation().canary is not None
    return world


def promoted() -> World:
    world = World()
    world.settle()
    world.set_image("web:2")
    world.run(30)
    assert world.phase == "Healthy"
    return world


DATA = json.loads(ReleaseData(ANALYSIS).dump())
FAR = "9999-12-31T23:59:59.999Z"
CANARY: dict[str, dict[str, str | None]] = {
    "release=foo": {keys.RELEASE: "foo"},
    "release=2-x-07": {keys.RELEASE: "2-x-07"},
    "release of superscripts": {keys.RELEASE: "2-x-²"},
    "no release": {keys.RELEASE: None, keys.RELEASE_STARTED: None},
    "step 0": {keys.STEP: "0", keys.STEP_WEIGHT: "0"},
    "step of superscripts": {keys.STEP: "²", keys.STEP_WEIGHT: "¹⁰", keys.REVISION: "³"},
    "unreadable instants": dict.fromkeys((keys.RELEASE_STARTED, keys.STEP_STARTED), "soon"),
    "far instants": dict.fromkeys((keys.RELEASE_STARTED, keys.STEP_STARTED), FAR),
    "first instant": dict.fromkeys(
        (keys.RELEASE_STARTED, keys.STEP_STARTED), "0001-01-01T00:00:00+14:00"
    ),
    "far growth": {keys.GROW_STARTED: FAR},
    "far rise": {keys.RAISE_STARTED: FAR},
    "deep data": {keys.RELEASE_DATA: "[" * 5000},
    "data of wrong types": {keys.RELEASE_DATA: json.dumps({**DATA, "failures": [1], "tick": "x"})},
    **{
        f"data with {name}={value}": {
            keys.RELEASE_DATA: json.dumps({**DATA, "analysis": {**DATA["analysis"], name: value}})
        }
        for name, value in (
            ("interval_seconds", 0),
            ("interval_seconds", float("inf")),
            ("interval_seconds", float("nan")),
            ("interval_seconds", "5"),
            ("interval_seconds", 1e300),
            ("no_data_after_seconds", 1e300),
            ("no_data_after_seconds", float("inf")),
            ("initial_delay_seconds", float("inf")),
            ("metrics", 7),
            ("metrics", [7]),
            ("source", 7),
            ("on_failure", []),
        )
    },
    "data with far unknownSince": {keys.RELEASE_DATA: json.dumps({**DATA, "unknownSince": FAR})},
    "data with approved texts": {keys.RELEASE_DATA: json.dumps({**DATA, "approved": ["²"]})},
}


@pytest.mark.parametrize(
    "changes",
    [pytest.param(changes, id=name) for name, changes in CANARY.items()],
)
@pytest.mark.parametrize("value", [Known(0.0), Unknown(Reason.UNREACHABLE)], ids=["0", "?"])
def test_no_annotation_of_the_canary_raises_or_makes_every_pass_write(
    changes: dict[str, str | None], value: Known | Unknown
) -> None:
    world = releasing()
    world.values["errors"] = value
    canary = world.situation().canary
    assert canary is not None
    world.change(canary, annotations=changes)
    quiet(world)


ACCEPTED = {"id": "a", "verb": "rollback", "at": "", "target": "x", "source": "y"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({**ACCEPTED, name: value})
        for name, value in (
            ("verb", 7), ("verb", None), ("release", []), ("step", "1"), ("done", "no"),
            ("target", {}), ("source", 3), ("id", []), ("result", 0), ("unheard", 1),
        )
    ]
    + ["7", "null", "[" * 5000],
)  # fmt: skip
def test_no_accepted_command_of_wrong_types_raises_or_makes_every_pass_write(text: str) -> None:
    world = releasing()
    world.annotate(keys.ACCEPTED, text)
    quiet(world)


@pytest.mark.parametrize(
    "text",
    [FAR, "soon", "0001-01-01T00:00:00+14:00", ""],
)
def test_no_instant_of_an_unpausing_raises_or_makes_every_pass_write(text: str) -> None:
    world = promoted()
    world.annotate(keys.UNGATED, text)
    quiet(world)


@pytest.mark.parametrize("text", [FAR, "soon", "0001-01-01T00:00:00+14:00", ""])
def test_no_instant_of_the_stable_side_raises_or_makes_every_pass_write(text: str) -> None:
    world = promoted()
    for image in ("web:1", "web:2"):
        world.change(world.of(image), annotations={keys.STABLE_AT: text, keys.REVISION: "²"})
    world.records = {n: replace(r, stable_at=text) for n, r in world.records.items()}
    quiet(world)


def quiet(world: World) -> None:
    """It comes to rest, and stays there."""
    world.run(20)
    before = len(world.actions)
    world.run(10)
    written = world.actions[before:]
    assert len(written) <= 2, [a for a in written if isinstance(a, PatchReplicaSet)][:3]
