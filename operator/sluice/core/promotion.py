"""`promote`: past what holds the release now, and only that; what was gone past is recorded."""

from __future__ import annotations

from sluice.core import keys, story
from sluice.core.commands import CANARY_STATES, Accepted
from sluice.core.events import command, first
from sluice.core.moves import patch_rising
from sluice.core.plan import Decision, PatchRollout, Plan
from sluice.core.release_data import ReleaseData, approve, override
from sluice.core.situation import Situation
from sluice.core.table import Event

_HOLDS = frozenset({Event.FAILURE_HELD, Event.NO_DATA_HELD})


def promote(situation: Situation) -> Plan | None:
    """The plan of an accepted `promote`; None when there is none.

    The canary is written first and the command's end second. Killed in between, the command is
    found carried out, because the step that it was given for is approved, set aside, or over.
    """
    order = command(situation)
    if order is None or not order.verb.startswith("promote"):
        return None
    if situation.state not in CANARY_STATES or situation.release != order.release:
        return finish(situation, order, f"release {order.release} is over")
    weight, event = situation.step.weight, first(situation)
    if situation.step_number != order.step:
        return finish(situation, order, f"step {order.step} of {order.release} is over")
    if situation.data.overridden(weight):
        return finish(situation, order, f"went past what held {story.where(situation)}")
    if event in _HOLDS:
        data = override(situation.data, weight, event.value)
        return _write(situation, order, data)
    if situation.step.approval_required:
        if weight in situation.data.approved:
            return finish(situation, order, f"{story.where(situation)} is approved")
        return _write(situation, order, approve(situation.data, weight))
    said = f"nothing done: nothing to go past; {story.why(situation, event)}"
    return finish(situation, order, said)


def finish(situation: Situation, order: Accepted, result: str) -> Plan:
    """Records that the command is done, so that it is never acted on again."""
    patch = PatchRollout(
        situation.observed.rollout.ref, {keys.ACCEPTED: order.finished(result).dump()}
    )
    decision = Decision(f'command "{order.verb}"', result)
    return Plan((patch,), decision=decision, again_at=situation.now)


def _write(situation: Situation, order: Accepted, data: ReleaseData) -> Plan:
    decision = Decision(f'command "{order.verb}"', f"at {story.where(situation)}")
    patch = patch_rising(situation, {}, data=data)
    return Plan((patch,), decision=decision, again_at=situation.now)
