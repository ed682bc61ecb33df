"""A model of the cluster in each row of the table, and its objects as the API server has them.

What the operator writes comes from its own code, and phases that last for moments stand still.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from world import World

from judges import table
from judges.table import Row
from sluice.api.status import to_wire
from sluice.core.policy import Policy, Step
from sluice.core.table import Phase


def rollout_of(world: World) -> dict[str, Any]:
    """The Rollout as the operator has written it after its last pass."""
    rollout, status = world.rollout, world.plan.status
    assert rollout is not None
    assert status is not None
    wire = to_wire(status, previous={}, generation=rollout.generation, now=world.now)
    metadata = {"name": rollout.ref.name, "generation": rollout.generation}
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata,
        "status": wire,
    }


def deployment_of(world: World) -> dict[str, Any]:
    """The Deployment as its controller counts the pods of the ReplicaSets that it owns."""
    deployment = world.d
    owned = [rs for rs in world.replica_sets.values() if rs.owner_uid == deployment.ref.uid]
    updated = [rs for rs in owned if rs.template_hash == deployment.template_hash]
    own_rollout = not deployment.paused
    return {
        "kind": "Deployment",
        "metadata": {
            "name": deployment.ref.name,
            "generation": deployment.generation,
            "labels": dict(deployment.labels),
        },
        "spec": {"paused": deployment.paused, "replicas": deployment.replicas},
        "status": {
            "observedGeneration": deployment.observed_generation,
            "replicas": sum(rs.status_replicas for rs in owned),
            "updatedReplicas": (
                deployment.updated_replicas
                if own_rollout
                else sum(rs.status_replicas for rs in updated)
            ),
            "availableReplicas": sum(rs.status_available for rs in owned),
        },
    }


# --- a world in each row of the table


def at_rest(*steps: Step) -> World:
    policy = Policy("web", steps=steps or (Step(25, 10.0), Step(50, 10.0)))
    world = World(policy=policy)
    world.settle()
    return world


def released(*steps: Step) -> World:
    """web:2 on its way, as far as it comes without time passing."""
    world = at_rest(*steps)
    world.set_image("web:2")
    world.settle()
    return world


def pods_away() -> World:
    world = at_rest()
    world.fail("web:1")
    world.settle()
    return world


def adopting() -> World:
    world = World()
    world.edit(updated_replicas=1)
    world.settle()
    return world


def growing() -> World:
    world = at_rest()
    world.fail("web:2")
    world.set_image("web:2")
    world.settle()
    return world


def waiting() -> World:
    world = released(Step(25, 1.0, approval_required=True))
    world.run(2)
    return world


def empty() -> World:
    world = at_rest()
    world.edit(replicas=0)
    world.set_image("web:2")
    world.settle()
    return world


def promoting() -> World:
    world = released(Step(25, 1.0))
    world.at_most["web:2"] = 1
    world.run(2)
    return world


def canary_leaves() -> World:
    """In the pass between the command and its end: in the model pods leave at once."""
    world = waiting()
    world.command("abort")
    while world.plan.status is None or world.phase != Phase.ROLLING_BACK:
        world.one_pass()
        canary = world.by_image("web:2")
        if canary is not None and canary.replicas == 0:
            world.change(canary, status_replicas=1)
    return world


def returning() -> World:
    world = released(Step(25, 1.0))
    world.run(5)
    world.fail("web:1")
    world.command("rollback")
    world.settle()
    return world


def rolled_back() -> World:
    world = waiting()
    world.command("abort")
    world.settle()
    return world


def stalled() -> World:
    world = at_rest()
    world.edit(strategy="Recreate")
    world.settle()
    return world


def missing() -> World:
    world = World()
    world.deployment = None
    world.settle()
    return world


def invalid() -> World:
    world = at_rest()
    world.set_policy(None, "spec.canary.steps is empty: write at least 1 item")
    world.settle()
    return world


WORLDS: Final[dict[Row, Callable[[], World]]] = {
    table.HEALTHY: at_rest,
    table.PODS_AWAY: pods_away,
    table.ADOPTING: adopting,
    table.PROGRESSING: growing,
    table.STEPPING: released,
    table.PAUSED: waiting,
    table.PAUSED_EMPTY: empty,
    table.PROMOTING: promoting,
    table.CANARY_LEAVES: canary_leaves,
    table.RETURNING: returning,
    table.ROLLED_BACK: rolled_back,
    table.STALLED: stalled,
    table.MISSING: missing,
    table.INVALID: invalid,
}
