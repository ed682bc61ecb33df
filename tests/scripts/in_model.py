"""The driver that plays a script in the in-memory model of the controllers, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn

from world import World, template

from scripts.script import Given, Script
from scripts.state import (
    Seen,
    SeenDeployment,
    SeenReplicaSet,
    State,
    named,
    result_of,
    state_of,
)
from scripts.steps import At, Deploy, Edit, EditRollout, Rest, Until
from sluice.core import keys
from sluice.core.objects import ReplicaSet, Role
from sluice.core.policy import Policy, Step
from sluice.model import people
from sluice.model.cluster import Strategy
from sluice.model.pods import Image

# The longest that anything is awaited, in virtual time.
PATIENCE_SECONDS: Final = 900
# Nothing has been written for so long: nothing moves any more.
QUIET_SECONDS: Final = 3
VERSIONS: Final = ("v1", "v2", "v3")


class NotInModel(Exception):
    """The model cannot play this step; the script's `model_lacks` says what it would need."""


class InModel:
    """One script in the model. `rests` are the states at its rests, in their order."""

    def __init__(self, given: Given) -> None:
        self._replicas = given.replicas
        self._steps = given.steps
        self._paused = False
        self._deadline_seconds = given.progress_deadline_seconds
        self.rests: list[State] = []
        self._world = World(
            policy=self._policy(),
            replicas=given.replicas,
            strategy=Strategy(),
            rolls=True,
            collects=True,
            # Who unpauses it lets it own several, until they are put in their place.
            rule_of_one=False,
        )
        self._world.edit(
            replicas=given.replicas,
            max_unavailable=self._world.strategy.unavailable(given.replicas),
            revision_history_limit=given.revision_history_limit,
        )
        # Slow enough that the operator sees a roll before it is over.
        for version in VERSIONS:
            self._world.kubelet.images[_image(version)] = Image(start_seconds=1.0)
        self._waiting = self._world.rollout
        self._world.rollout = None
        self._until(lambda: self._world.d.available_replicas == given.replicas, "v1 serves")
        if given.adopted:
            self.create_rollout()
            self._until(lambda: self._status().get("phase") == "Healthy", "adopted")
        self._world.least_serving = self._world.serving()

    @property
    def fewest_ready(self) -> int:
        """The fewest pods that were ready at any instant since adoption."""
        return self._world.least_serving

    # --- what a user does

    def deploy(self, change: Deploy) -> None:
        body = _template(change.version, change.limits)
        body["metadata"]["labels"] = self._world.d.template["metadata"]["labels"]
        edits = _given(paused=change.paused, min_ready_seconds=change.min_ready_seconds)
        self._world.edit(template=body, **edits, **self._resized(change.replicas))

    def edit_deployment(self, change: Edit) -> None:
        edits = _given(paused=change.paused, strategy=change.strategy)
        if change.annotations:
            edits["annotations"] = {**self._world.d.annotations, **change.annotations}
        self._world.edit(**edits, **self._resized(change.replicas))

    def edit_rollout(self, change: EditRollout) -> None:
        self._steps = self._steps if change.steps is None else change.steps
        self._paused = self._paused if change.paused is None else change.paused
        if change.progress_deadline_seconds is not None:
            self._deadline_seconds = change.progress_deadline_seconds
        self._world.set_policy(self._policy())

    def command(self, text: str) -> None:
        release = self._status().get("release") or {}
        self._world.command(text.format(release=release.get("id", "")))

    def break_version(self, version: str) -> None:
        self._world.fail(_image(version))

    def heal(self) -> None:
        self._world.heal()

    def unlabel_deployment(self) -> None:
        self._world.edit(labels=_without_ours(self._world.d.labels))

    def unlabel_replica_set(self, version: str) -> None:
        rs = self._of(version)
        self._world.change(rs, labels=_without_ours(rs.labels))

    def delete_replica_set(self, version: str) -> None:
        del self._world.replica_sets[self._of(version).ref.name]
        self._world.controllers()

    def delete_deployment(self) -> None:
        people.delete_deployment(self._world)
        self._world.controllers()

    def create_deployment(self, version: str, labels: Mapping[str, str]) -> None:
        body = _template(version, {})
        body["metadata"]["labels"].update(labels)
        people.create_deployment(self._world, "web", body, self._replicas)
        self._world.controllers()

    def edit_selector(self) -> None:
        self._lacks("an API server that validates")

    def create_rollout(self) -> None:
        self._world.rollout = self._waiting

    def create_rival(self) -> None:
        self._lacks("a second Rollout")

    def delete_rollout(self) -> None:
        self._world.delete_rollout()

    # --- what is awaited

    def until(self, wanted: Until) -> None:
        self._until(lambda: self._is_at(wanted), f"{wanted}")

    def until_rival_says(self, condition: str) -> None:
        self._lacks("a second Rollout")

    def until_answered(self, result: str) -> None:
        self._until(lambda: result_of(self._status()) == result, f"answered: {result}")

    def until_shut(self) -> None:
        self._until(lambda: self._world.d.paused, "the gate is shut")

    def until_pods(self, count: int) -> None:
        self._until(lambda: self._world.serving() == count, f"{count} pods")

    def until_rollout_gone(self) -> None:
        self._until(lambda: self._world.rollout is None, "the Rollout is gone")

    def rest(self, wanted: Rest) -> None:
        """Until it is so and nothing has been written for a while."""

        def rests() -> bool:
            if not self._fits(wanted):
                return False
            written = len(self._world.actions)
            self._world.run(QUIET_SECONDS)
            return len(self._world.actions) == written and self._fits(wanted)

        self._until(rests, f"{wanted}")
        self.rests.append(self.state())

    # --- what there is

    def state(self) -> State:
        """The normalised state now."""
        world = self._world
        records = world.records.values()
        return state_of(
            Seen(
                status=self._status(),
                deployment=self._seen_deployment(),
                replica_sets=tuple(_seen(rs) for rs in world.replica_sets.values()),
                anchor_uid=world.anchor.ref.uid if world.anchor else None,
                rejected=frozenset(_version(r.template) for r in records if r.rejected_at),
                rejections_told=sum(d.event == "RolledBack" for d in world.decisions),
            )
        )

    def _seen_deployment(self) -> SeenDeployment | None:
        found = self._world.deployment
        if found is None:
            return None
        version, labelled = _version(found.template), keys.ROLLOUT_LABEL in found.labels
        return SeenDeployment(found.ref.uid, found.replicas, found.paused, version, labelled)

    def _status(self) -> dict[str, Any]:
        """The status in wire form, as far as it is needed; empty without a Rollout."""
        status = self._world.plan.status
        if self._world.rollout is None or status is None:
            return {}
        conditions = [
            {"type": c.type, "status": "True" if c.status else "False"} for c in status.conditions
        ]
        return {
            "phase": str(status.phase),
            "conditions": conditions,
            "release": status.release,
            "lastCommand": status.last_command,
        }

    def _is_at(self, wanted: Until) -> bool:
        status = self._status()
        release = status.get("release") or {}
        hashes = {rs.pod_hash: _version(rs.template) for rs in self._world.replica_sets.values()}
        return (
            status.get("phase") == wanted.phase
            and wanted.step in (None, release.get("step"))
            and wanted.version in (None, hashes.get(release.get("hash", "")))
        )

    def _fits(self, wanted: Rest) -> bool:
        state = self.state()
        return (state.phase, state.stable) == (wanted.phase, wanted.stable)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        if self._world.rollout is not None:
            self._world.settle()
        for _ in range(2 * PATIENCE_SECONDS):
            if condition():
                return
            if self._world.rollout is None:
                self._world.now += timedelta(seconds=0.5)
                self._world.controllers()
            self._world.run(0.5)
        raise AssertionError(f"never: {what}\n{self.state()}\n{self._world.decisions[-5:]}")

    def _of(self, version: str) -> ReplicaSet:
        found = self._world.replica_sets.values()
        return next(rs for rs in found if _version(rs.template) == version)

    def _policy(self) -> Policy:
        return Policy(
            "web",
            paused=self._paused,
            steps=tuple(_step(at) for at in self._steps),
            progress_deadline_seconds=self._deadline_seconds,
        )

    def _resized(self, replicas: int | None) -> dict[str, int]:
        if replicas is None:
            return {}
        missing = self._world.strategy.unavailable(replicas)
        return {"replicas": replicas, "max_unavailable": missing}

    def _lacks(self, what: str) -> NoReturn:
        raise NotInModel(what)


def play(script: Script) -> InModel:
    """Plays a script to its end."""
    stage = InModel(script.given)
    for step in script:
        step.play(stage)
    return stage


def _step(at: At) -> Step:
    return Step(at.weight, float(at.seconds), at.approval)


def _image(version: str) -> str:
    return version.replace("v", "web:")


def _template(version: str, limits: Mapping[str, str]) -> dict[str, Any]:
    body = template(_image(version))
    if limits:
        body["spec"]["containers"][0]["resources"] = {"limits": dict(limits)}
    return body


def _version(body: Mapping[str, Any]) -> str:
    image = str(body["spec"]["containers"][0]["image"])
    return named(image.replace("web:", "v"), body)


def _given(**wanted: Any) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _without_ours(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key != keys.ROLLOUT_LABEL}


def _seen(rs: ReplicaSet) -> SeenReplicaSet:
    return SeenReplicaSet(
        version=_version(rs.template),
        role=str(rs.role or ""),
        owner_uid=rs.owner_uid,
        replicas=rs.replicas,
        available=rs.status_available,
        min_ready_seconds=rs.min_ready_seconds,
        rejected=rs.role is Role.REJECTED or keys.REJECTED_AT in rs.annotations,
        labelled=keys.ROLLOUT_LABEL in rs.labels,
    )
