"""A small model of the cluster around one Rollout: enough of the controllers to play releases.

It applies plans as the API server would (uid and resourceVersion must fit), and lets the Deployment
and ReplicaSet controllers act as they were seen to on a real cluster: a paused Deployment that owns
one ReplicaSet keeps it at its replicas, and does nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import Anchor, Deployment, Observed, Pod, Record, Ref, ReplicaSet, Rollout
from sluice.core.plan import (
    Action,
    Ask,
    Changes,
    Condition,
    CreateRecord,
    CreateReplicaSet,
    Decision,
    DeleteRecord,
    DeleteReplicaSet,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
    PatchRollout,
    Plan,
)
from sluice.core.policy import Policy, Step
from sluice.core.readings import Known, Round, Unknown
from sluice.core.situation import Situation, State
from sluice.core.templates import template_hash

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def template(image: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }


def hashed(body: Any, pod_hash: str) -> dict[str, Any]:
    """The template as a ReplicaSet has it."""
    labels = {**body["metadata"]["labels"], keys.HASH_LABEL: pod_hash}
    return {**body, "metadata": {"labels": labels}}


@dataclass
class World:
    """The objects, the time, and what has been done."""

    policy: Policy = field(
        default_factory=lambda: Policy("web", steps=(Step(10, 10.0), Step(50, 10.0)))
    )
    replicas: int = 4
    now: datetime = START
    deployment: Deployment | None = None
    replica_sets: dict[str, ReplicaSet] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    anchor: Anchor | None = None
    rollout: Rollout | None = None
    pods: tuple[Pod, ...] = ()
    latest_round: Round | None = None
    asking_since: tuple[str, datetime] | None = None
    values: dict[str, Known | Unknown] = field(default_factory=dict)
    failing_images: set[str] = field(default_factory=set)
    # False: whatever the Deployment owns beside each other stays as it is.
    rule_of_one: bool = True
    # No more pods of an image than this become available.
    at_most: dict[str, int] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)
    least_serving: int = 10**6
    counter: int = 100

    def __post_init__(self) -> None:
        self.rollout = Rollout(self.ref("web"), "shop", 1, START, self.policy, self.policy.target)
        body = template("web:1")
        selector = {"matchLabels": {"app": "web"}}
        self.deployment = Deployment(
            self.ref("web"), 1, 1, self.replicas, False, body, template_hash(body), selector,
            progress_deadline_seconds=600, max_unavailable=1,
            updated_replicas=self.replicas, status_replicas=self.replicas,
            available_replicas=self.replicas,
        )  # fmt: skip
        first = ReplicaSet(
            self.ref("web-aaaa"), START, self.deployment.ref.uid, self.replicas,
            hashed(body, "aaaa"), template_hash(body),
            labels={"app": "web", keys.HASH_LABEL: "aaaa"},
            annotations={keys.REVISION: "1"}, status_replicas=self.replicas,
            ready_replicas=self.replicas, status_available=self.replicas,
        )  # fmt: skip
        self.replica_sets[first.ref.name] = first

    # --- identities

    def number(self) -> str:
        self.counter += 1
        return str(self.counter)

    def ref(self, name: str) -> Ref:
        return Ref(name, f"uid-{self.number()}", self.number())

    def bumped(self, ref: Ref) -> Ref:
        return replace(ref, resource_version=self.number())

    # --- what people do

    @property
    def d(self) -> Deployment:
        assert self.deployment is not None
        return self.deployment

    def edit(self, **changes: Any) -> None:
        """A change of the Deployment's spec, seen by its controller at once."""
        if "template" in changes:
            changes["template_hash"] = template_hash(changes["template"])
        generation = self.d.generation + 1
        self.deployment = replace(
            self.d, ref=self.bumped(self.d.ref), generation=generation,
            observed_generation=generation, **changes,
        )  # fmt: skip
        self.controllers()

    def set_image(self, image: str) -> None:
        self.edit(template=template(image))

    def annotate(self, key: str, value: str) -> None:
        assert self.rollout is not None
        annotations = {**self.rollout.annotations, key: value}
        self.rollout = replace(
            self.rollout, annotations=annotations, ref=self.bumped(self.rollout.ref)
        )

    def command(self, verb: str) -> None:
        self.annotate(keys.COMMAND, verb)

    def set_policy(self, policy: Policy | None, *problems: str) -> None:
        """A new spec; None for an invalid one, with what is wrong."""
        assert self.rollout is not None
        self.rollout = replace(
            self.rollout, policy=policy, problems=problems, ref=self.bumped(self.rollout.ref)
        )

    def change(self, rs: ReplicaSet, **changes: Any) -> ReplicaSet:
        """Somebody edits a ReplicaSet; an annotation that is None is taken away."""
        if "annotations" in changes:
            changes["annotations"] = merged(rs.annotations, changes["annotations"])
        self.replica_sets[rs.ref.name] = replace(rs, ref=self.bumped(rs.ref), **changes)
        return self.replica_sets[rs.ref.name]

    def heal(self) -> None:
        """Every pod of every image comes up."""
        self.failing_images.clear()
        self.at_most.clear()
        self.controllers()

    def fail(self, *images: str) -> None:
        self.failing_images.update(images)
        self.controllers()

    def until(self, state: State, *, gap: bool = False) -> None:
        """One write at a time, as if killed after each, until the release is in this state."""
        for _ in range(400):
            situation = self.situation()
            if situation.state is state and situation.gap is gap:
                return
            self.now += timedelta(seconds=0.5)
            self.plan = decide(self.observed())
            for action in self.plan.actions[:1]:
                self.apply(action)
                self.controllers()
            if self.plan.ask:
                self.answer(self.plan.ask)
        raise AssertionError(f"never {state}: {self.situation().state}")

    def lose_anchor(self) -> None:
        """Somebody deletes it; what it owned stays for the moment."""
        self.anchor = None

    def restart_operator(self) -> None:
        """A new process: what the former one kept in memory is gone."""
        self.latest_round = self.asking_since = None

    def delete_rollout(self) -> None:
        assert self.rollout is not None
        self.rollout = replace(self.rollout, deleting=True, ref=self.bumped(self.rollout.ref))

    # --- passes

    def observed(self) -> Observed:
        assert self.rollout is not None
        return Observed(
            self.now, self.rollout, self.deployment, tuple(self.replica_sets.values()),
            self.anchor, tuple(self.records.values()), self.pods, self.latest_round, fresh=True,
        )  # fmt: skip

    def situation(self) -> Situation:
        assert self.rollout is not None
        assert self.rollout.policy is not None
        assert self.anchor is not None
        return Situation(self.observed(), self.d, self.rollout.policy, self.anchor.ref.uid)

    def one_pass(self) -> Plan:
        """Decides and applies once, then lets the controllers act."""
        self.plan = decide(self.observed())
        for action in self.plan.actions:
            self.apply(action)
            self.controllers()
        if self.plan.decision:
            self.decisions.append(self.plan.decision)
        if self.plan.ask:
            self.answer(self.plan.ask)
        return self.plan

    def answer(self, ask: Ask) -> None:
        values = tuple((name, self.values.get(name, Known(0.0))) for name, _ in ask.queries)
        if self.asking_since is None or self.asking_since[0] != ask.release:
            self.asking_since = (ask.release, self.now)
        since = self.asking_since[1]
        self.latest_round = Round(ask.release, ask.tick, self.now, values, since)

    def settle(self, passes: int = 60) -> Plan:
        """Passes until nothing is left to be done at this instant."""
        for _ in range(passes):
            self.one_pass()
            at_rest = self.plan.again_at is None or self.plan.again_at > self.now
            if self.rollout is None or (not self.plan.actions and at_rest and not self.plan.ask):
                return self.plan
        raise AssertionError(f"still busy: {self.decisions[-5:]}")

    def run(self, seconds: float) -> Plan:
        """Lets time pass in half seconds, with passes at each."""
        for _ in range(int(seconds * 2)):
            if self.rollout is None:
                break
            self.now += timedelta(seconds=0.5)
            self.controllers()
            self.settle()
        return self.plan

    @property
    def phase(self) -> str:
        assert self.plan.status is not None
        return self.plan.status.phase

    @property
    def last_result(self) -> str:
        """What came of the last command."""
        assert self.plan.status is not None
        assert self.plan.status.last_command is not None
        return str(self.plan.status.last_command["result"])

    def condition(self, kind: str) -> Condition | None:
        assert self.plan.status is not None
        return next((c for c in self.plan.status.conditions if c.type == kind), None)

    def of(self, image: str) -> ReplicaSet:
        """The ReplicaSet of this image, which there must be."""
        found = self.by_image(image)
        assert found is not None, image
        return found

    @property
    def message(self) -> str:
        assert self.plan.status is not None
        return self.plan.status.message

    def by_image(self, image: str) -> ReplicaSet | None:
        return next(
            (
                rs
                for rs in self.replica_sets.values()
                if rs.template["spec"] == template(image)["spec"]
            ),
            None,
        )

    def serving(self) -> int:
        return sum(rs.status_available for rs in self.replica_sets.values())

    # --- the API server

    def apply(self, action: Action) -> None:
        self.actions.append(action)
        match action:
            case PatchRollout():
                self._patch_rollout(action)
            case PatchDeployment():
                self._patch_deployment(action)
            case CreateReplicaSet():
                self._create(action)
            case PatchReplicaSet():
                self._patch_replica_set(action)
            case DeleteReplicaSet(ref):
                assert self.replica_sets[ref.name].ref == ref, "stale"
                del self.replica_sets[ref.name]
            case CreateRecord():
                self._create_record(action)
            case PatchRecord():
                self._patch_record(action)
            case DeleteRecord(ref):
                if self.anchor and self.anchor.ref == ref:
                    self.anchor = None
                else:
                    assert self.records[ref.name].ref == ref, "stale"
                    del self.records[ref.name]

    def _patch_rollout(self, action: PatchRollout) -> None:
        assert self.rollout is not None
        assert self.rollout.ref == action.ref, "stale"
        finalizers = self.rollout.finalizers if action.finalizers is None else action.finalizers
        if self.rollout.deleting and not finalizers:
            self.rollout = None
            return
        self.rollout = replace(
            self.rollout, ref=self.bumped(action.ref), finalizers=finalizers,
            annotations=merged(self.rollout.annotations, action.annotations),
        )  # fmt: skip

    def _patch_deployment(self, action: PatchDeployment) -> None:
        assert self.d.ref == action.ref, "stale"
        spec: dict[str, Any] = {}
        if action.paused is not None:
            spec["paused"] = action.paused
        if action.progress_deadline_seconds is not None:
            spec["progress_deadline_seconds"] = action.progress_deadline_seconds
        if action.template is not None:
            spec["template"] = action.template
        if action.template_annotations:
            metadata = {
                **self.d.template["metadata"],
                "annotations": dict(action.template_annotations),
            }
            spec["template"] = {**self.d.template, "metadata": metadata}
        self.edit(
            **spec,
            labels=merged(self.d.labels, action.labels),
            annotations=merged(self.d.annotations, action.annotations),
        )

    def _create(self, action: CreateReplicaSet) -> None:
        assert action.name not in self.replica_sets, "already exists"
        self.replica_sets[action.name] = ReplicaSet(
            self.ref(action.name), self.now, action.owner.uid, action.replicas,
            hashed(action.template, action.pod_hash), template_hash(action.template),
            labels={**action.labels, keys.HASH_LABEL: action.pod_hash},
            annotations=dict(action.annotations), min_ready_seconds=action.min_ready_seconds,
        )  # fmt: skip

    def _patch_replica_set(self, action: PatchReplicaSet) -> None:
        rs = self.replica_sets[action.ref.name]
        assert rs.ref == action.ref, "stale"
        self.replica_sets[action.ref.name] = replace(
            rs, ref=self.bumped(rs.ref),
            replicas=rs.replicas if action.replicas is None else action.replicas,
            owner_uid=action.owner.uid if action.owner else rs.owner_uid,
            labels=merged(rs.labels, action.labels),
            annotations=merged(rs.annotations, action.annotations),
            min_ready_seconds=(
                rs.min_ready_seconds if action.min_ready_seconds is None
                else action.min_ready_seconds
            ),
        )  # fmt: skip

    def _create_record(self, action: CreateRecord) -> None:
        if action.owner is None:
            assert self.anchor is None, "already exists"
            uid = action.annotations[keys.DEPLOYMENT_UID]
            self.anchor = Anchor(self.ref(action.name), uid)
            return
        assert action.name not in self.records, "already exists"
        record = Record(
            self.ref(action.name), action.labels[keys.TEMPLATE_LABEL], "",
            action.data["template"], action.owner.uid,
        )  # fmt: skip
        self.records[action.name] = self._annotated(record, action.annotations)

    def _patch_anchor(self, anchor: Anchor, action: PatchRecord) -> None:
        self.anchor = replace(
            anchor, ref=self.bumped(anchor.ref),
            adopted=anchor.adopted or keys.ADOPTED in action.annotations,
            given_back=anchor.given_back or keys.GIVEN_BACK in action.annotations,
        )  # fmt: skip

    def _patch_record(self, action: PatchRecord) -> None:
        if self.anchor and action.ref == self.anchor.ref:
            self._patch_anchor(self.anchor, action)
            return
        record = self.records[action.ref.name]
        assert record.ref == action.ref, "stale"
        annotated = self._annotated(record, action.annotations)
        owner = action.owner.uid if action.owner else record.owner_uid
        self.records[action.ref.name] = replace(
            annotated, ref=self.bumped(record.ref), owner_uid=owner
        )

    def _annotated(self, record: Record, changes: Changes) -> Record:
        fields = {
            keys.POD_HASH: "pod_hash", keys.STABLE_AT: "stable_at",
            keys.REJECTED_AT: "rejected_at", keys.REASON: "reason",
        }  # fmt: skip
        values: dict[str, Any] = {
            fields[key]: value for key, value in changes.items() if key in fields
        }
        if keys.TRIES in changes:
            values["tries"] = int(changes[keys.TRIES] or 0)
        return replace(record, **values)

    # --- the controllers

    def controllers(self) -> None:
        """A paused Deployment keeps the one ReplicaSet it owns; every ReplicaSet has its pods."""
        deployment = self.deployment
        if deployment is not None and deployment.paused:
            owned = [rs for rs in self.replica_sets.values() if rs.owner_uid == deployment.ref.uid]
            for rs in owned:
                assert rs.labels.get("app") == "web", "the selector does not match: let go"
            active = [rs for rs in owned if rs.replicas] or owned[-1:]
            assert len(active) <= 1 or not self.rule_of_one, "rule of one"
            for rs in active if len(active) == 1 else ():
                if rs.replicas != deployment.replicas:
                    self.replica_sets[rs.ref.name] = replace(
                        rs, ref=self.bumped(rs.ref), replicas=deployment.replicas
                    )
        for name, rs in self.replica_sets.items():
            image = rs.template["spec"]["containers"][0]["image"]
            up = min(rs.replicas, self.at_most.get(image, rs.replicas))
            up = 0 if image in self.failing_images else up
            if (rs.status_replicas, rs.status_available) != (rs.replicas, up):
                self.replica_sets[name] = replace(
                    rs, ref=self.bumped(rs.ref), status_replicas=rs.replicas,
                    ready_replicas=up, status_available=up,
                )  # fmt: skip
        self.least_serving = min(self.least_serving, self.serving())


def merged(have: Any, changes: Any) -> dict[str, str]:
    both = {**have, **changes}
    return {key: value for key, value in both.items() if value is not None}
