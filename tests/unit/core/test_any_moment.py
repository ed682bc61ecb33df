"""One thing happens at one moment of a release: after each single write, and while pods are coming.

Every story is played once and kept at each of its moments; from each one an event leads on. What
must hold after every write, and where it all ends, is looked at each time. The normal run takes
every few pairs; `SLUICE_EXAMPLES=1` takes them all.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from test_ungating import rolled
from world import World

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import Role
from sluice.core.plan import Action, Plan
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.situation import Situation, State
from sluice.core.table import Move

EVERY = 1 if os.environ.get("SLUICE_EXAMPLES") else 17
POLICY = Policy(
    "web",
    steps=(Step(25, 4.0), Step(80, 4.0), Step(90, 4.0)),
    progress_deadline_seconds=30.0,
    analysis=Analysis(
        interval_seconds=2.0,
        no_data_after_seconds=20.0,
        metrics=(Metric("errors", "q", maximum=0.5),),
    ),
)
N = 4
BAD = Known(1.0)
# What makes a canary stable: the end of its last step, or the swap after it.
PROMOTIONS = {Move.ACCEPT.value, Move.GIVE.value}


class Slow(World):
    """A cluster whose pods come up one by one, one each time that the clock is moved."""

    moved: datetime | None = None

    def controllers(self) -> None:
        if self.now != self.moved:
            self.moved = self.now
            self.at_most.clear()
            for rs in self.replica_sets.values():
                image = str(rs.template["spec"]["containers"][0]["image"])
                more = self.ready_of(rs) + 1
                self.at_most[image] = max(more, self.at_most.get(image, 0))
        super().controllers()
        owned = [rs for rs in self.replica_sets.values() if rs.owner_uid == self.d.ref.uid]
        if self.d.paused and len([rs for rs in owned if rs.replicas]) == 1:
            self.rule_of_one = True

    def branch(self) -> Slow:
        """The same world once more: all that it holds is frozen or copied."""
        twin = copy.copy(self)
        for name in ("replica_sets", "records", "values", "decisions"):
            setattr(twin, name, copy.copy(getattr(self, name)))
        twin.kubelet = self.kubelet.copy()
        twin.actions = []
        return twin

    def situation(self) -> Situation:
        """As World's, but also while the Rollout's own policy is invalid."""
        assert self.rollout is not None
        assert self.anchor is not None
        policy = self.rollout.policy or POLICY
        return Situation(self.observed(), self.d, policy, self.anchor.ref.uid)

    def gone(self) -> bool:
        """Whether the Rollout is deleted."""
        return self.rollout is None

    # --- passes that are looked at

    def looked_at(self, at_most: int = 99) -> Plan:
        """One pass, of which so many writes get through before the operator dies."""
        self.controllers()
        plan = self.plan = decide(self.observed())
        if plan.decision:
            self.decisions.append(plan.decision)
        for action in plan.actions[:at_most]:
            if not self.carried_out(action):
                break
        if plan.ask:
            self.answer(plan.ask)
        return plan

    def carried_out(self, action: Action) -> bool:
        """Applies it, unless its object has changed since it was read."""
        serving, before = self.serving(), {rs.ref.uid: rs for rs in self.replica_sets.values()}
        assert self.rollout is not None
        reclaiming = self.anchor is not None and self.situation().state is State.RECLAIMING
        try:
            self.apply(action)
        except AssertionError as refused:
            if refused.args != ("stale",):
                raise
            return False
        self.controllers()
        slack = 0 if reclaiming else self.d.max_unavailable
        least = min(serving, self.d.replicas - slack)
        assert self.serving() >= least, f"{serving} -> {self.serving()} by {action}"
        what = self.decisions[-1].what if self.decisions else ""
        for rs in self.replica_sets.values():
            was = before.get(rs.ref.uid, rs).role
            if was is Role.CANARY and rs.role is Role.STABLE:
                assert what in PROMOTIONS, f"{rs.ref.name} is promoted by {what}"
            if was is Role.REJECTED and what != Move.TAKE_BACK.value:
                assert rs.role is not Role.STABLE, f"{rs.ref.name} was rejected: {what}"
        return True

    def go_on(self, seconds: float) -> None:
        """Second by second while pods are coming, else from one look to the next."""
        until = self.now + timedelta(seconds=seconds)
        while self.now < until and not self.gone():
            self.now += timedelta(seconds=self._pause_seconds())
            for _ in range(25):
                plan = self.looked_at()
                busy = plan.again_at is not None and plan.again_at <= self.now
                if self.gone() or not (plan.actions or busy):
                    break
            else:
                raise AssertionError(f"writes and writes: {self.decisions[-3:]}")

    def _pause_seconds(self) -> float:
        coming = any(rs.status_available < rs.replicas for rs in self.replica_sets.values())
        if coming or self.plan.again_at is None:
            return 1.0
        return min(60.0, max(0.5, (self.plan.again_at - self.now).total_seconds()))


# --- the stories


def released(**changes: object) -> Slow:
    world = Slow(policy=replace(POLICY, **changes), replicas=N)  # type: ignore[arg-type]
    world.settle()
    world.set_image("web:2")
    return world


def moments(world: Slow, happens: Callable[[World], None] | None = None) -> Iterator[Slow]:
    """The story of a release, one write at a time; `happens` does once it is at weight 80."""
    for _ in range(200):
        plan = world.looked_at(1)
        situation = world.situation()
        if not plan.actions:
            if happens and situation.state is State.TRYING:
                happens(world)
                happens = None
            elif situation.state is State.SETTLED and not plan.ask:
                return
            world.now += timedelta(seconds=1)
        yield world.branch()
    raise AssertionError(f"no end: {world.message}")


def promoted_long_ago() -> Slow:
    world = released()
    world.go_on(2000)
    assert world.phase == "Healthy"
    return world


def went_back() -> Iterator[Slow]:
    world = promoted_long_ago()
    world.command("rollback")
    return moments(world)


def rolled_by_itself() -> Iterator[Slow]:
    world = promoted_long_ago()
    _rolled("web:3", 3, world)
    return moments(world)


def _read(value: Known | Unknown, world: World) -> None:
    world.values["errors"] = value


def _image(image: str, world: World) -> None:
    world.set_image(image)


STORIES: dict[str, Callable[[], Iterator[Slow]]] = {
    "accepted": lambda: moments(released()),
    "rejected": lambda: moments(released(), partial(_read, BAD)),
    "withdrawn": lambda: moments(released(), partial(_image, "web:1")),
    "replaced": lambda: moments(released(), partial(_image, "web:3")),
    "went back": went_back,
    "rolled by itself": rolled_by_itself,
}


# --- what happens


def _rolled(image: str, pods: int, world: World) -> None:
    rolled(world, image, min(pods, world.d.replicas))
    world.rule_of_one = False


def _replicas(number: int, world: World) -> None:
    world.edit(replicas=number)


def _command(verb: str, world: World) -> None:
    world.command(verb)


def _deleted(which: str, world: World) -> None:
    situation = world.situation()
    sides = {"stable": situation.stable, "base": situation.base, "rising": situation.rising}
    if (rs := sides[which]) is not None:
        del world.replica_sets[rs.ref.name]


def _unmarked(which: str, world: World) -> None:
    situation = world.situation()
    rs = {"stable": situation.stable, "rising": situation.rising}[which]
    if rs is not None:
        world.change(rs, annotations={keys.ROLE: None})


def _failing(image: str, world: World) -> None:
    world.failing_images.add(image)


def _weights(weights: tuple[int, ...], world: World) -> None:
    steps = tuple(Step(weight, 4.0) for weight in weights)
    world.set_policy(replace(POLICY, steps=steps))


def _halted(world: World) -> None:
    world.set_policy(replace(POLICY, paused=True))


def _clock(seconds: float, world: World) -> None:
    world.now -= timedelta(seconds=seconds)


VERBS = ("abort", "rollback", "rollback=1", "rollback=2", "promote", "promote-full", "retry")
EVENTS: dict[str, Callable[[World], None]] = {
    **{f"replicas {n}": partial(_replicas, n) for n in (0, 1, 2, 5, 8)},
    **{f"image {i}": partial(_image, f"web:{i}") for i in (1, 2, 3, 4)},
    **{f"command {verb}": partial(_command, verb) for verb in (*VERBS, "restart")},
    **{f"{side} deleted": partial(_deleted, side) for side in ("stable", "base", "rising")},
    **{f"{side} unmarked": partial(_unmarked, side) for side in ("stable", "rising")},
    **{f"web:{i} fails": partial(_failing, f"web:{i}") for i in (1, 2, 3)},
    **{f"web:{i} rolls to {n}": partial(_rolled, f"web:{i}", n) for i in (2, 3, 4) for n in (1, N)},
    **{f"steps {s}": partial(_weights, s) for s in ((10, 50), (99,), (60, 70, 80))},
    **{f"clock back {s}s": partial(_clock, s) for s in (5, 3600)},
    "anchor lost": World.lose_anchor,
    "records lost": lambda world: world.records.clear(),
    "bad": partial(_read, BAD),
    "unknown": partial(_read, Unknown(Reason.TIMEOUT)),
    "invalid": lambda world: world.set_policy(None, "no such field"),
    "halted": _halted,
    "Rollout deleted": World.delete_rollout,
}


def play(world: Slow, event: str) -> None:
    """The event, what it leads to, and then nobody interferes any more and all is well."""
    EVENTS[event](world)
    world.looked_at(1)
    world.restart_operator()
    world.go_on(50)
    if world.gone():
        assert not world.d.paused
        assert world.serving() == world.d.replicas
        assert not [rs for rs in world.replica_sets.values() if keys.ROLE in rs.annotations]
        return
    world.values.clear()
    world.set_policy(POLICY)
    if world.d.replicas == 0:
        world.edit(replicas=N)
    world.heal()
    # Clocks that were set back make it wait for as long.
    world.go_on(4000 if "3600" in event else 400)
    ended_well(world)


def ended_well(world: Slow) -> None:
    assert world.phase in ("Healthy", "RolledBack"), f"{world.phase}: {world.message}"
    assert decide(world.observed()).actions == ()
    situation = world.situation()
    assert [rs.role for rs in situation.owned] == [Role.STABLE]
    assert world.serving() == situation.owned[0].replicas == world.d.replicas
    released_one = situation.owned[0].template_hash == world.d.template_hash
    assert released_one is (world.phase == "Healthy")


@pytest.mark.parametrize("story", STORIES)
def test_whatever_happens_at_whatever_moment(story: str) -> None:
    pairs = [(moment, event) for moment in STORIES[story]() for event in EVENTS]
    assert len(pairs) > 10 * len(EVENTS)
    for moment, event in pairs[::EVERY]:
        state = moment.situation().state
        try:
            play(moment.branch(), event)
        except AssertionError as broken:
            raise AssertionError(f"{event}, while {state} at {moment.now}: {broken}") from broken
