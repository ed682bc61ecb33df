"""A whole life of a Rollout on three replicas, played with an operator that dies on the way.

Adopt, release, roll back by command, delete: in the end the Deployment is as plain as before, so
the next life can begin in the same namespace.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from e2e.invariants import (
    commands_accepted,
    fewest_serving,
    made,
    most_owned,
    stable_versions,
)
from e2e.local_operator import LocalOperator
from stage import manifests
from stage.manifests import step
from stage.story import ROLLOUT_LABEL, Story

REPLICAS = 3
STEPS = [step(25, "2s"), step(50, "2s")]
# Long: an operator that dies after each write starts some twenty times in one release.
PATIENCE_SECONDS = 300


class Life:
    """One life, with an operator whose processes end themselves right after a write.

    The first makes `first` writes, and each that is started after it makes `then`. `version` is
    the one released, unlike that of any life before.
    """

    def __init__(
        self, story: Story, operator: LocalOperator, version: str, *, first: int, then: int
    ) -> None:
        self.story = story
        self.operator = operator
        self.version = version
        self.first = first
        self.then = then
        self.deaths = 0

    def live(self) -> None:
        """From adoption to deletion, with all that must hold."""
        self.operator.start(exit_after_writes=self.first)
        story = self.story
        story.apply(manifests.rollout(story.namespace, steps=STEPS))
        self._until(lambda: self._settled("Healthy", "v1"), "adopted")

        adopted_at = time.time()
        stable_pods = story.uids("v1")
        released_at = story.set_env(VERSION=self.version)
        self._until(lambda: self._settled("Healthy", self.version), "promoted")
        assert {pod.uid for pod in made(story, "v1", released_at)} == set()
        assert len(made(story, self.version, released_at)) == REPLICAS

        returned_at = story.command("rollback")
        self._until(lambda: self._settled("RolledBack", "v1"), "rolled back")
        assert len(made(story, "v1", returned_at)) == REPLICAS
        assert len(made(story, self.version, released_at)) == REPLICAS
        assert not story.uids("v1") & stable_pods
        self._check_course(adopted_at)

        story.kubectl("delete", "slr/web", "--wait=false")
        self._until(lambda: story.rollout() == {}, "deleted")
        self.operator.kill()
        self._check_plain()

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for the condition; a dead operator is started again meanwhile."""

        def reached() -> bool:
            self._revive()
            return condition()

        self.story.eventually(
            reached, PATIENCE_SECONDS, f"{what} ({self.first=}, {self.then=}, {self.deaths=})"
        )

    def _revive(self) -> None:
        if self.operator.ended_itself:
            self.deaths += 1
            self.operator.start(exit_after_writes=self.then)

    def _settled(self, phase: str, version: str) -> bool:
        """The phase with this version stable, and no pod of another one left."""
        moment = self.story.now()
        if moment.phase != phase or self.story.stable_version() != version:
            return False
        return len(self.story.uids(version)) == REPLICAS == len(self.story.pods())

    def _check_course(self, since: float) -> None:
        """Served by three pods all the time; promoted once, rolled back once; the rule of one."""
        story = self.story
        now = time.time()
        assert fewest_serving(story, since, now) >= REPLICAS, story.tell()
        assert stable_versions(story, since) == ["v1", self.version, "v1"]
        assert most_owned(story, since) == 1
        assert len(commands_accepted(story, since)) == 1

    def _check_plain(self) -> None:
        """The Deployment is as before: unpaused, on v1, all ReplicaSets its own, no traces."""
        assert_plain(self.story, "v1")


def assert_plain(story: Story, version: str) -> None:
    """The Deployment is a plain one again, on this version, and nothing of Sluice's is left."""
    deployment = story.deployment()
    assert not deployment["spec"].get("paused", False), story.tell()
    assert deployment["spec"]["progressDeadlineSeconds"] == 600
    assert story.replicaset_of(version) is not None
    for item in [deployment, *story.replicasets()]:
        meta = item["metadata"]
        keys = [*meta.get("annotations", {}), *meta.get("labels", {})]
        assert [key for key in keys if key.startswith("sluice.dev/")] == [], story.tell()
    owned = {item["metadata"]["name"] for item in story.owned_by_deployment()}
    assert owned == {item["metadata"]["name"] for item in story.replicasets()}, story.tell()
    records = story.cluster.items("controllerrevisions", story.namespace, ROLLOUT_LABEL)
    assert records == []
