"""Whatever happens in whatever order: what must hold after each pass, and where it all ends.

Deterministic and short in the normal run; `SLUICE_EXAMPLES=5000` looks further, at random.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import World

from sluice.core import keys
from sluice.core.adoption import is_adopted
from sluice.core.decide import decide
from sluice.core.objects import Role
from sluice.core.plan import Action, PatchDeployment, Plan
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.release_data import load
from sluice.core.table import Move

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "0"))
ANALYSIS = Analysis(
    interval_seconds=2.0, no_data_after_seconds=20.0, metrics=(Metric("errors", "q", maximum=0.5),)
)
POLICY = Policy(
    "web",
    steps=(Step(10, 4.0), Step(50, 4.0)),
    progress_deadline_seconds=30.0,
    analysis=ANALYSIS,
)
IMAGES = ("web:1", "web:2", "web:3")
READINGS: dict[str, Known | Unknown] = {
    "good": Known(0.0),
    "bad": Known(1.0),
    "unknown": Unknown(Reason.TIMEOUT),
}
# Two intervals and a query's time.
FRESH = timedelta(seconds=2 * 2 + 5)
FORWARD = {Move.NEXT_STEP.value, Move.RAISE.value, Move.ANNOUNCE.value}

Event = tuple[str, Any]
VALUES: dict[str, tuple[Any, ...]] = {
    "image": IMAGES,
    "replicas": (0, 1, 2, 3, 4, 4, 5, 6),
    "command": ("promote", "promote-full", "abort", "retry", "rollback", "rollback=1"),
    "delete": ("stable", "canary", "old"),
    "fail": IMAGES,
    "heal": (*IMAGES, "all"),
    "reading": ("good", "good", "good", "bad", "unknown", "unknown"),
    "silent": (False, True),
    "halt": (False, False, True),
    "kill": (0, 1, 2),
    "back": (1, 30, 120),
    "time": (1, 2, 5, 12, 40),
}
# Mostly time passes, or a release would never come to its end.
OFTEN = {
    "time": 12,
    "image": 4,
    "heal": 3,
    "reading": 5,
    "silent": 3,
    "kill": 4,
    "replicas": 2,
    "command": 2,
}
events: st.SearchStrategy[Event] = st.sampled_from(
    [
        (kind, value)
        for kind, values in VALUES.items()
        for number in range(OFTEN.get(kind, 1) * 60 // len(values))
        for value in values
    ]
)
# A start from which there is something to go back to.
STARTS = ((), (("image", "web:2"), ("time", 40)))


class Play:
    """A world, played event by event, that is looked at before and after each action of ours."""

    def __init__(self) -> None:
        self.world = World(policy=POLICY)
        self.world.settle()
        self.back_in_all = 0
        self.silent = False

    # --- what happens

    def happen(self, event: Event) -> None:
        kind, value = event
        getattr(self, f"_{kind}")(value)
        self.world.controllers()
        if kind != "kill":
            self.one_pass()

    def _image(self, image: str) -> None:
        self.world.set_image(image)

    def _replicas(self, number: int) -> None:
        self.world.edit(replicas=number)

    def _command(self, verb: str) -> None:
        self.world.command(verb)

    def _delete(self, which: str) -> None:
        situation = self.world.situation()
        old = next(iter(situation.leavers), None)
        rs = {"stable": situation.stable, "canary": situation.rising, "old": old}[which]
        if rs is not None:
            del self.world.replica_sets[rs.ref.name]

    def _fail(self, image: str) -> None:
        self.world.failing_images.add(image)

    def _heal(self, image: str) -> None:
        self.world.failing_images -= set(IMAGES) if image == "all" else {image}

    def _reading(self, name: str) -> None:
        self.world.values["errors"] = READINGS[name]

    def _silent(self, silent: bool) -> None:
        """The source of metrics answers nothing at all, not even that it does not know."""
        self.silent = silent

    def _halt(self, paused: bool) -> None:
        self.world.set_policy(replace(POLICY, paused=paused))

    def _back(self, seconds: int) -> None:
        self.world.now -= timedelta(seconds=seconds)
        self.back_in_all += seconds

    def _kill(self, after: int) -> None:
        """The operator dies after so many actions of a plan, and forgets what it has read."""
        self.one_pass(after)
        self.world.restart_operator()

    def _time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.world.now += timedelta(seconds=1)
            self.one_pass()

    # --- what is done, and what must hold

    def one_pass(self, at_most: int = 99) -> Plan:
        world = self.world
        world.controllers()
        plan = world.plan = decide(world.observed())
        self.goes_on_for_good_reasons(plan)
        for action in plan.actions[:at_most]:
            self.apply(action)
        if plan.ask and not self.silent:
            world.answer(plan.ask)
        return plan

    def apply(self, action: Action) -> None:
        world = self.world
        serving, deployment = world.serving(), world.d
        if isinstance(action, PatchDeployment) and action.paused is False:
            assert not is_adopted(world.observed(), deployment), "the gate opens while adopted"
        world.apply(action)
        world.controllers()  # asserts the rule of one
        least = min(serving, deployment.replicas - deployment.max_unavailable)
        assert world.serving() >= least, f"{serving} -> {world.serving()} by {action}"

    def goes_on_for_good_reasons(self, plan: Plan) -> None:
        world = self.world
        if world.rollout is None or plan.decision is None or plan.decision.what not in FORWARD:
            return
        canary, latest = world.situation().canary, world.latest_round
        if canary is None:
            return
        data = load(canary.annotations.get(keys.RELEASE_DATA), ANALYSIS)
        if data.full or data.overridden(world.situation().step.weight):
            return
        assert latest is not None
        assert dict(latest.values) == {"errors": READINGS["good"]}
        assert abs(world.now - latest.asked_at) <= FRESH
        release, _, began = latest.release.partition("@")
        assert release == canary.annotations[keys.RELEASE]
        assert began == canary.annotations[keys.RELEASE_STARTED]

    # --- the end

    def calm(self) -> None:
        """Nobody interferes any more, and all is well."""
        self.silent = False
        self.world.heal()
        self.world.values.clear()
        self.world.set_policy(POLICY)

    def come_to_rest(self) -> Plan:
        """Until nothing has been written for longer than any wait, in bounded time."""
        quiet = 0
        for _ in range(900 + 2 * self.back_in_all):
            self.world.now += timedelta(seconds=1)
            for _ in range(20):
                plan = self.one_pass()
                if self.world.rollout is None:
                    return plan
                if not plan.actions:
                    break
                quiet = 0
            else:
                raise AssertionError(f"writes and writes: {plan.decision}")
            quiet += 1
            if quiet > 40 + self.back_in_all:
                return plan
        raise AssertionError(f"no rest: {self.world.plan.decision}")


@settings(
    deadline=None,
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.sampled_from(STARTS), st.lists(events, min_size=20, max_size=60), st.booleans())
def test_in_whatever_order_things_happen(
    start: tuple[Event, ...], order: list[Event], deleted: bool
) -> None:
    play = Play()
    for event in (*start, *order):
        play.happen(event)
    play.calm()
    world = play.world
    if deleted:
        world.delete_rollout()
    plan = play.come_to_rest()
    if deleted:
        assert world.rollout is None
        assert not world.d.paused
        running = [rs for rs in world.replica_sets.values() if rs.replicas]
        assert all(rs.owner_uid == world.d.ref.uid for rs in running)
        assert {rs.template_hash for rs in running} <= {world.d.template_hash}
        return
    again = decide(world.observed())
    assert again.actions == ()
    assert again.status == plan.status
    owned = world.situation().owned
    assert [rs.role for rs in owned] == [Role.STABLE] or world.d.replicas == 0
    assert world.serving() == world.d.replicas
    assert world.phase in ("Healthy", "RolledBack") or world.d.replicas == 0, world.message
