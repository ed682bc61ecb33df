"""What was found broken once: readings, steps, pods that crash, commands, clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from world import World

from sluice.core import keys
from sluice.core.commands import accepted
from sluice.core.objects import Container, Pod, ReplicaSet, Role
from sluice.core.plan import Action, PatchDeployment
from sluice.core.policy import Analysis, Metric, NoDataAction, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.situation import State
from sluice.core.times import stamp

HOUR = timedelta(hours=1)
SILENT = Unknown(Reason.UNREACHABLE)


def adopted(**changes: Any) -> World:
    world = World(**changes)
    world.settle()
    assert world.phase == "Healthy"
    return world


def measured(duration: float = 10.0, **analysis: Any) -> Policy:
    metric = Metric("errors", "q", maximum=0.01)
    measures = Analysis(interval_seconds=5.0, metrics=(metric,), **analysis)
    return Policy("web", steps=(Step(10, duration), Step(50, duration)), analysis=measures)


def releasing(policy: Policy | None = None, seconds: float = 0.0) -> World:
    world = adopted(policy=policy) if policy else adopted()
    world.set_image("web:2")
    world.settle()
    world.run(seconds)
    return world


def promoted(*images: str, policy: Policy | None = None) -> World:
    world = adopted(policy=policy) if policy else adopted()
    for image in images:
        world.set_image(image)
        world.run(30)
        assert world.phase == "Healthy"
    return world


def canary_of(world: World) -> ReplicaSet:
    canary = world.situation().canary
    assert canary is not None
    return canary


def step_of(world: World) -> tuple[State, int]:
    return world.situation().state, world.situation().step_number


# --- readings


@pytest.mark.parametrize("action", ["Rollback", "Continue"])
def test_an_operator_that_was_down_for_an_hour_takes_that_for_no_outage_of_the_metrics(
    action: NoDataAction,
) -> None:
    world = releasing(measured(no_data_after_seconds=60.0, no_data_action=action), 4)
    world.values["errors"] = SILENT
    world.run(6)
    assert canary_of(world).annotations[keys.RELEASE_DATA].count("unknownSince") == 1
    world.now += HOUR
    world.restart_operator()
    world.one_pass()
    world.settle()
    assert step_of(world) == (State.STEPPING, 1)
    world.run(57)
    assert step_of(world) == (State.STEPPING, 1), "it counts from when somebody asked again"
    world.run(60)
    if action == "Rollback":
        assert world.phase == "RolledBack"
    else:
        assert world.of("web:2").role is Role.STABLE


def test_a_reading_from_before_an_outage_of_the_source_does_not_pass_a_step() -> None:
    """Asked once and never answered again: two intervals and a query's time later it is old."""
    world = releasing(measured(duration=20.0), 1)
    assert world.latest_round is not None
    kept = world.latest_round
    for _ in range(80):
        world.now += timedelta(seconds=0.5)
        world.one_pass()
        world.latest_round = kept
    assert step_of(world) == (State.STEPPING, 1)
    world.run(6)
    assert step_of(world) == (State.STEPPING, 2)


def test_a_reading_of_an_earlier_release_with_the_same_id_is_not_used() -> None:
    world = adopted(policy=measured())
    world.values["errors"] = Known(9.0)
    world.set_image("web:2")
    while world.latest_round is None:
        world.one_pass()
    release, bad = canary_of(world).annotations[keys.RELEASE], world.latest_round
    world.set_image("web:1")
    world.settle()
    gone = world.by_image("web:2")
    if gone is not None:
        del world.replica_sets[gone.ref.name]
        world.records = {n: r for n, r in world.records.items() if r.stable_at}
    world.latest_round = bad
    world.values["errors"] = Known(0.0)
    world.now += timedelta(seconds=2)
    world.set_image("web:2")
    world.run(3)
    assert canary_of(world).annotations[keys.RELEASE] == release
    world.run(30)
    assert world.phase == "Healthy"


def test_after_8_hours_at_0_replicas_the_step_starts_anew() -> None:
    world = releasing(measured(duration=60.0), 20)
    started = canary_of(world).annotations[keys.STEP_STARTED]
    world.edit(replicas=0)
    world.run(2)
    assert world.phase == "Paused"
    world.now += 8 * HOUR
    world.settle()
    world.edit(replicas=4)
    world.settle()
    again = canary_of(world).annotations[keys.STEP_STARTED]
    assert again == stamp(world.now) != started
    world.run(55)
    assert step_of(world) == (State.STEPPING, 1)
    world.run(10)
    assert step_of(world) == (State.STEPPING, 2)


@pytest.mark.parametrize("value", [Known(9.0), SILENT])
def test_at_0_replicas_no_verdict_rejects(value: Known | Unknown) -> None:
    policy = measured(60.0, no_data_action="Rollback", no_data_after_seconds=20.0)
    world = releasing(policy, 6)
    world.edit(replicas=0)
    world.values["errors"] = value
    world.run(60)
    assert world.phase == "Paused"
    assert canary_of(world).role is Role.CANARY


@pytest.mark.parametrize(
    "back",
    [timedelta(seconds=40), HOUR],
)
def test_a_clock_that_is_set_back_in_mid_release_does_not_hide_errors(back: timedelta) -> None:
    world = releasing(measured(duration=600.0), 60)
    world.values["errors"] = Known(0.0)
    world.now -= back
    world.run(20)
    assert step_of(world) == (State.STEPPING, 1)
    world.values["errors"] = Known(9.0)
    world.run(10)
    assert world.phase == "RolledBack"


# --- pods that crash


def listed(world: World, pods: tuple[Pod, ...], seconds: float) -> None:
    """Plays on with the pods that each pass asked to see, as the adapter lists them."""
    for _ in range(int(2 * seconds)):
        world.pods = tuple(pod for pod in pods if pod.pod_hash in world.plan.pods_of)
        world.run(0.5)


LOOPING = Container("app", 3, "CrashLoopBackOff", "back-off", 1, "Error")


@pytest.mark.parametrize(
    ("container", "phase"), [(LOOPING, "Progressing"), (Container("app"), "RolledBack")]
)
def test_a_crash_loop_is_the_version_s_only_when_the_stable_side_runs(
    container: Container, phase: str
) -> None:
    world = adopted()
    world.failing_images.add("web:2")
    world.set_image("web:2")
    world.settle()
    stable = Pod("web-aaaa-1", "aaaa", "Running", containers=(container,))
    pods = (Pod("web-x-1", canary_of(world).pod_hash, containers=(LOOPING,)), stable)
    listed(world, pods, 15)
    assert world.phase == phase


# --- sides that are needed


def at_full_size() -> World:
    """The canary has N available pods and waits, because spec.paused is true."""
    world = releasing(measured())
    world.until(State.RAISING)
    assert world.rollout is not None
    assert world.rollout.policy is not None
    world.set_policy(replace(world.rollout.policy, paused=True))
    world.run(2)
    assert (world.of("web:2").replicas, world.phase) == (4, "Paused")
    return world


def withdraw(world: World) -> None:
    world.set_image("web:1")


def fail(world: World) -> None:
    world.values["errors"] = Known(9.0)


@pytest.mark.parametrize("end", [withdraw, fail])
def test_a_canary_at_full_size_stays_as_long_as_the_stable_side_has_no_pods(
    end: Callable[[World], None],
) -> None:
    world = at_full_size()
    world.fail("web:1")
    world.least_serving = 99
    end(world)
    world.run(20)
    assert world.of("web:2").role in (Role.RETIRED, Role.REJECTED)
    assert world.least_serving >= 3, "N - maxUnavailable"
    world.heal()
    world.run(2)
    assert world.of("web:2").replicas == 0
    assert world.of("web:1").status_available == 4


def test_pods_of_a_canary_that_are_needed_stay_until_the_gate_is_open() -> None:
    """The stable side has lost its pods, the canary serves: its pods go as the user's own
    maxUnavailable has it, by the Deployment's own controller.
    """
    world = World(policy=Policy("web", steps=(Step(50, 600.0),)))
    world.settle()
    world.set_image("web:2")
    world.run(2)
    world.at_most["web:1"] = 1
    world.run(1)
    serving = world.serving()
    world.least_serving = serving
    world.delete_rollout()
    world.run(700)
    assert world.rollout is None
    assert not world.d.paused
    assert world.least_serving >= world.d.replicas - world.d.max_unavailable
    assert {rs.owner_uid for rs in world.replica_sets.values()} == {world.d.ref.uid}
    assert not [rs for rs in world.replica_sets.values() if keys.ROLE in rs.annotations]


def test_a_growth_to_full_size_is_overdue_though_the_spec_is_paused() -> None:
    world = at_full_size()
    world.at_most["web:2"] = 2
    world.edit(replicas=8)
    world.run(595)
    assert world.phase != "RolledBack"
    world.run(10)
    assert world.of("web:2").role is Role.REJECTED
    assert "progressDeadline" in world.of("web:2").annotations[keys.REASON]


def one_pod_short() -> World:
    """web:2 is stable with 3 of 4 pods, beside one of web:1."""
    world = releasing(Policy("web", steps=(Step(10, 10.0),)))
    world.at_most["web:2"] = 3
    world.run(20)
    assert world.of("web:2").role is Role.STABLE
    assert world.of("web:1").replicas == 1
    return world


def test_a_new_stable_version_that_is_not_at_n_holds_the_next_one_up_until_the_deadline() -> None:
    world = one_pod_short()
    world.set_image("web:3")
    world.run(30)
    assert world.by_image("web:3") is None
    world.run(600)
    assert world.of("web:3").role in (Role.CANARY, Role.STABLE)
    world.run(60)
    assert world.of("web:3").role is Role.STABLE
    assert world.least_serving == 4


def opens(action: Action) -> bool:
    return isinstance(action, PatchDeployment) and action.paused is False


def test_a_new_stable_version_that_is_not_at_n_does_not_keep_a_deleted_rollout() -> None:
    world = one_pod_short()
    world.rule_of_one = True
    world.delete_rollout()
    world.run(5)
    assert [action for action in world.actions if opens(action)] == [], "awaited first"
    world.run(700)
    assert world.rollout is None
    assert len([action for action in world.actions if opens(action)]) == 1
    assert world.of("web:2").replicas == 4


# --- approvals


def test_an_approval_belongs_to_its_step_though_a_step_before_it_is_removed() -> None:
    steps = (Step(5), Step(10, 30.0, approval_required=True), Step(50, 5.0, approval_required=True))
    world = releasing(Policy("web", steps=steps), 2)
    assert step_of(world) == (State.STEPPING, 2)
    world.command("promote")
    world.run(2)
    assert "is approved" in world.last_result
    world.set_policy(Policy("web", steps=steps[1:]))
    world.run(40)
    assert step_of(world) == (State.STEPPING, 2), "the step of 10 % stays approved"
    assert world.phase == "Paused", "that of 50 % was not"
    assert "waits for approval" in world.message
    world.command("promote")
    world.run(5)
    assert world.phase == "Healthy"


# --- commands


def stuck_rollback(world: World) -> World:
    world.fail("web:2")
    world.command("rollback")
    world.run(3)
    assert world.situation().returning == world.of("web:2")
    return world


def test_a_second_command_does_not_make_the_first_one_lost() -> None:
    world = stuck_rollback(promoted("web:2", "web:3"))
    world.command("abort")
    world.run(5)
    assert world.rollout is not None
    first = accepted(world.rollout.annotations)
    assert first is not None
    assert (first.verb, first.done) == ("rollback", False)
    world.heal()
    world.run(5)
    assert world.of("web:2").role is Role.STABLE
    assert world.phase == "RolledBack"
    last = accepted(world.rollout.annotations)
    assert last is not None
    assert last.verb == "abort"


def test_when_the_goal_of_a_rollback_does_not_come_up_another_one_can_be_named() -> None:
    world = stuck_rollback(promoted("web:2", "web:3"))
    world.run(605)
    assert world.phase == "Stalled"
    world.command("rollback=1")
    world.run(5)
    assert world.of("web:1").role is Role.STABLE
    assert world.of("web:1").replicas == 4
    assert (world.of("web:2").replicas, world.of("web:3").replicas) == (0, 0)
    assert world.least_serving == 4


def test_when_the_goal_of_a_rollback_does_not_come_up_a_newer_template_is_released() -> None:
    world = stuck_rollback(promoted("web:2", "web:3"))
    world.set_image("web:4")
    world.run(300)
    assert world.by_image("web:4") is None, "the rollback goes first"
    world.run(305)
    assert world.of("web:4").role in (Role.CANARY, Role.STABLE)
    world.run(30)
    assert world.of("web:4").role is Role.STABLE
    assert world.least_serving == 4


# --- the rest


def test_a_version_that_returns_has_the_deployment_s_present_min_ready_seconds() -> None:
    world = promoted("web:2")
    world.edit(min_ready_seconds=30)
    world.set_image("web:1")
    world.run(29)
    assert world.of("web:1").role is Role.RETURNING
    world.run(3)
    assert world.of("web:1").role is Role.STABLE
    assert world.of("web:1").min_ready_seconds == 30


def test_the_sentences_of_the_swap_count_n_pods() -> None:
    world = releasing(Policy("web", steps=(Step(10, 2.0),)), 20)
    assert world.phase == "Healthy"
    swap = ("announce the swap", "take the old side from the Deployment")
    said = [decision.why for decision in world.decisions if decision.what in swap]
    assert said == ["4 of 4 pods available: the swap"] * 2
    given = [d.why for d in world.decisions if d.what == "give the new side to the Deployment"]
    assert given == ["4 of 4 pods available: it is the stable version now"]


# --- pods that come and go


def test_a_canary_whose_pods_come_and_go_is_overdue_in_the_end() -> None:
    """Each loss alone is short; the step's clock begins anew after it."""
    world = releasing(Policy("web", steps=(Step(10, 60.0),), progress_deadline_seconds=300.0))
    for _ in range(40):
        world.run(30)
        world.fail("web:2")
        world.run(20)
        world.heal()
        if world.phase == "RolledBack":
            break
    assert world.phase == "RolledBack"
    assert "progressDeadline" in world.message
    lost = int(world.of("web:2").annotations.get(keys.LOST_SECONDS, "0"))
    assert lost == 0, "cleared with all that only a rising side carries"


def test_growing_with_the_deployment_is_no_loss() -> None:
    world = releasing(Policy("web", steps=(Step(50, 900.0),), progress_deadline_seconds=60.0))
    world.run(5)
    for number in range(5, 15):
        world.at_most["web:2"] = number - 1
        world.edit(replicas=number)
        world.run(20)
        world.heal()
        world.run(5)
    assert world.phase == "Progressing"
    assert world.of("web:2").role is Role.CANARY
