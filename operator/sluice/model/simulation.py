"""A release from its new template to its end, in virtual time, by the real decisions.

The time begins at midnight UTC, so that the times of day in Sluice's sentences are those since the
new template.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from sluice.core import keys
from sluice.core.events import first
from sluice.core.objects import Observed, ReplicaSet, Rollout
from sluice.core.plan import Ask, Decision, Plan, Query
from sluice.core.readings import Answer, Reason, Unknown
from sluice.core.situation import Situation, State
from sluice.core.sizing import actual_weight
from sluice.core.table import Event, Phase, rule_of
from sluice.model import controllers, counters, people
from sluice.model.cluster import MIDNIGHT, Cluster
from sluice.model.meters import meters
from sluice.model.operators import Operator
from sluice.model.pods import Image
from sluice.model.scenario import Moment, Outcome, Scenario, Side, Story
from sluice.model.traffic import Traffic

_COMMAND: Final = "command "
_OLD: Final = "v1"
_NEW: Final = "v2"
_LONGEST_STEP: Final = timedelta(seconds=1)
# Paused for so long with nothing more to come: only a person can end it.
_HELD: Final = timedelta(minutes=5)
# What is told though nothing is written: where it comes to a stand, and where it ends.
_TOLD: Final = frozenset(
    {
        Event.UNKNOWN,
        Event.FAILURE_HELD,
        Event.NO_DATA_HELD,
        Event.LOW_TRAFFIC,
        Event.LOW_TRAFFIC_HELD,
        Event.HALTED,
        Event.APPROVAL,
        Event.UNCHANGED,
        Event.TEMPLATE_REJECTED,
    }
)
_DECIDED: Final = frozenset({"Promoted", "RolledBack", "RollbackStarted"})


def play(scenario: Scenario) -> Story:
    """Plays the scenario. NoMeter for one with a metric that cannot be known."""
    return _Stage(scenario).play()


@dataclass
class _Stage:
    """The cluster, the operator, the requests, and what is told of them."""

    scenario: Scenario
    cluster: Cluster = field(default_factory=Cluster)
    moments: list[Moment] = field(default_factory=list)
    phase: str = ""
    told: Event | None = None
    decided_seconds: float | None = None
    # Since when it is paused, and when the operator looks again by itself.
    paused_since: datetime | None = None
    again_at: datetime | None = None
    # When a container starts or ends by itself.
    pods_at: datetime | None = None
    least_ready: int = 10**6
    # The pods of both versions, and at which write they were counted.
    _known: tuple[int, tuple[Side, Side]] | None = None

    def __post_init__(self) -> None:
        scenario = self.scenario
        self.meters = meters(scenario)
        chance = Random(scenario.seed)  # noqa: S311  (a game, not a secret)
        self.traffic = Traffic(scenario.per_second, scenario.stable, scenario.canary, chance)
        self.operator = Operator(self.cluster, self.answer)
        self.incidents = sorted(self._incidents(), key=lambda item: item[0])
        self.adopt()

    # --- before

    def adopt(self) -> None:
        """The old version runs, and its Deployment is adopted."""
        cluster, scenario = self.cluster, self.scenario
        cluster.strategy = scenario.strategy
        cluster.now = MIDNIGHT - timedelta(hours=1)
        people.create_deployment(cluster, scenario.name, self._template(_OLD), scenario.replicas)
        controllers.at_rest(cluster)
        cluster.rollout = Rollout(
            cluster.ref(scenario.name), scenario.namespace, 1, cluster.now, scenario.policy,
            scenario.policy.target,
        )  # fmt: skip
        self.operator.work(self._controllers, lambda *_: None)
        cluster.kubelet.images = {
            _OLD: Image(scenario.pod_start_seconds),
            _NEW: Image(scenario.pod_start_seconds, scenario.crash_after_seconds),
        }
        cluster.now = MIDNIGHT
        self.phase = Phase.HEALTHY

    def _template(self, version: str) -> dict[str, Any]:
        container = {"name": "app", "image": version}
        labels = {"app": self.scenario.name}
        return {"metadata": {"labels": labels}, "spec": {"containers": [container]}}

    def _incidents(self) -> list[tuple[float, str, str]]:
        """(seconds, what, why) of all that befalls the release from outside."""
        found = [(0.0, "new template", "somebody changes the Deployment's image from v1 to v2")]
        for outage in self.scenario.metrics_down:
            found.append((outage.begin_seconds, "metrics go away", "Prometheus is unreachable"))
            found.append((outage.end_seconds, "metrics are back", "Prometheus answers again"))
        for outage in self.scenario.operator_down:
            found.append((outage.begin_seconds, "operator dies", "nobody decides anything"))
            found.append((outage.end_seconds, "operator starts", "with nothing in its memory"))
        found += [
            (order.at_seconds, f"{_COMMAND}{order.verb}", "somebody annotates the Rollout")
            for order in self.scenario.orders
        ]
        return [item for item in found if item[0] <= self.scenario.until_seconds]

    # --- the loop

    @property
    def seconds(self) -> float:
        """Virtual seconds since the new template."""
        return (self.cluster.now - MIDNIGHT).total_seconds()

    def play(self) -> Story:
        """All of it."""
        seen = -1
        while True:
            befallen = self.befall()
            if befallen or (self.pods_at is not None and self.cluster.now >= self.pods_at):
                self._controllers()
            changed = self.cluster.counter != seen
            due = self.again_at is not None and self.cluster.now >= self.again_at
            if self._is_up() and (befallen or changed or due):
                self.again_at = self.operator.work(self._controllers, self.tell).again_at
                seen = self.cluster.counter
            if self._is_over():
                return self._story()
            self.pass_time()

    def befall(self) -> bool:
        """What is due of the incidents."""
        happened = False
        while self.incidents and self.incidents[0][0] <= self.seconds:
            _, what, why = self.incidents.pop(0)
            happened = True
            if what == "new template":
                self.cluster.write_deployment(template=self._template(_NEW))
            elif what == "operator starts":
                self.operator = Operator(self.cluster, self.answer)
            elif what.startswith(_COMMAND):
                people.annotate(self.cluster, keys.COMMAND, what.removeprefix(_COMMAND))
            self._add(what, why, self.phase, ours=False)
        return happened

    def pass_time(self) -> None:
        """To the next instant at which anything may change, a second at most."""
        now = self.cluster.now
        instants = [now + _LONGEST_STEP, MIDNIGHT + timedelta(seconds=self.scenario.until_seconds)]
        if self.incidents:
            instants.append(MIDNIGHT + timedelta(seconds=self.incidents[0][0]))
        self.pods_at = self.cluster.kubelet.next_change(now)
        instants += [at for at in (self.again_at, self.pods_at) if at]
        following = min(at for at in instants if at > now)
        old, new = self._sides()
        self.traffic.flow(now, following, old.ready, new.ready)
        self.cluster.now = following

    def answer(self, ask: Ask) -> tuple[tuple[str, Answer], ...]:
        """What Prometheus would say."""
        if any(self.seconds in outage for outage in self.scenario.metrics_down):
            return tuple((query.name, Unknown(Reason.UNREACHABLE)) for query in ask.queries)
        return tuple((query.name, self._answer(query)) for query in ask.queries)

    def _answer(self, query: Query) -> Answer:
        if query.span is None:
            meter = self.meters[query.name]
            return meter.read(self.traffic, self.operator.now, self.seconds)
        metrics = {metric.name: metric for metric in self.scenario.policy.analysis.metrics}
        metric = metrics[query.name.rpartition("/")[0]]
        old, new = (self._newest_of(version) for version in (_OLD, _NEW))
        return counters.answer(metric, query, self.traffic, old, new)

    def _newest_of(self, version: str) -> ReplicaSet | None:
        sets = [rs for rs in self.cluster.replica_sets.values() if _image(rs) == version]
        return max(sets, key=lambda rs: rs.created, default=None)

    def _controllers(self) -> None:
        controllers.at_rest(self.cluster)
        self._count()

    def _count(self) -> None:
        self.least_ready = min(self.least_ready, self.cluster.ready())

    def _is_up(self) -> bool:
        return not any(self.seconds in outage for outage in self.scenario.operator_down)

    def _is_over(self) -> bool:
        if self.seconds >= self.scenario.until_seconds:
            return True
        if self._outcome() in ("Healthy", "RolledBack"):
            # Only a person can begin something new.
            return not any(what.startswith(_COMMAND) for _, what, _ in self.incidents)
        if self.incidents:
            return False
        if not self._is_up():
            return True
        paused = self.paused_since
        return paused is not None and self.cluster.now - paused >= _HELD

    # --- what is told

    def tell(self, seen: Observed, plan: Plan) -> None:
        """What a plan did, or that it comes to a stand."""
        if seen.deployment is None or seen.anchor is None or seen.rollout.policy is None:
            return
        before = Situation(seen, seen.deployment, seen.rollout.policy, seen.anchor.ref.uid)
        event = first(before)
        if plan.decision is not None:
            self._tell_decision(before, event, plan.decision)
        if plan.status is not None:
            self._tell_status(event, plan.status.phase, plan.status.message)

    def _tell_decision(self, before: Situation, event: Event, made: Decision) -> None:
        rule = rule_of(before.state, event)
        phase = rule.phase if rule.move.value == made.what else self.phase
        if made.event in _DECIDED:
            self.decided_seconds = self.seconds
        self.phase, self.told = phase, None
        self._add(made.what, made.why, phase, warning=made.warning)

    def _tell_status(self, event: Event, phase: str, message: str) -> None:
        if phase == Phase.PAUSED:
            self.paused_since = self.paused_since or self.cluster.now
        else:
            self.paused_since = None
        news = event in _TOLD and event is not self.told
        if news or phase != self.phase:
            what = "holds" if event in _TOLD else "goes on"
            ends = {Phase.HEALTHY: "all is well", Phase.ROLLED_BACK: "rolled back"}
            self._add(ends.get(Phase(phase), what), message, phase)
        self.phase, self.told = phase, event

    def _add(self, what: str, why: str, phase: str, *, ours: bool = True, **marks: Any) -> None:
        situation, (old, new) = self._situation(), self._sides()
        self.moments.append(
            Moment(
                self.seconds, str(phase), situation.step_number if situation.canary else None,
                len(self.scenario.policy.steps), actual_weight(new.ready, old.ready), old, new,
                what, why, ours=ours, **marks,
            )
        )  # fmt: skip

    def _situation(self) -> Situation:
        anchor = self.cluster.anchor
        assert anchor is not None, "adopted before anything is told"
        policy = self.scenario.policy
        return Situation(self.operator.observe(), self.cluster.d, policy, anchor.ref.uid)

    def _sides(self) -> tuple[Side, Side]:
        """The pods of the old and of the new version."""
        if self._known is not None and self._known[0] == self.cluster.counter:
            return self._known[1]
        sides = []
        for version in (_OLD, _NEW):
            sets = [rs for rs in self.cluster.replica_sets.values() if _image(rs) == version]
            ready = sum(self.cluster.ready_of(rs) for rs in sets)
            sides.append(Side(ready, sum(rs.replicas for rs in sets)))
        self._known = (self.cluster.counter, (sides[0], sides[1]))
        return sides[0], sides[1]

    def _story(self) -> Story:
        return Story(
            tuple(self.moments), self._outcome(), self._why(), self.seconds, self.decided_seconds,
            self.traffic.total_old, self.traffic.total_new, self.traffic.lost, self.least_ready,
            {name: meter.how for name, meter in self.meters.items()},
        )  # fmt: skip

    def _outcome(self) -> Outcome:
        if self.phase in (Phase.HEALTHY, Phase.ROLLED_BACK):
            situation = self._situation()
            stable = situation.stable
            if situation.state is State.SETTLED and stable is not None and self.told is not None:
                return "Healthy" if _image(stable) == _NEW else "RolledBack"
        return "Paused" if self.paused_since is not None else "UnderWay"

    def _why(self) -> str:
        ours = [moment for moment in self.moments if moment.ours]
        bad = [moment for moment in ours if moment.warning]
        telling = bad if self.phase == Phase.ROLLED_BACK and bad else ours
        return telling[-1].why if telling else ""


def _image(rs: ReplicaSet) -> str:
    return str(rs.template["spec"]["containers"][0]["image"])
