"""The sentences that people read: object, value, limit, and what happens next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from world import World

from sluice.core import keys
from sluice.core.objects import Container, Pod
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.situation import Situation
from sluice.core.story import revision_of, unknown_metrics, where, why
from sluice.core.table import Event

ERRORS = Metric("errors", "q", maximum=0.5)


def situation(world: World) -> Situation:
    assert world.rollout is not None
    assert world.rollout.policy is not None
    assert world.anchor is not None
    return Situation(world.observed(), world.d, world.rollout.policy, world.anchor.ref.uid)


def releasing(policy: Policy | None = None, **values: Any) -> World:
    world = World(policy=policy) if policy else World()
    world.values = values
    world.settle()
    world.set_image("web:2")
    world.settle()
    return world


def measured(**analysis: Any) -> Policy:
    metrics = analysis.pop("metrics", (ERRORS,))
    return Policy(
        "web",
        steps=(Step(10, 10.0), Step(50, 10.0)),
        analysis=Analysis(metrics=metrics, **analysis),
    )


def test_a_healthy_rollout_names_its_revision_and_its_pods() -> None:
    world = World()
    world.settle()
    assert world.message == "revision 1: 4 of 4 pods available"


def test_a_running_step_says_where_it_is_and_until_when() -> None:
    assert releasing().message == "step 1 of 2 (10%) until 12:00:10 UTC"


def test_a_step_that_grows_says_how_far_it_is_and_when_it_is_rolled_back() -> None:
    world = World()
    world.settle()
    world.failing_images.add("web:2")
    world.set_image("web:2")
    world.settle()
    assert world.message == (
        "step 1 of 2 (10%): 0 of 1 pods available; rolled back at 12:10:00 UTC otherwise"
    )


def test_pods_that_do_not_come_up_say_why() -> None:
    world = World()
    world.settle()
    world.failing_images.add("web:2")
    world.set_image("web:2")
    world.settle()
    pod_hash = world.by_image("web:2").pod_hash  # type: ignore[union-attr]
    pulling = Container("app", 0, "ErrImagePull", "i/o timeout")
    world.pods = (Pod("web-x", pod_hash, containers=(pulling,)),)
    world.settle()
    assert 'container "app" of pod web-x cannot pull its image' in world.message


def test_a_step_that_waits_for_approval_says_how_to_give_it() -> None:
    world = releasing(Policy("web", steps=(Step(10, approval_required=True),)))
    assert world.message == (
        "step 1 of 1 (10%) waits for approval: kubectl annotate slr/web sluice.dev/command=promote"
    )


def test_an_unknown_metric_says_which_why_and_what_follows() -> None:
    world = releasing(measured(no_data_after_seconds=60.0), errors=Unknown(Reason.TIMEOUT))
    world.run(11)
    assert world.message == (
        'step 1 of 2 (10%) holds: metric "errors" is unknown (Timeout); Pause at 12:01:00 UTC'
    )
    world.run(60)
    assert world.message == (
        'metric "errors" is unknown (Timeout), for more than 1m (noData.after); '
        "goes on when they are known again"
    )


def test_a_failure_that_waits_for_a_person_says_so() -> None:
    world = releasing(measured(on_failure="Pause"), errors=Known(0.9))
    assert world.message == (
        'metric "errors" is 0.9, above its maximum 0.5 at step 1 of 2 (10%); '
        "waits for promote or abort (onFailure: Pause)"
    )


def test_a_rolled_back_rollout_says_what_serves_and_why() -> None:
    world = releasing(measured(), errors=Known(0.9))
    assert world.message == (
        "revision 1 serves; the Deployment's template is rejected: "
        'metric "errors" is 0.9, above its maximum 0.5 at step 1 of 2 (10%)'
    )


def test_a_rejection_is_told_from_its_record_when_its_replica_set_is_gone() -> None:
    world = releasing(measured(), errors=Known(0.9))
    before = world.message
    bad = world.by_image("web:2")
    assert bad is not None
    del world.replica_sets[bad.ref.name]
    world.settle()
    assert world.message == before


def test_an_initial_delay_is_told() -> None:
    world = releasing(measured(initial_delay_seconds=30.0))
    world.run(11)
    assert world.message == "step 1 of 2 (10%): initialDelay until 12:00:30 UTC"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"paused": True}, "a new template waits: spec.paused is true"),
        ({}, "a new template waits until the Deployment is scaled up from 0"),
    ],
)
def test_a_template_that_waits_says_for_what(change: dict[str, Any], said: str) -> None:
    world = World(policy=Policy("web", **change), replicas=4 if change else 0)
    world.settle()
    world.set_image("web:2")
    world.settle()
    assert world.phase == "Paused"
    assert world.message == said


def test_a_step_that_may_not_end_because_of_a_pause_says_so() -> None:
    world = releasing()
    assert world.rollout is not None
    assert world.rollout.policy is not None
    world.rollout = replace(world.rollout, policy=replace(world.rollout.policy, paused=True))
    world.settle()
    assert world.message == "step 1 of 2 (10%): spec.paused is true, no next step"


def test_a_revert_says_that_it_takes_no_steps() -> None:
    world = releasing()
    world.run(30)
    world.set_image("web:1")
    assert why(situation(world), Event.KNOWN_TEMPLATE) == (
        "the template was stable before (revision 1): no steps, no analysis"
    )


def test_a_withdrawn_and_a_replaced_release_are_told_apart() -> None:
    world = releasing()
    world.set_image("web:3")
    assert why(situation(world), Event.REPLACED) == "the Deployment has a newer template"
    world.set_image("web:1")
    assert why(situation(world), Event.WITHDRAWN) == (
        "the Deployment's template is that of revision 1 again"
    )


def test_an_overdue_growth_names_the_limit() -> None:
    world = releasing()
    assert why(situation(world), Event.OVERDUE) == (
        "1 of 1 pods available after 10m (progressDeadline)"
    )


def test_a_step_is_named_with_its_number_and_weight() -> None:
    world = releasing()
    assert where(situation(world)) == "step 1 of 2 (10%)"
    world.run(10)
    assert where(situation(world)) == "step 2 of 2 (50%)"


def test_steps_that_were_edited_in_mid_release_are_found_by_weight() -> None:
    world = releasing()
    assert world.rollout is not None
    assert world.rollout.policy is not None
    policy = world.rollout.policy
    for weights, number in (((5, 10, 50), 2), ((20, 50), 1), ((2, 5), 2)):
        steps = tuple(Step(weight, 10.0) for weight in weights)
        world.rollout = replace(world.rollout, policy=replace(policy, steps=steps))
        assert situation(world).step_number == number


def test_the_metrics_that_do_not_pass_are_told_one_after_the_other() -> None:
    metrics = (ERRORS, Metric("queue", "q", maximum=10), Metric("fine", "q", maximum=10))
    world = releasing(
        measured(metrics=metrics, on_failure="Pause"),
        errors=Unknown(Reason.EMPTY),
        queue=Known(11.0),
        fine=Known(1.0),
    )
    assert unknown_metrics(situation(world)) == (
        'metric "errors" is unknown (Empty); metric "queue" is 11, above its maximum 10'
    )


def test_a_missing_stable_version_is_told_in_words() -> None:
    world = releasing()
    assert revision_of(situation(world)) == "revision 1"
    del world.replica_sets["web-aaaa"]
    assert revision_of(situation(world)) == "the stable version"


@pytest.mark.parametrize("event", Event)
def test_no_sentence_ends_with_a_full_stop_or_shows_what_no_person_wrote(event: Event) -> None:
    """Sentences are joined with others; and `None` or a dataclass is nobody's word."""
    said = why(situation(releasing()), event)
    assert said == said.strip()
    assert not said.endswith((".", ";"))
    assert "None" not in said
    assert "<" not in said
    assert keys.PREFIX not in said.replace(f"annotate slr/web {keys.COMMAND}", "")
