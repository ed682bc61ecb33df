"""The user's `kubectl apply`, client-side and server-side, beside a Rollout: no conflict, ever.

The exceptions are manifests that speak of the two fields that adoption sets: each is shown here as
it is.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest
import yaml

from e2e.deployment_watch import SLUICE, DeploymentWatch, fields_of
from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.local_operator import LocalOperator
from stage import manifests
from stage.cluster import Json, KubectlFailed, kubectl
from stage.manifests import step
from stage.story import Story, version_of

REPLICAS = 2
ENDLESS_SECONDS = 2147483647
WAYS: Final = {"client": ("apply",), "server": ("apply", "--server-side")}

# All that Sluice ever sets on a Deployment that it has adopted.
OUR_FIELDS: Final = {
    "metadata/annotations/sluice.dev/former-progress-deadline-seconds",
    "metadata/labels/sluice.dev/rollout",
    "spec/paused",
    "spec/progressDeadlineSeconds",
}
# What it leaves to a user who has set progressDeadlineSeconds before.
THEIR_DEADLINE: Final = {"spec/progressDeadlineSeconds"} | {
    field for field in OUR_FIELDS if "former" in field
}
SAYS_IN_PROGRESS: Final = "its progressDeadlineSeconds is set by somebody else"
# What the API server adds to an object, and nobody keeps in a manifest.
SERVER_SET: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
# Annotations that kubectl and the Deployment controller write: the latter would conflict, with
# and without a Rollout.
CONTROLLERS_OWN: Final = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
)

pytestmark = pytest.mark.parametrize("way", WAYS)


class User:
    """Who deploys `web` with `kubectl apply`, always in the same way, and with no other flag.

    `said` is what the manifest says beside the version; None takes a field out.
    """

    def __init__(self, story: Story, way: str, said: Json) -> None:
        self.story = story
        self.watch = DeploymentWatch(story)
        self._way = WAYS[way]
        self._said = said

    def apply(self, version: str, **more: object) -> None:
        """Apply the Deployment; raises `KubectlFailed` with what kubectl said, as of a conflict."""
        environment = {"VERSION": version, "DRAIN_SECONDS": "1"}
        found = manifests.app(self.story.namespace, environment=environment)[-1]
        spec = {**found["spec"], **self._said, **more}
        found["spec"] = {name: value for name, value in spec.items() if value is not None}
        self.apply_this(found)

    def apply_this(self, manifest: Json) -> None:
        """Apply a manifest as it is."""
        kubectl(*self._way, "--filename", "-", stdin=yaml.safe_dump(manifest))

    def fields(self) -> set[str]:
        """What belongs to Sluice in the Deployment now."""
        return fields_of(self.story.deployment(), SLUICE)


@pytest.fixture
def new_user(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> Iterator[Callable[..., User]]:
    """Makes users with an operator, and a Deployment of v1 that they have applied themselves."""
    made_users: list[User] = []

    def new(name: str, way: str, *, replicas: int | None = 1, **said: object) -> User:
        story = new_story(f"solo-{name}-{way}", replicas=1)
        # The harness has applied it client-side: that one goes, with all that it says of owners.
        story.kubectl("delete", "deployment/web")
        story.until_gone("v1")
        new_operator(story).start()
        user = User(story, way, {"replicas": replicas, **said})
        made_users.append(user)
        user.apply("v1")
        if replicas is None:
            story.scale(REPLICAS)
        story.until_serving("v1", replicas or REPLICAS)
        return user

    yield new
    for user in made_users:
        user.watch.stop()


@pytest.mark.parametrize("replicas", [REPLICAS, None], ids=["replicas", "no-replicas"])
def test_no_apply_conflicts_before_in_and_after_a_release_and_a_rollback(
    new_user: Callable[..., User], way: str, replicas: int | None
) -> None:
    # Given a Deployment that a user has applied, adopted
    user = new_user("apply", way, replicas=replicas)
    story = user.story
    story.adopt(steps=[step(25, approval="Required"), step(50)])
    adopted_at = time.time()
    stable_pods = story.uids("v1")

    # When it is applied again, then nothing moves
    user.apply("v1")
    story.until_reconciled()
    assert story.uids("v1") == stable_pods

    # When v2 is applied, and once more in mid-release, then it has one canary
    user.apply("v2")
    story.until_serving("v2", 1)
    user.apply("v2")
    story.until_reconciled()
    assert len(made(story, "v2")) == 1

    # When replicas are changed in mid-release, in the manifest or beside it, then they stay
    more = {"replicas": REPLICAS + 1} if replicas else {}
    if not replicas:
        story.scale(REPLICAS + 1)
    user.apply("v2", **more)
    story.until_serving("v1", REPLICAS + 1)

    # When v3 is applied instead, then it is the canary, and is promoted
    user.apply("v3", **more)
    story.until_serving("v3", 1)
    story.until_gone("v2")
    assert stable_pods < story.uids("v1")
    story.eventually(lambda: story.now().phase == "Paused", 60, "the approval is awaited")
    story.command("promote")
    story.until_now("Healthy", "v3")
    story.until_gone("v1")

    # When it is applied after the release, and after a rollback, then v1 stays as it is
    user.apply("v3", **more)
    story.until_reconciled()
    story.command("rollback")
    story.until_now("RolledBack", "v1")
    story.until_gone("v3")
    user.apply("v3", **more)
    story.until_reconciled()
    assert story.now().phase == "RolledBack"

    # When v4 is applied after the rollback, then it has a canary; and with v1 all is at rest
    user.apply("v4", **more)
    story.until_serving("v4", 1)
    user.apply("v1", **more)
    story.until_now("Healthy", "v1")

    # And at least two served all the time, and the gate never opened
    assert fewest_serving(story, adopted_at, time.time()) >= REPLICAS
    assert stable_versions(story, adopted_at) == ["v1", "v3", "v1"]
    assert most_owned(story) == 1
    assert user.watch.course("paused", adopted_at) == [True]
    assert user.watch.course("progressDeadlineSeconds", adopted_at) == [ENDLESS_SECONDS]
    assert user.watch.course("replicas", adopted_at) == [REPLICAS, REPLICAS + 1]

    # And nothing but these fields was ever Sluice's: nothing of the template
    for state in user.watch.states(adopted_at):
        assert fields_of(state, SLUICE) == OUR_FIELDS


def test_no_apply_conflicts_after_the_rollout_is_deleted(
    new_user: Callable[..., User], way: str
) -> None:
    # Given a Deployment with a rejected template in it
    user = new_user("gone", way)
    story = user.story
    story.adopt(steps=[step(50, "10m")])
    user.apply("v2")
    story.until_serving("v2", 1)
    aborted_at = story.command("abort")
    story.until("RolledBack", since=aborted_at)

    # When the Rollout is deleted, which puts the template of the stable version back
    story.kubectl("delete", "slr/web", "--timeout=60s")
    assert version_of(story.deployment()) == "v1"

    # Then no field is Sluice's any more, and the next version is applied without a conflict
    assert fields_of(story.deployment(), SLUICE) == set()
    user.apply("v4")
    story.until_serving("v4", 1)
    story.until_gone("v1")


def test_manifests_that_conflict_with_adoption_are_named(
    new_user: Callable[..., User], way: str
) -> None:
    # Given an adopted Deployment whose manifest says nothing of the fields that adoption sets
    user = new_user("named", way)
    story = user.story
    story.adopt(steps=[step(50)])
    adopted_at, stable_pods = time.time(), story.uids("v1")

    if way == "server":
        # When one of them is added, then kubectl names Sluice and the field
        for field, value in (("paused", False), ("progressDeadlineSeconds", 300)):
            with pytest.raises(KubectlFailed) as refused:
                user.apply("v1", **{field: value})
            assert f'conflict with "sluice" using apps/v1: .spec.{field}' in str(refused.value)

        # When `paused` is added as it is, and left out again, then that is no conflict
        user.apply("v1", paused=True)
        user.apply("v1")

        # Then all that changed nothing
        story.until_reconciled()
        assert user.watch.course("paused", adopted_at) == [True]
        assert user.watch.course("progressDeadlineSeconds", adopted_at) == [ENDLESS_SECONDS]
        assert condition(story, "Conflict") == {}
    else:
        see_client_side_exceptions(user, adopted_at)
    assert SAYS_IN_PROGRESS not in ready_message(story)
    assert user.fields() == OUR_FIELDS
    assert story.uids("v1") == stable_pods


def see_client_side_exceptions(user: User, adopted_at: float) -> None:
    """Client-side apply never conflicts: what it overwrites is put back, or left to the user."""
    story = user.story

    # When `paused: false` is added, then that unpauses; Sluice pauses again and says what to do
    user.apply("v1", paused=False)
    conflict = story.eventually(lambda: condition(story, "Conflict"), 30, "a Conflict")
    assert (conflict["status"], conflict["reason"]) == ("True", "Ungated")
    assert "leave spec.paused to Sluice: take it out of the manifest" in conflict["message"]
    assert user.watch.course("paused", adopted_at) == [True, None, True]

    # When it is `paused: true`, and then left out again, then leaving it out unpauses, too
    user.apply("v1", paused=True)
    user.apply("v1")
    again = [True, None, True, None, True]
    story.eventually(lambda: user.watch.course("paused", adopted_at) == again, 30, "paused again")

    # When progressDeadlineSeconds is added, then it is the user's, and Ready tells what follows
    user.apply("v1", progressDeadlineSeconds=300)
    story.eventually(lambda: SAYS_IN_PROGRESS in ready_message(story), 30, "Ready tells it")
    assert user.fields() == OUR_FIELDS - {"spec/progressDeadlineSeconds"}

    # When it is taken out again, then it is ours as before
    user.apply("v1")
    deadlines = [ENDLESS_SECONDS, 300, 600, ENDLESS_SECONDS]
    story.eventually(
        lambda: user.watch.course("progressDeadlineSeconds", adopted_at) == deadlines,
        30,
        "the deadline is endless again",
    )
    story.until_reconciled()


def test_a_deadline_that_was_there_first_is_left_alone(
    new_user: Callable[..., User], way: str
) -> None:
    # Given a manifest that has always had one, the API server's default at that
    user = new_user("deadline-first", way, progressDeadlineSeconds=600)
    story = user.story

    # When the Deployment is adopted, then the deadline stays, and Ready says what that means
    story.adopt(steps=[step(50)])
    assert user.fields() == OUR_FIELDS - THEIR_DEADLINE
    assert SAYS_IN_PROGRESS in ready_message(story)
    assert condition(story, "Ready")["status"] == "True"

    # When a release goes through, and the deadline is changed, then nothing conflicts
    user.apply("v2")
    story.until_now("Healthy", "v2")
    user.apply("v2", progressDeadlineSeconds=700)
    story.until_reconciled()
    assert user.watch.course("progressDeadlineSeconds") == [600, 700]
    assert user.fields() == OUR_FIELDS - THEIR_DEADLINE

    # And when the Rollout is deleted, it is still there
    story.kubectl("delete", "slr/web", "--timeout=30s")
    assert user.watch.course("progressDeadlineSeconds") == [600, 700]
    assert "paused" not in story.deployment()["spec"]


def test_exported_manifests(new_user: Callable[..., User], way: str) -> None:
    # Given a manifest exported before adoption, with the API server's default deadline in it, and
    # one exported after it
    user = new_user("exported", way)
    story = user.story
    before = export(story)
    assert before["spec"]["progressDeadlineSeconds"] == 600
    story.adopt(steps=[step(50)])
    adopted_at, stable_pods = time.time(), story.uids("v1")
    after = export(story)
    assert after["spec"]["paused"]

    # When the earlier one is applied, then it is a manifest that adds the deadline
    if way == "server":
        with pytest.raises(KubectlFailed) as refused:
            user.apply_this(before)
        assert "conflict with " in str(refused.value)
        assert '"sluice" using apps/v1: .spec.progressDeadlineSeconds' in str(refused.value)
    else:
        user.apply_this(before)
        story.eventually(lambda: SAYS_IN_PROGRESS in ready_message(story), 30, "Ready tells it")

    # When it is applied without, then there is no conflict
    del before["spec"]["progressDeadlineSeconds"]
    user.apply_this(before)
    story.until_reconciled()
    assert SAYS_IN_PROGRESS not in ready_message(story)
    assert user.fields() == OUR_FIELDS

    # When the later one is applied, then nothing moves
    user.apply_this(after)
    story.until_reconciled()
    assert story.uids("v1") == stable_pods

    # When it brings another version, then that is released and rolled back, without a conflict
    user.apply_this(with_version(after, "v2"))
    story.until_now("Healthy", "v2")
    story.command("rollback")
    story.until_now("RolledBack", "v1")
    user.apply_this(with_version(after, "v2"))
    story.until_reconciled()
    assert story.now().phase == "RolledBack"
    user.apply_this(after)
    story.until_now("Healthy", "v1")
    assert stable_versions(story, adopted_at) == ["v1", "v2", "v1"]
    assert user.watch.course("paused", adopted_at) == [True]
    assert user.fields() == OUR_FIELDS


def condition(story: Story, name: str) -> Json:
    """A condition of the Rollout; empty while there is none."""
    found = story.now().status.get("conditions", [])
    return next((item for item in found if item["type"] == name), {})


def ready_message(story: Story) -> str:
    return str(condition(story, "Ready").get("message", ""))


def export(story: Story) -> Json:
    """`kubectl get deployment/web -o yaml`, without what only the API server may set."""
    found: Json = yaml.safe_load(story.kubectl("get", "deployment/web", "--output", "yaml"))
    del found["status"]
    for name in SERVER_SET:
        found["metadata"].pop(name, None)
    for name in CONTROLLERS_OWN:
        found["metadata"].get("annotations", {}).pop(name, None)
    return found


def with_version(manifest: Json, version: str) -> Json:
    """The same manifest with another VERSION."""
    changed = copy.deepcopy(manifest)
    for entry in changed["spec"]["template"]["spec"]["containers"][0]["env"]:
        if entry["name"] == "VERSION":
            entry["value"] = version
    return changed
