"""The door of the core: from a snapshot to a plan.

The rooms are entered in a fixed order, and the first that has something to do ends the pass, so
that a pass does one kind of thing and the next one looks again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sluice.core import (
    adoption,
    commands,
    display,
    guard,
    keys,
    replicas,
    restore,
    story,
    tidy,
    waking,
)
from sluice.core.announcements import Act, decision
from sluice.core.events import available, command, first
from sluice.core.moves import actions as actions_of
from sluice.core.objects import Deployment, Observed, Role
from sluice.core.orders import carry_out, finish
from sluice.core.plan import (
    Action,
    CreateRecord,
    Decision,
    PatchDeployment,
    PatchRollout,
    Plan,
    Status,
)
from sluice.core.policy import Policy, Step
from sluice.core.situation import Situation, State
from sluice.core.table import Event, Move, Phase, rule_of

# How often to look for a Deployment that is not there, or not ready to be adopted: neither is in
# the label-selected watch yet.
_WAIT = timedelta(seconds=2)
_ABSENT = timedelta(seconds=5)
_LONG_WAIT = timedelta(seconds=15)
# Looked at again without any event, in case the watch has missed one.
_RESYNC = timedelta(minutes=5)


def decide(observed: Observed) -> Plan:
    """What to do now. Deterministic: the same snapshot gives the same plan; a snapshot in which
    everything is as it shall be gives no action and, but for the time, the same status.
    """
    rollout, deployment = observed.rollout, observed.deployment
    if observed.rival is not None:
        return _conflict(observed)
    if deployment is None or deployment.deleting or _foreign(observed, deployment):
        return _without_deployment(observed)
    if rollout.deleting:
        return _give_back(observed, deployment)
    refusal = _refusal(observed, deployment)
    if rollout.policy is not None and refusal is None:
        return _prepare(observed, deployment) or _adopted(observed, deployment, rollout.policy)
    assert refusal is not None, "no policy is a refusal"
    if not adoption.is_adopted(observed, deployment):
        return Plan(status=refusal, again_at=observed.now + _patience(observed))
    # What runs is still guarded: the gate, the rule of one, a swap that has begun, the commands.
    plan = _adopted(observed, deployment, _standstill(observed))
    if plan.status is None:
        return plan
    scaling = plan.status.scaling or refusal.scaling
    return replace(plan, status=replace(refusal, scaling=scaling))


def _refusal(observed: Observed, deployment: Deployment) -> Status | None:
    """Why no release can be run, as a status; None when all is well."""
    if observed.rollout.policy is None:
        message = "; ".join(observed.rollout.problems)
        return display.simple(observed, Phase.INVALID, message, "InvalidSpec")
    if deployment.strategy != "RollingUpdate":
        message = (
            f"Deployment {deployment.ref.name} has strategy {deployment.strategy}; "
            "set spec.strategy.type to RollingUpdate"
        )
        return display.simple(observed, Phase.STALLED, message, "WrongStrategy")
    return None


def _standstill(observed: Observed) -> Policy:
    """A policy under which nothing begins and a canary stays as large as it is."""
    weights = (
        rs.annotations.get(keys.STEP_WEIGHT, "")
        for rs in observed.replica_sets
        if rs.role is Role.CANARY and not rs.deleting
    )
    weight = next((int(text) for text in weights if text.isdecimal()), 1)
    steps = (Step(max(1, min(99, weight))),)
    policy = observed.rollout.policy
    return Policy(
        target=observed.rollout.target,
        paused=True,
        steps=steps,
        scaling=policy.scaling if policy else None,
    )


def _patience(observed: Observed) -> timedelta:
    """How long to wait for something that no watch tells of: longer as time goes by."""
    return min(_LONG_WAIT, max(_WAIT, (observed.now - observed.rollout.created) / 30))


def _foreign(observed: Observed, deployment: Deployment) -> bool:
    """Whether what we own was made for another Deployment of the same name."""
    anchor = observed.anchor
    return anchor is not None and anchor.deployment_uid != deployment.ref.uid


def _conflict(observed: Observed) -> Plan:
    rollout = observed.rollout
    if rollout.deleting:
        return Plan(restore.farewell(observed))
    message = (
        f"Rollout {observed.rival} is older and has the same Deployment {rollout.target}; "
        "delete one of the two"
    )
    status = display.simple(observed, Phase.STALLED, message, "OtherRollout")
    status = display.with_conflict(status, "OtherRollout", message)
    return Plan(status=status, again_at=observed.now + _ABSENT)


def _without_deployment(observed: Observed) -> Plan:
    rollout = observed.rollout
    left = restore.abandon(observed)
    if left:
        return Plan(left, again_at=observed.now)
    if rollout.deleting:
        return Plan(restore.farewell(observed))
    message = f"Deployment {rollout.target} does not exist; create it or delete this Rollout"
    status = display.simple(observed, Phase.STALLED, message, "DeploymentMissing")
    return Plan(status=status, again_at=observed.now + _ABSENT)


def _waiting(observed: Observed, phase: Phase, message: str, reason: str) -> Plan:
    status = display.simple(observed, phase, message, reason)
    return Plan(status=status, again_at=observed.now + _patience(observed))


def _give_back(observed: Observed, deployment: Deployment) -> Plan:
    if keys.FINALIZER not in observed.rollout.finalizers:
        return Plan()
    policy = observed.rollout.policy or _standstill(observed)
    uid = observed.anchor.ref.uid if observed.anchor else ""
    steps = restore.restore(Situation(observed, deployment, policy, uid))
    if not steps:
        return Plan(again_at=observed.now + _WAIT)
    does = ", ".join(sorted({type(action).__name__ for action in steps}))
    said = "give the Deployment back"
    opened = any(isinstance(step, PatchDeployment) and step.paused is False for step in steps)
    made = decision(Act.GIVE_BACK, said, does) if opened else Decision(said, does)
    return Plan(steps, decision=made, again_at=observed.now)


def _prepare(observed: Observed, deployment: Deployment) -> Plan | None:
    """Finalizer, anchor and adoption; None when the Deployment is ours."""
    rollout = observed.rollout
    if observed.anchor is None:
        if not observed.fresh:
            return Plan(again_at=observed.now, needs_fresh=True)
        actions: list[Action] = []
        if keys.FINALIZER not in rollout.finalizers:
            finalizers = (*rollout.finalizers, keys.FINALIZER)
            actions.append(PatchRollout(rollout.ref, finalizers=finalizers))
        actions.append(
            CreateRecord(
                keys.anchor_name(rollout.ref.name),
                labels={keys.ROLLOUT_LABEL: rollout.ref.name},
                annotations={keys.DEPLOYMENT_UID: deployment.ref.uid},
            )
        )
        return Plan(tuple(actions), again_at=observed.now)
    if keys.FINALIZER not in rollout.finalizers:
        finalizers = (*rollout.finalizers, keys.FINALIZER)
        return Plan((PatchRollout(rollout.ref, finalizers=finalizers),), again_at=observed.now)
    if adoption.is_adopted(observed, deployment):
        return None
    if not observed.fresh:
        return Plan(again_at=observed.now, needs_fresh=True)
    outcome = adoption.adopt(observed, deployment)
    if isinstance(outcome, adoption.Waiting):
        return _waiting(observed, Phase.PROGRESSING, outcome.sentence, "Adopting")
    made = decision(Act.ADOPT, "adopted", f"Deployment {deployment.ref.name} is paused and ours")
    return Plan(outcome, decision=made, again_at=observed.now)


def _adopted(observed: Observed, deployment: Deployment, policy: Policy) -> Plan:
    anchor = observed.anchor
    assert anchor is not None, "_prepare makes the anchor first"
    situation = guard.halted(Situation(observed, deployment, policy, anchor.ref.uid))
    if observed.release_refused:
        # Somebody has to change something; until then the release stands still, and it alone.
        status = display.simple(observed, Phase.STALLED, observed.release_refused, "Refused")
        return replicas.with_scaling(situation, Plan(status=status))
    plan = guard.told(situation, guard.guard(situation) or _release(situation))
    return replicas.with_scaling(situation, plan)


def _release(situation: Situation) -> Plan:
    """Commands, then the old sides, then the table."""
    taken = _take_command(situation) or _finish_command(situation) or carry_out(situation)
    if taken:
        return taken
    if situation.state is not State.SWAPPING and (lowered := tidy.shrink(situation)):
        why = f"{available(situation.base)} of {situation.replicas} new pods available"
        return Plan(lowered, decision=Decision("shrink the old side", why), again_at=situation.now)
    event = first(situation)
    rule = rule_of(situation.state, event)
    actions = actions_of(situation, rule.move, event)
    if rule.move is not Move.NOTHING:
        what = _told(situation, rule.move)
        made = decision(what, rule.move.value, story.why(situation, event))
        return Plan(actions, decision=made, again_at=situation.now)
    return _at_rest(situation, event, actions)


def _told(situation: Situation, move: Move) -> Move | Act:
    """As what a move is told: a change of owner may end a release, a rollback, or neither."""
    heir = situation.heir
    if move is not Move.GIVE or heir is None:
        return move
    if situation.rolling_back or heir.role is Role.STABLE:
        return Act.FINISH_ROLLBACK
    return Act.TRY if situation.trial_swap else move


def _at_rest(situation: Situation, event: Event, actions: tuple[Action, ...]) -> Plan:
    """Nothing moves: memory and order are kept, the status is written, the next look is set."""
    chores = actions or tidy.record_facts(situation)
    if not chores and situation.state is State.SETTLED:
        chores = tidy.clean_up(situation)
    if chores:
        return Plan(chores, again_at=situation.now)
    phase = rule_of(situation.state, event).phase
    if phase is Phase.PROMOTING and situation.rolling_back:
        phase = Phase.ROLLING_BACK
    if phase is Phase.ROLLING_BACK and situation.returning and not situation.rolling_back:
        phase = Phase.PROMOTING
    status = display.full(situation, phase, event.value, story.why(situation, event))
    hashes, every_seconds = waking.pods_to_see(situation)
    return Plan(
        status=status,
        again_at=waking.wake_at(situation, every_seconds) or situation.now + _RESYNC,
        ask=waking.ask(situation),
        pods_of=hashes,
        pods_every_seconds=every_seconds,
    )


def _take_command(situation: Situation) -> Plan | None:
    rollout = situation.observed.rollout
    text = rollout.annotations.get(keys.COMMAND)
    if text is None or situation.state is State.SWAPPING:
        return None
    if command(situation) is not None and first(situation) is not Event.OVERDUE:
        # One after the other: the former one is not forgotten, unless it can come to no end.
        return None
    order = commands.accept(situation, text)
    patch = PatchRollout(rollout.ref, {keys.COMMAND: None, keys.ACCEPTED: order.dump()})
    what = Act.REFUSE_COMMAND if order.done else Act.ACCEPT_COMMAND
    made = decision(what, f'command "{order.verb}"', order.result or "accepted")
    return Plan((patch,), decision=made, again_at=situation.now)


def _finish_command(situation: Situation) -> Plan | None:
    order = command(situation)
    if order is None:
        return None
    result = commands.outcome(situation, order)
    if result is None and situation.state is State.RETURNING and first(situation) is Event.REPLACED:
        result = "given up: its pods do not come up, and the Deployment has a newer template"
    return None if result is None else finish(situation, order, result)
