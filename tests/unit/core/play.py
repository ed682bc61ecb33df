"""A play on the model: event by event, with what must hold looked at before and after each write.

Here the operator is as slow, as blind and as mortal as a real one: its snapshots may be old, its
writes may come late, and the controllers lag behind both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from world import World, template

from sluice.core import keys, placeholders
from sluice.core.adoption import is_adopted
from sluice.core.objects import Observed, ReplicaSet, Role
from sluice.core.plan import (
    Action,
    Ask,
    DeleteRecord,
    DeleteReplicaSet,
    PatchDeployment,
    PatchReplicaSet,
    Plan,
    Query,
)
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Answer, Known, Reason, Round, Unknown
from sluice.core.release_data import load
from sluice.core.situation import Situation
from sluice.core.table import Move
from sluice.core.times import CLOCK_SLACK
from sluice.model import api, controllers, people
from sluice.model.cluster import Cluster
from sluice.model.operators import Operator, Reading

Event = tuple[str, Any]

ANALYSIS = Analysis(
    interval_seconds=2.0, no_data_after_seconds=20.0, metrics=(Metric("errors", "q", maximum=0.5),)
)
POLICY = Policy(
    "web",
    steps=(Step(10, 4.0), Step(50, 4.0)),
    progress_deadline_seconds=30.0,
    analysis=ANALYSIS,
)
# The steps of a weight above 50: the version that is tried stands in the stable one's place.
HEAVY = replace(POLICY, steps=(Step(25, 4.0), Step(80, 4.0), Step(90, 4.0)))
# Both sides are compared: what a reading says is in the canary's counters, or they are not known.
COMPARED = replace(
    POLICY,
    analysis=replace(
        ANALYSIS,
        min_requests=20,
        metrics=(Metric("errors", counters=('requests_total{code=~"5.."}', "requests_total")),),
    ),
)
IMAGES = ("web:1", "web:2", "web:3")
READINGS: dict[str, Reading] = {
    "good": Known(0.0),
    "bad": Known(1.0),
    "unknown": Unknown(Reason.TIMEOUT),
}
# Two intervals and a query's time.
FRESH = timedelta(seconds=2 * 2 + 5)
FORWARD = {Move.NEXT_STEP.value, Move.RAISE.value, Move.ANNOUNCE.value, Move.ACCEPT.value}
# What can take pods away, now or with the next sync of a controller.
WEIGHTY = (PatchReplicaSet, PatchDeployment, DeleteReplicaSet, DeleteRecord)
# Syncs after which the effect of a write is all there.
EFFECT = 3


class Play:
    """A world, its operator, and the events that befall both."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.world = World(policy=policy, rolls=True, collects=True)
        self.operator = Operator(self.world, self.answer)
        self.silent = False
        self.reading: Reading = Known(0.0)
        self.lag = 1
        self.stale = 0
        self.back_in_all = 0
        # Snapshots of the last passes, oldest first.
        self.seen: deque[Observed] = deque(maxlen=10)
        self.time(5)

    def answer(self, ask: Ask) -> tuple[tuple[str, Answer], ...] | None:
        return None if self.silent else tuple((q.name, self._reading(q)) for q in ask.queries)

    def _reading(self, query: Query) -> Answer:
        if query.span is None or isinstance(self.reading, Unknown):
            return self.reading
        return self.world.source.answer(query)

    def serve(self) -> None:
        """A second of requests; the canary's are bad where the reading is."""
        world = self.world
        bad = self.reading == READINGS["bad"]
        world.bad_ratios = {
            str(rs.template["spec"]["containers"][0]["image"]): 1.0
            for rs in world.replica_sets.values()
            if bad and rs.role is Role.CANARY
        }
        world.serve(world.now, 1.0)

    # --- what people do

    def happen(self, event: Event) -> None:
        kind, value = event
        _DO[kind](self, value)
        if kind not in ("kill", "conflict", "lead", "time"):
            self.one_pass()

    def image(self, image: str) -> None:
        self.world.write_deployment(template=template(image))

    def replicas(self, number: int) -> None:
        self.world.write_deployment(replicas=number)

    def both(self, values: tuple[str, int]) -> None:
        image, number = values
        self.world.write_deployment(template=template(image), replicas=number)

    def command(self, verb: str) -> None:
        self.world.command(verb)

    def halt(self, paused: bool) -> None:
        self.world.set_policy(replace(self.policy, paused=paused))

    def unpause(self, rounds: int) -> None:
        """By hand; the operator sees it so many syncs of the controllers later."""
        self.world.write_deployment(paused=False)
        self.rounds(rounds)

    def unlabel(self, what: str) -> None:
        if what == "deployment":
            self.world.write_deployment(labels={})
        elif rs := self.which(what.rpartition(" ")[2]):
            lost = "app" if what.startswith("selector") else keys.ROLLOUT_LABEL
            labels = {key: value for key, value in rs.labels.items() if key != lost}
            self.world.write_replica_set(rs.ref.name, labels=labels)

    def delete(self, what: str) -> None:
        if rs := self.which(what):
            people.delete_replica_set(self.world, rs.ref.name)

    def orphan(self, what: str) -> None:
        if rs := self.which(what):
            people.delete_replica_set(self.world, rs.ref.name, orphan=True)

    def disown(self, what: str) -> None:
        """Somebody takes its ownerReference away."""
        if rs := self.which(what):
            self.world.write_replica_set(rs.ref.name, owner_uid=None)

    def recreate(self, how: str) -> None:
        former = self.world.d
        people.delete_deployment(self.world, orphan=how == "as an orphan")
        self.one_pass()
        people.create_deployment(self.world, "web", former.template, former.replicas)

    def which(self, what: str) -> ReplicaSet | None:
        world = self.world
        if world.anchor is None or world.deployment is None:
            return None
        situation = world.situation()
        old = next(iter(situation.leavers), None)
        found = {"stable": situation.stable, "canary": situation.rising, "old": old}[what]
        return found if found and found.ref.name in world.replica_sets else None

    # --- what pods and metrics do

    # The cluster sees it at once: what fails between a look and a write is nobody's fault.

    def fail(self, image: str) -> None:
        self.world.failing_images.add(image)
        self.rounds(1)

    def heal(self, image: str) -> None:
        images = set(IMAGES) if image == "all" else {image}
        self.world.kubelet.failing -= images
        for pod in self.world.kubelet.pods:
            pod.broken = pod.broken and pod.image not in images
        self.rounds(1)

    def unready(self, which: tuple[str, int]) -> None:
        what, number = which
        rs = self.which(what)
        for pod in self.world.kubelet.of(rs.ref.uid if rs else "")[:number]:
            pod.broken = True
        self.rounds(1)

    def set_reading(self, name: str) -> None:
        self.reading = READINGS[name]

    def silence(self, silent: bool) -> None:
        self.silent = silent

    # --- what becomes of the operator

    def kill(self, after: int) -> None:
        """It dies after so many writes of a plan, and forgets what it has read."""
        self.one_pass(at_most=after)
        self.operator = Operator(self.world, self.answer, self.operator.skew)

    def conflict(self, after: int) -> None:
        """Somebody touches every object after so many writes of a plan."""
        self.one_pass(touched_after=after)

    def delay(self, rounds: int) -> None:
        self.lag = rounds

    def age(self, passes: int) -> None:
        self.stale = passes

    def back(self, seconds: int) -> None:
        """Its clock is set back."""
        self.operator.skew -= timedelta(seconds=seconds)
        self.back_in_all += seconds

    def lead(self, after: int) -> None:
        """It loses the lease after so many writes. Another process works on, and then the write
        that was on its way comes in.
        """
        seen, plan = self.operator.plan()
        for action in plan.actions[:after]:
            if not self.write(action, seen):
                break
        self.operator = Operator(self.world, self.answer, self.operator.skew)
        self.one_pass()
        for action in plan.actions[after : after + 1]:
            self.write(action, seen)

    def time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.world.now += timedelta(seconds=1)
            self.rounds(1)
            self.serve()
            self.one_pass()

    # --- what is done, and what must hold

    def rounds(self, number: int) -> None:
        for _ in range(number):
            controllers.one_round(self.world)

    def one_pass(self, at_most: int = 99, touched_after: int = 99) -> Plan:
        older = self.seen[-min(self.stale, len(self.seen))] if self.stale and self.seen else None
        self.stale = 0
        seen, plan = self.operator.plan(older)
        self.world.plan = plan
        self.seen.append(seen)
        self.goes_on_for_good_reasons(seen, plan)
        for number, action in enumerate(plan.actions[:at_most]):
            if number == touched_after:
                self.touch()
            if not self.write(action, seen):
                break
            self.rounds(self.lag)
        else:
            self.operator.conclude(plan)
        self.rounds(1)
        return plan

    def touch(self) -> None:
        for name, rs in self.world.replica_sets.items():
            self.world.replica_sets[name] = replace(rs, ref=self.world.bumped(rs.ref))
        if self.world.deployment:
            self.world.deployment = replace(self.world.d, ref=self.world.bumped(self.world.d.ref))

    def write(self, action: Action, seen: Observed) -> bool:
        """Whether the write was carried out."""
        world = self.world
        opens = isinstance(action, PatchDeployment) and action.paused is False
        if opens and world.rollout and world.deployment:
            now = self.operator.observe()
            assert not is_adopted(now, world.d), "the gate opens while adopted"
        without = world.copy() if isinstance(action, WEIGHTY) else None
        try:
            api.apply(world, action)
        except api.Refused:
            return False
        if without is not None:
            self.keeps_serving(action, seen, without)
        return True

    def keeps_serving(self, action: Action, seen: Observed, without: Cluster) -> None:
        """No write of ours takes a pod that is needed, alone or by what a controller makes of it:
        seen beside a world without that write.
        """
        ours = without.anchor is not None and seen.deployment is not None
        deployment = self.world.deployment
        if not ours or deployment is None or seen.deployment is None or without.anchor is None:
            return
        if without.anchor.deployment_uid != deployment.ref.uid:
            return  # made for another Deployment: what was ours is given up
        before, with_it = without.ready(), self.world.copy()
        for played in (with_it, without):
            for _ in range(EFFECT):
                controllers.one_round(played)
        n = min(seen.deployment.replicas, deployment.replicas)
        slack = max(seen.deployment.max_unavailable, deployment.max_unavailable)
        least = min(before, without.ready(), n - slack)
        assert with_it.ready() >= least, f"{before} -> {with_it.ready()} by {action}"

    def goes_on_for_good_reasons(self, seen: Observed, plan: Plan) -> None:
        policy, anchor = seen.rollout.policy, seen.anchor
        if plan.decision is None or plan.decision.what not in FORWARD:
            return
        assert policy and anchor and seen.deployment  # noqa: PT018  (what every release has)
        situation = Situation(seen, seen.deployment, policy, anchor.ref.uid)
        canary, latest = situation.canary, seen.latest_round
        if canary is None or (plan.decision.what == Move.ANNOUNCE.value and situation.to_be_tried):
            return  # it goes no step further
        data = load(canary.annotations.get(keys.RELEASE_DATA), ANALYSIS)
        if data.full or data.overridden(situation.step.weight):
            return
        assert latest is not None
        self.says_good(latest, canary)
        assert -CLOCK_SLACK <= seen.now - latest.asked_at <= FRESH
        release, _, began = latest.release.partition("@")
        assert release == canary.annotations[keys.RELEASE]
        assert began == canary.annotations[keys.RELEASE_STARTED]

    def says_good(self, latest: Round, canary: ReplicaSet) -> None:
        values = dict(latest.values)
        if self.policy is not COMPARED:
            assert values == {"errors": READINGS["good"]}
            return
        # No bad request has a series: that alone may be missing.
        values.pop("errors/bad")
        assert not any(isinstance(value, Unknown) for value in values.values())
        pod = f"{placeholders.pod_prefix(canary.ref.name)}00000"
        counted = self.world.source.pods[pod][-1].total
        assert counted >= COMPARED.analysis.min_requests

    # --- the end

    def calm(self) -> None:
        """Nobody interferes any more, and all is well."""
        self.silent, self.reading, self.lag = False, Known(0.0), 1
        self.heal("all")
        self.world.set_policy(self.policy)

    def come_to_rest(self) -> Plan:
        """Until nothing has been written for longer than any wait, in bounded time."""
        quiet = 0
        for _ in range(1500 + 2 * self.back_in_all):
            self.world.now += timedelta(seconds=1)
            self.rounds(1)
            self.serve()
            for _ in range(20):
                plan = self.one_pass()
                if self.world.rollout is None:
                    self.rounds(50)  # the Deployment may be in mid-roll
                    return plan
                if not plan.actions:
                    break
                quiet = 0
            else:
                raise AssertionError(f"writes and writes: {plan.decision}")
            # Unpaused again and again, it waits until that is long enough ago.
            stalled = plan.status is not None and plan.status.phase == "Stalled"
            quiet = 0 if stalled else quiet + 1
            if quiet > 40 + self.back_in_all:
                return plan
        raise AssertionError(f"no rest: {self.world.plan.decision}")


_DO: Final[Mapping[str, Callable[[Play, Any], None]]] = {
    "image": Play.image,
    "replicas": Play.replicas,
    "both": Play.both,
    "command": Play.command,
    "halt": Play.halt,
    "unpause": Play.unpause,
    "unlabel": Play.unlabel,
    "delete": Play.delete,
    "orphan": Play.orphan,
    "disown": Play.disown,
    "recreate": Play.recreate,
    "fail": Play.fail,
    "heal": Play.heal,
    "unready": Play.unready,
    "reading": Play.set_reading,
    "silent": Play.silence,
    "kill": Play.kill,
    "conflict": Play.conflict,
    "stale": Play.age,
    "lag": Play.delay,
    "back": Play.back,
    "lead": Play.lead,
    "time": Play.time,
}
