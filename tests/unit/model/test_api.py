"""The API server of the model: preconditions, generations, and what a refused write leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import World

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.plan import (
    Action,
    CreateRecord,
    DeleteReplicaSet,
    PatchDeployment,
    PatchReplicaSet,
)
from sluice.model import api


def adopted() -> World:
    world = World()
    world.settle()
    return world


def patch(world: World, **changes: object) -> PatchReplicaSet:
    return PatchReplicaSet(world.of("web:1").ref, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda world: patch(world, replicas=1),
        lambda world: DeleteReplicaSet(world.of("web:1").ref),
        lambda world: PatchDeployment(world.d.ref, paused=False),
    ],
)
def test_a_write_that_rests_on_an_older_state_is_refused_and_changes_nothing(make: object) -> None:
    world = adopted()
    action: Action = make(world)  # type: ignore[operator]
    world.change(world.of("web:1"), labels={**world.of("web:1").labels, "x": "y"})
    world.write_deployment(labels={**world.d.labels, "x": "y"})
    before = (world.d, dict(world.replica_sets))
    with pytest.raises(api.Refused, match="stale"):
        api.apply(world, action)
    assert (world.d, world.replica_sets) == before


def test_a_write_to_an_object_of_the_same_name_that_was_made_anew_is_refused() -> None:
    world = adopted()
    action = patch(world, replicas=1)
    rs = world.of("web:1")
    world.replica_sets[rs.ref.name] = replace(rs, ref=replace(rs.ref, uid="another"))
    with pytest.raises(api.Refused, match="gone"):
        api.apply(world, action)


def test_a_name_is_given_once() -> None:
    world = World()
    plan = decide(world.observed())
    made = next(action for action in plan.actions if isinstance(action, CreateRecord))
    api.apply(world, made)
    with pytest.raises(api.Refused, match="exists already"):
        api.apply(world, made)


def test_a_patch_that_changes_nothing_keeps_the_resource_version() -> None:
    world = adopted()
    before = world.of("web:1")
    api.apply(world, patch(world, replicas=4, labels={keys.ROLLOUT_LABEL: "web"}))
    assert world.of("web:1") == before


def test_only_a_change_of_the_spec_raises_a_replica_sets_generation() -> None:
    world = adopted()
    first = world.of("web:1").generation
    api.apply(world, patch(world, annotations={"x": "y"}))
    assert world.of("web:1").generation == first
    api.apply(world, patch(world, replicas=2))
    assert world.of("web:1").generation == first + 1
    assert world.of("web:1").available == 0, "not seen by its controller yet"
    world.controllers()


def test_a_copy_is_played_on_apart() -> None:
    world = adopted()
    other = world.copy()
    api.apply(other, patch(world, replicas=1))
    other.kubelet.pods[0].broken = True
    assert world.of("web:1").replicas == 4
    assert not world.kubelet.pods[0].broken
