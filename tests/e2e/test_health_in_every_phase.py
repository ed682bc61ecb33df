"""What kstatus, kubectl and Argo CD say of a Rollout and its Deployment, in every phase.

The table that is asserted is judges.table, which docs/health.md shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from e2e import etcd
from e2e.judging import Bench
from e2e.local_operator import LocalOperator
from judges import argocd, kstatus, table, worlds
from stage import manifests
from stage.manifests import step
from stage.story import Story

REPLICAS = 4
# Phases in which pods start last as long as that.
SLOW_START = {"READY_DELAY_SECONDS": "5"}


@pytest.fixture
def new_bench(new_story: Callable[..., Story]) -> Iterator[Callable[..., Bench]]:
    """Makes stories with judges; their watches end before those of the story."""
    made: list[Bench] = []

    def new(name: str, **options: object) -> Bench:
        made.append(Bench(new_story(name, **options)))
        return made[-1]

    yield new
    for bench in made:
        bench.close()


def test_kstatus_of_what_the_operator_writes_in_each_row() -> None:
    """In the model each row stands still, on the cluster some are over before one can look."""
    items = [worlds.rollout_of(make()) for make in worlds.WORLDS.values()]

    said = dict(zip(worlds.WORLDS, kstatus.statuses(items), strict=True))

    assert said == {row: row.verdicts.kstatus for row in table.ROWS}


def test_health_from_adoption_to_promotion(
    new_bench: Callable[..., Bench], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a Deployment that is being scaled up
    bench = new_bench("solo-health", replicas=REPLICAS - 1, environment=SLOW_START)
    story = bench.story
    operator = new_operator(story)
    operator.start()
    story.eventually(lambda: operator.watching, 60, "the operator is up")
    story.scale(REPLICAS)

    # When a Rollout adopts it, then the judges agree with the table, as in all that follows
    steps = [step(25, "5s", approval="Required")]
    story.apply(manifests.rollout(story.namespace, steps=steps))
    bench.must_say(table.ADOPTING, reason="Adopting")
    bench.must_say(table.HEALTHY)

    # When all pods are lost at once
    story.kubectl("delete", "pods", "--selector=app=web", "--wait=false")
    bench.must_say(table.PODS_AWAY, reason="PodsUnavailable")
    bench.must_say(table.HEALTHY)

    # When v2 is released
    story.set_env(VERSION="v2")
    bench.must_say(table.PROGRESSING, reason="Unavailable")
    bench.must_say(table.STEPPING, reason="Running")
    bench.must_say(table.PAUSED, reason="Approval")
    story.command("promote")
    bench.must_say(table.PROMOTING)
    bench.must_say(table.HEALTHY)

    # Then nobody has ever said anything else, and v2 was not taken for done before it was
    phases = bench.check_every_stored_rollout()
    assert phases == {"Progressing", "Healthy", "Paused", "Promoting"}
    assert_not_done(bench, "v2")


def test_health_of_rollbacks(
    new_bench: Callable[..., Bench], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given v2, promoted
    bench = new_bench("solo-rollback", replicas=REPLICAS, environment=SLOW_START)
    story = bench.story
    new_operator(story).start()
    story.adopt(steps=[step(25, approval="Required")])
    typed_at = story.set_env(VERSION="v2")
    story.until("Paused", since=typed_at)
    story.command("promote")
    story.until_now("Healthy", "v2")

    # When it is rolled back by command
    story.command("rollback")
    bench.must_say(table.RETURNING)
    bench.must_say(table.ROLLED_BACK)

    # When v3 is released and aborted
    typed_at = story.set_env(VERSION="v3")
    story.until("Paused", since=typed_at)
    aborted_at = story.command("abort")
    story.until("RolledBack", since=aborted_at)
    bench.must_say(table.ROLLED_BACK)

    # Then v3 was never taken for done, not while its canary left either
    assert {"RollingBack", "RolledBack"} <= bench.check_every_stored_rollout()
    assert_not_done(bench, "v3")


def test_health_of_what_needs_somebody(
    new_bench: Callable[..., Bench], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a Rollout at rest
    bench = new_bench("solo-unhealthy", replicas=1)
    story = bench.story
    operator = new_operator(story)
    operator.start()
    story.adopt(steps=[step(50)])

    # When the Deployment gets a strategy that cannot be released
    set_strategy(story, "Recreate")
    bench.must_say(table.STALLED, reason="WrongStrategy")
    set_strategy(story, "RollingUpdate")
    bench.must_say(table.HEALTHY)

    # When the Rollout's spec is one that was allowed when it was stored
    key = etcd.rollout_key(story.namespace, "web")
    stored = etcd.read(key)
    stored["spec"]["canary"]["steps"][0]["weight"] = 100
    stored["metadata"]["generation"] += 1
    etcd.write(key, stored)
    bench.must_say(table.INVALID, reason="InvalidSpec")
    story.apply(manifests.rollout(story.namespace, steps=[step(50)]))
    bench.must_say(table.HEALTHY)

    # When there is nothing to release v2 on
    story.scale(0)
    story.set_env(VERSION="v2")
    bench.must_say(table.PAUSED_EMPTY, reason="Empty")

    # When the Deployment is gone
    story.kubectl("delete", "deployment/web")
    bench.must_say(table.MISSING, reason="DeploymentMissing")
    bench.check_every_stored_rollout()

    # When the Rollout is being deleted
    operator.kill()
    story.kubectl("delete", "slr/web", "--wait=false")
    assert kstatus.statuses([story.rollout()]) == ["Terminating"]
    assert argocd.health(story.rollout()).status == "Progressing"
    operator.start()
    story.kubectl("wait", "--for=delete", "slr/web", "--timeout=30s")


def set_strategy(story: Story, kind: str) -> None:
    change = f'{{"spec":{{"strategy":{{"type":"{kind}","rollingUpdate":null}}}}}}'
    story.kubectl("patch", "deployment/web", "--type=merge", "-p", change)


def test_a_deployment_is_not_done_before_its_release_is(
    new_bench: Callable[..., Bench], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a Rollout whose releases take no longer than pods do
    bench = new_bench("solo-early", replicas=2)
    story = bench.story
    new_operator(story).start()
    story.adopt(steps=[step(50)])

    for version in ("v2", "v3", "v4"):
        # When a version is released
        story.set_env(VERSION=version)
        story.until_now("Healthy", version)

        # Then until it was the Deployment's own nobody who waited for that saw it done
        assert_not_done(bench, version)
        # And the Rollout, whose own spec did not change, knew it a moment later
        seconds = bench.seconds_until_seen(version)
        print(f"{version}: the Rollout was Ready for another {seconds:.2f} s")
        assert seconds < 5
    bench.check_every_stored_rollout()


def assert_not_done(bench: Bench, version: str) -> None:
    """From the change of the template to the swap the Deployment was never called done."""
    states = bench.before_its_swap(version)
    assert states, version
    assert set(kstatus.statuses(states)) == {"InProgress"}
    assert {argocd.health(state).status for state in states} == {"Progressing"}


def test_a_deadline_of_somebody_else_keeps_the_deployment_in_progress(
    new_bench: Callable[..., Bench], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a Deployment whose manifest has a deadline
    bench = new_bench("solo-deadline", replicas=1)
    story = bench.story
    deployment = manifests.app(story.namespace, replicas=1, environment={"DRAIN_SECONDS": "1"})[-1]
    deployment["spec"]["progressDeadlineSeconds"] = 300
    story.apply(deployment)

    # When it is adopted
    new_operator(story).start()
    story.adopt(steps=[step(50)])

    # Then it keeps the deadline, kstatus alone waits for it, and the Rollout says so
    verdicts = replace(table.HEALTHY.verdicts, deployment_kstatus="InProgress")
    bench.must_say(replace(table.HEALTHY, verdicts=verdicts))
    assert story.deployment()["spec"]["progressDeadlineSeconds"] == 300
    (ready,) = (c for c in story.now().status["conditions"] if c["type"] == "Ready")
    assert "kstatus shows Deployment web as InProgress" in ready["message"]


def test_a_new_rollout_is_not_done_before_anybody_has_seen_it(
    new_bench: Callable[..., Bench],
) -> None:
    # Given no operator
    bench = new_bench("solo-unseen", replicas=1)

    # When a Rollout is made
    bench.story.apply(manifests.rollout(bench.story.namespace, steps=[step(50)]))

    # Then nobody takes it for done
    assert kstatus.statuses([bench.story.rollout()]) == ["InProgress"]
