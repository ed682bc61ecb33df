"""What a pass does around a decision: what it remembers, and what it goes on with when the API
server refuses a write.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from world import START, World

from sluice.core.objects import Container, Pod, Role
from sluice.core.plan import CreateReplicaSet, PatchRollout, ScaleDeployment
from sluice.core.policy import Metric, Policy, Step
from sluice.core.readings import Known
from sluice.core.scaling.policy import Scaling, ScalingMetric, TargetKind
from sluice.ports import Denied, Unreachable
from sluice.runtime.queue import AgainIn
from unit.passes import Passes

DENIED = Denied("patch deployments/scale web: 403 Forbidden: no")
LOAD = ScalingMetric("load", "sum(load)", TargetKind.AVERAGE_VALUE, 1000)
WITHIN = Metric("errors", "errors", maximum=0.5)


def passes(load: float = 4, interval_seconds: float = 5.0) -> Passes:
    """Four replicas, adopted, at rest; without a behavior block, so five minutes of window."""
    scaling = Scaling(1, 20, (LOAD,), interval_seconds=interval_seconds)
    policy = Policy("web", steps=(Step(50, 6000.0),), scaling=scaling)
    policy = replace(
        policy, analysis=replace(policy.analysis, metrics=(WITHIN,), interval_seconds=5.0)
    )
    world = World(policy=policy)
    world.values |= {"load": Known(load), "errors": Known(0.0)}
    found = Passes(world)
    found.run(10)
    return found


# --- what is remembered of scaling


def test_scaling_that_comes_back_begins_anew() -> None:
    # Given that the metric has asked for three for longer than the window
    found = passes(load=3)
    found.run(400)
    assert found.world.d.replicas == 3

    # When scaling is left out, somebody sets ten, and scaling comes back
    policy = found.world.policy
    found.world.set_policy(replace(policy, scaling=None))
    found.run(10)
    found.world.edit(replicas=10)
    found.world.set_policy(policy)

    # Then they stay for a window
    found.run(280)
    assert found.world.d.replicas == 10
    found.run(60)
    assert found.world.d.replicas == 3


def test_another_rollout_of_the_same_name_has_no_memory_of_the_former_one() -> None:
    found = passes(load=3)
    found.run(400)
    found.world.edit(replicas=10)
    old = found.world.rollout
    assert old is not None
    found.world.rollout = replace(old, ref=replace(old.ref, uid="another"), status={})
    found.run(60)
    assert found.world.d.replicas == 10


def test_a_change_of_the_replicas_is_written_at_once() -> None:
    # Given a status that was written a moment ago, for another reason
    found = passes(interval_seconds=60.0)
    found.world.values["load"] = Known(6)
    found.run(49.5)
    found.world.now += timedelta(seconds=0.25)
    stable = found.world.of("web:1")
    found.world.change(stable, status_available=3)
    written = len(found.statuses)
    found.one()
    assert len(found.statuses) == written + 1

    # When the replicas are raised
    found.world.now = START + timedelta(seconds=60)
    found.one()
    found.one()

    # Then it says so, as what a restart would not know of
    assert found.world.d.replicas == 6
    (change,) = found.status["scaling"]["changes"]
    assert (change["from"], change["to"]) == (4, 6)
    assert found.status["scaling"]["desired"] == 6


def test_what_is_shown_of_scaling_stays_while_pods_are_looked_for() -> None:
    found = passes()
    forgotten = found.journal.forgotten
    stable = found.world.of("web:1")
    found.world.at_most["web:1"] = 3
    found.world.change(stable, ready_replicas=3, status_available=3)
    found.one()
    assert found.journal.forgotten == forgotten


# --- what is refused


@pytest.mark.parametrize("interval_seconds", [5.0, 600.0])
def test_replicas_that_cannot_be_set_do_not_hold_a_release_up(interval_seconds: float) -> None:
    # Given a canary, and replicas that are refused
    found = passes(interval_seconds=interval_seconds)
    found.world.set_image("web:2")
    found.run(10)
    found.refuses[ScaleDeployment] = DENIED
    found.world.values["load"] = Known(8)
    found.when_due(interval_seconds)
    assert found.scale_writes

    # When the canary turns bad
    found.world.values["errors"] = Known(0.9)
    found.when_due(12)

    # Then it is rolled back all the same
    assert found.world.of("web:2").role is Role.REJECTED


def test_that_replicas_cannot_be_set_is_said_until_they_can() -> None:
    found = passes()
    found.refuses[ScaleDeployment] = DENIED
    found.world.values["load"] = Known(8)
    found.run(7)
    active = found.condition("ScalingActive")
    assert active is not None
    assert (active["status"], active["reason"]) == ("False", "FailedUpdateScale")
    assert active["message"] == f"the replicas could not be set to 8: {DENIED}"
    assert found.status["phase"] == "Healthy"
    assert str(DENIED) in found.status["message"]

    # It is tried once a round, and a status that says the same is not written again
    written, tried = len(found.statuses), len(found.scale_writes)
    found.run(60)
    assert len(found.scale_writes) - tried == 12
    assert len(found.statuses) == written

    found.refuses.clear()
    found.run(10)
    assert found.world.d.replicas == 8
    active = found.condition("ScalingActive")
    assert active is not None
    assert active["reason"] == "ValidMetricFound"
    assert found.status["message"] == "revision 1: 8 of 8 pods available"


def test_that_replicas_cannot_be_set_is_no_longer_said_when_they_need_not_be() -> None:
    found = passes()
    found.refuses[ScaleDeployment] = DENIED
    found.world.values["load"] = Known(8)
    found.run(10)
    found.world.values["load"] = Known(4)
    found.run(310)
    active = found.condition("ScalingActive")
    assert active is not None
    assert active["reason"] == "ValidMetricFound"


def test_replicas_are_set_soon_where_the_server_was_only_busy() -> None:
    found = passes(interval_seconds=60.0)
    found.world.values["load"] = Known(8)
    found.refuses[ScaleDeployment] = Unreachable("patch deployments/scale web: 503")
    found.when_due(51)
    assert len(found.scale_writes) == 1
    found.refuses.clear()
    found.when_due(6)
    assert found.world.d.replicas == 8


def test_a_release_that_is_refused_does_not_hold_raising_up() -> None:
    # Given a canary that may not be made
    found = passes()
    found.refuses[CreateReplicaSet] = Denied("create replicasets web-x: 403 Forbidden: unsigned")
    found.world.set_image("web:2")
    found.when_due(10)
    assert found.status["phase"] == "Stalled"

    # When the load rises, then replicas follow, and the refusal is still said
    found.world.values["load"] = Known(8)
    found.when_due(40)
    assert found.world.d.replicas == 8
    assert found.status["phase"] == "Stalled"
    assert found.status["message"].endswith("unsigned")

    # When it falls, nothing is lowered: nobody knows how far the release has come
    found.world.values["load"] = Known(2)
    found.when_due(400)
    assert found.world.d.replicas == 8
    assert found.status["scaling"]["decision"]["cause"] == "Waiting"


def test_a_status_that_is_refused_does_not_hide_the_pods() -> None:
    found = passes()
    found.world.set_image("web:2")
    found.run(5)
    # What there is to be written differs from what is stored
    found.world.change(found.world.of("web:1"), status_available=3)
    found.refuses_status = Denied("patch rollouts/status web: 403 Forbidden: no")
    canary = found.world.of("web:2")
    crashing = Pod("web-x", canary.pod_hash, containers=(Container("app", restarts=3),))
    found.world.pods = (crashing, Pod("web-y", found.world.of("web:1").pod_hash))
    found.reconciler.new_term()
    for _ in range(4):
        with suppress(Denied):
            found.one()
    assert found.world.of("web:2").role is Role.REJECTED


def test_a_refusal_before_the_deployment_is_adopted_is_said_and_not_repeated_at_once() -> None:
    found = Passes(World())
    found.refuses[PatchRollout] = Denied("patch rollouts web: 403 Forbidden: no")
    outcome = found.one()
    assert outcome == AgainIn(30.0)
    assert found.status["phase"] == "Stalled"
    assert len(found.tried) <= 2
