"""Commands: an annotation on the Rollout, accepted at most once, then acted on until it is done.

`sluice.dev/command` is taken away in the same guarded patch that writes `sluice.dev/accepted`, so a
command is never carried out twice, whenever the operator dies. What is accepted names its goal;
acting is level-triggered from that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from sluice.core import keys, times
from sluice.core.objects import ReplicaSet, Role
from sluice.core.situation import Situation, State

VERBS: Final = ("promote", "promote-full", "abort", "retry", "rollback", "restart")
_PLAIN_VERBS: Final = frozenset({"promote-full", "abort", "retry", "restart"})
# A canary that is not the stable version yet.
CANARY_STATES: Final = frozenset(
    {State.GROWING, State.STEPPING, State.RAISING, State.FILLING, State.TRYING}
)
_RETURNS: Final = frozenset({State.RETURNING, State.RECLAIMING})


def _takes_back(situation: Situation) -> bool:
    """Whether a release is under way that can simply be taken back, a fast one included."""
    if situation.state is State.RETURNING:
        return not situation.rolling_back
    return situation.state in CANARY_STATES


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command that was accepted: its goal, and once it is done, its result.

    `release` and `step` are those it was given for; `source` and `target` are the template hashes
    that a rollback leads from and to.
    """

    id: str
    verb: str
    at: str
    release: str = ""
    step: int = 0
    source: str = ""
    target: str = ""
    done: bool = False
    result: str = ""

    @property
    def name(self) -> str:
        """The verb without its argument."""
        return self.verb.partition("=")[0]

    def dump(self) -> str:
        """The JSON for the annotation."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def finished(self, result: str) -> Accepted:
        """The same command, done: it is never acted on again."""
        return replace(self, done=True, result=result)


def accepted(annotations: Mapping[str, str]) -> Accepted | None:
    """The last accepted command; None when there is none or it cannot be read."""
    text = annotations.get(keys.ACCEPTED)
    if text is None:
        return None
    try:
        command = Accepted(**json.loads(text))
    except (RecursionError, TypeError, ValueError):
        return None
    kinds = {field.name: type(field.default) for field in fields(Accepted)[3:]}
    texts = dict.fromkeys(("id", "verb", "at"), str)
    sound = all(isinstance(getattr(command, n), kind) for n, kind in {**kinds, **texts}.items())
    return command if sound else None


def accept(situation: Situation, text: str) -> Accepted:
    """Takes a command up: finds its goal in the present situation, or says why it has none."""
    verb, _, argument = text.strip().partition("=")
    ref = situation.observed.rollout.ref
    command = Accepted(
        id=f"{ref.uid}/{ref.resource_version}",
        verb=text.strip()[:80],
        at=times.stamp(situation.now),
        release=situation.release,
        step=situation.step_number,
    )
    if argument and verb in _PLAIN_VERBS:
        return command.finished(f'nothing done: {verb} takes no argument; write "{verb}"')
    match verb:
        case "rollback":
            return _accept_rollback(situation, command, argument)
        case "abort":
            return _accept_abort(situation, command)
        case "promote" | "promote-full":
            return _accept_promote(situation, command, argument)
        case "retry":
            return _accept_retry(situation, command)
        case "restart":
            return _accept_restart(situation, command)
    known = ", ".join(VERBS)
    return command.finished(f'nothing done: unknown command "{verb[:40]}"; known are {known}')


def outcome(situation: Situation, command: Accepted) -> str | None:
    """What came of a command whose goal is reached or out of reach; None while it is under way.

    This is for `abort` and `rollback`; the others end where they are carried out.
    """
    if command.name not in ("abort", "rollback"):
        return None
    stable = situation.stable
    if not command.target:
        under_way = _takes_back(situation) and situation.release == command.release
        return None if under_way else f"release {command.release} was taken back"
    if stable is None or situation.state is State.SWAPPING:
        return None
    if stable.template_hash == command.target:
        return f"went back to revision {stable.revision}"
    if stable.template_hash != command.source:
        return "nothing done: another version has become stable since"
    if situation.of_template(command.target) is None:
        return "nothing done: the ReplicaSet to go back to is gone"
    return None


def previous(situation: Situation) -> ReplicaSet | None:
    """The version that was stable before the present one and is not rejected."""
    return max(_history(situation), key=lambda rs: rs.revision, default=None)


def _history(situation: Situation) -> list[ReplicaSet]:
    return [
        rs
        for rs in situation.ours
        if keys.STABLE_AT in rs.annotations
        and rs.template_hash not in situation.rejected
        and rs.role not in (Role.CANARY, Role.STABLE)
    ]


def _accept_rollback(situation: Situation, command: Accepted, argument: str) -> Accepted:
    stable = situation.stable
    if _takes_back(situation) and argument in ("", str(stable.revision) if stable else ""):
        return command
    if situation.stable is None:
        return command.finished("nothing done: there is no stable version to go back from")
    if situation.state in _RETURNS and not argument:
        return command.finished(f"nothing done: already going back, release {situation.release}")
    target = previous(situation)
    if argument:
        fitting = (rs for rs in _history(situation) if str(rs.revision) == argument)
        target = next(fitting, None)
    if target is None:
        numbers = ", ".join(str(rs.revision) for rs in _history(situation)) or "none"
        wanted = f"revision {argument[:20]}" if argument else "an earlier version"
        return command.finished(
            f"nothing done: {wanted} is not in the history (revisions: {numbers})"
        )
    return replace(command, source=situation.stable.template_hash, target=target.template_hash)


def _accept_abort(situation: Situation, command: Accepted) -> Accepted:
    if _takes_back(situation):
        return command
    if situation.state in _RETURNS:
        said = "nothing done: a rollback is under way; rollback=N goes to another revision"
        return command.finished(said)
    if situation.state is State.SHRINKING and not situation.rolling_back:
        return command.finished("nothing done: the release is promoted already; use rollback")
    return command.finished("nothing done: no release is under way")


def _accept_retry(situation: Situation, command: Accepted) -> Accepted:
    template = situation.deployment.template_hash
    if template not in situation.rejected:
        return command.finished("nothing done: the Deployment's template is not rejected")
    return replace(command, target=template)


def _accept_restart(situation: Situation, command: Accepted) -> Accepted:
    if situation.deployment.template_hash in situation.rejected:
        said = "nothing done: the Deployment's template is rejected; retry releases it again"
        return command.finished(said)
    return command


def _accept_promote(situation: Situation, command: Accepted, argument: str) -> Accepted:
    if situation.state not in CANARY_STATES:
        return command.finished("nothing done: no release is under way")
    present = f"{situation.release}/{situation.step_number}"
    if argument and argument != present:
        return command.finished(
            f"nothing done: {argument[:60]} is over; the release is at {present}"
        )
    return command
