"""The world of the core's tests: the model of the cluster, one Rollout in it, and an operator.

The operator is as quick as its cluster: it sees every object as it is, and the controllers have
done all they can do at an instant before it looks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from counted import Scraped

from sluice.core import keys, placeholders
from sluice.core.decide import decide
from sluice.core.objects import Deployment, Observed, Pod, ReplicaSet, Rollout
from sluice.core.plan import Action, Ask, Condition, Decision, Plan, Query
from sluice.core.policy import Policy, Step
from sluice.core.readings import Answer, Known, Round, Unknown
from sluice.core.scaling.kept import Memory
from sluice.core.situation import Situation, State
from sluice.core.templates import template_hash
from sluice.model import api, controllers, people
from sluice.model.cluster import Cluster, Strategy, merged
from sluice.model.cluster import with_hash as hashed
from sluice.model.deployments import sync_deployment

__all__ = ["START", "World", "hashed", "template"]

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def template(image: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }


@dataclass
class World(Cluster):
    """The objects, the time, and what has been done."""

    now: datetime = START
    strategy: Strategy = field(default_factory=lambda: Strategy(1, 1))
    policy: Policy = field(
        default_factory=lambda: Policy("web", steps=(Step(10, 10.0), Step(50, 10.0)))
    )
    replicas: int = 4
    # What the operator sees of the pods.
    pods: tuple[Pod, ...] = ()
    latest_round: Round | None = None
    scaling_round: Round | None = None
    scaling_memory: Memory | None = None
    autoscaler: str | None = None
    asking_since: tuple[str, datetime] | None = None
    values: dict[str, Known | Unknown] = field(default_factory=dict)
    # Requests a second that come in, and the share of bad ones by image.
    per_second: float = 100.0
    bad_ratios: dict[str, float] = field(default_factory=dict)
    source: Scraped = field(default_factory=Scraped)
    # A Deployment that is not paused rolls, and its status is counted anew.
    rolls: bool = False
    # What belongs to an owner that is gone is deleted.
    collects: bool = False
    # A paused Deployment never owns several ReplicaSets with pods.
    rule_of_one: bool = True
    decisions: list[Decision] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)
    least_serving: int = 10**6

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
        controllers.sync_replica_sets(self)
        for seconds in range(-60, 1):
            self.serve(START + timedelta(seconds=seconds), 1.0)

    @property
    def failing_images(self) -> set[str]:
        return self.kubelet.failing

    @property
    def at_most(self) -> dict[str, int]:
        return self.kubelet.at_most

    # --- what people do

    def edit(self, **changes: Any) -> None:
        """A change of the Deployment's spec, seen by its controller at once."""
        if "replicas" in changes:
            changes.setdefault("max_unavailable", self.d.max_unavailable)
        self.write_deployment(**changes)
        self.controllers()

    def set_image(self, image: str) -> None:
        self.edit(template=template(image))

    def annotate(self, key: str, value: str) -> None:
        people.annotate(self, key, value)

    def command(self, verb: str) -> None:
        self.annotate(keys.COMMAND, verb)

    def set_policy(self, policy: Policy | None, *problems: str) -> None:
        """A new spec; None for an invalid one, with what is wrong."""
        people.edit_rollout(self, policy=policy, problems=problems)

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
        self.scaling_round = self.scaling_memory = None

    def delete_rollout(self) -> None:
        people.delete_rollout(self)

    # --- passes

    def observed(self) -> Observed:
        assert self.rollout is not None
        return Observed(
            self.now, self.rollout, self.deployment, tuple(self.replica_sets.values()),
            self.anchor, tuple(self.records.values()), self.pods, self.latest_round, fresh=True,
            pods_of=tuple(rs.pod_hash for rs in self.replica_sets.values()),
            scaling_round=self.scaling_round, scaling_memory=self.scaling_memory,
            autoscaler=self.autoscaler,
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
        self.scaling_memory = self.plan.scaling_memory or self.scaling_memory
        if asked := self.plan.ask_scaling:
            values = tuple((query.name, self.reading(query)) for query in asked.queries)
            self.scaling_round = Round(asked.release, asked.tick, self.now, values)
        return self.plan

    def serve(self, now: datetime, seconds: float) -> None:
        """Pods answer for so long, each ReplicaSet's as one, and are scraped."""
        serving = {rs.ref.name: rs for rs in self.replica_sets.values() if self.ready_of(rs)}
        pods = sum(self.ready_of(rs) for rs in serving.values())
        for name, rs in serving.items():
            requests = self.per_second * seconds * self.ready_of(rs) / pods
            image = rs.template["spec"]["containers"][0]["image"]
            bad = requests * self.bad_ratios.get(image, 0.0)
            self.source.served(f"{placeholders.pod_prefix(name)}00000", now, bad, requests)

    def reading(self, query: Query) -> Answer:
        """What a value or the counters of a metric are."""
        value = self.values.get(query.name.partition("/")[0])
        if query.span is None or value is not None:
            return value or Known(0.0)
        return self.source.answer(query)

    def answer(self, ask: Ask) -> None:
        values = tuple((query.name, self.reading(query)) for query in ask.queries)
        if self.asking_since is None or self.asking_since[0] != ask.release:
            self.asking_since = (ask.release, self.now)
        since = self.asking_since[1]
        self.latest_round = Round(ask.release, ask.tick, self.now, values, since)

    def settle(self, passes: int = 60) -> Plan:
        """Passes until nothing is left to be done at this instant."""
        for _ in range(passes):
            self.one_pass()
            at_rest = self.plan.again_at is None or self.plan.again_at > self.now
            asked = self.plan.ask or self.plan.ask_scaling
            if self.rollout is None or (not self.plan.actions and at_rest and not asked):
                return self.plan
        raise AssertionError(f"still busy: {self.decisions[-5:]}")

    def run(self, seconds: float) -> Plan:
        """Lets time pass in half seconds, with passes at each."""
        for _ in range(int(seconds * 2)):
            if self.rollout is None:
                break
            self.now += timedelta(seconds=0.5)
            self.controllers()
            self.serve(self.now, 0.5)
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

    # --- the cluster

    def apply(self, action: Action) -> None:
        """A write of ours; in a world where nobody else writes at that moment none is refused."""
        self.actions.append(action)
        api.apply(self, action)

    def controllers(self) -> None:
        """All that the controllers can do at this instant."""
        before = -1
        while before != self.counter:
            before = self.counter
            controllers.let_pods_go(self)
            if self.collects:
                controllers.collect_garbage(self)
            if self.rolls or (self.deployment and self.deployment.paused):
                sync_deployment(self)
            elif self.deployment:
                self.write_deployment(observed_generation=self.d.generation)
            self.rule_holds()
            controllers.sync_replica_sets(self)
        self.least_serving = min(self.least_serving, self.serving())

    def rule_holds(self) -> None:
        """What no plan of ours may lead to, and no test does unless it says so."""
        if self.deployment is None or not self.deployment.paused:
            return
        mine = [rs for rs in self.replica_sets.values() if rs.owner_uid == self.d.ref.uid]
        active = [rs for rs in mine if rs.replicas]
        assert len(active) <= 1 or not self.rule_of_one, "rule of one"
