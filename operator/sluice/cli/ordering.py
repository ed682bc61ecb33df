"""Orders to the operator: one annotation or one field of the Rollout, and the answer to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sluice.cli.client import Api, Json
from sluice.cli.errors import Conflict
from sluice.cli.exit_codes import Exit
from sluice.cli.facts import Facts, annotations_of, name_of, namespace_of, part
from sluice.core import keys

ANSWER_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.25
_TRIES: Final = 5
# What the operator says first where nothing was done.
_REFUSED: Final = "nothing done"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order: the sentence, the exit code, and the Rollout as it is then."""

    sentence: str
    code: Exit
    rollout: Json


Change = Callable[[Facts], Json]


def command(verb: Callable[[Facts], str]) -> Change:
    """The change that gives the operator a command; the verb is made from the present state."""
    return lambda facts: {"metadata": {"annotations": {keys.COMMAND: verb(facts)}}}


def promote(facts: Facts) -> str:
    """`promote` for the very step that the user sees: it is refused when that one is over."""
    release = facts.release
    if release.get("id") and release.get("step"):
        return f"promote={release['id']}/{release['step']}"
    return "promote"


def pause(*, paused: bool) -> Change:
    """The change of spec.paused."""
    return lambda _: {"spec": {"paused": paused}}


def give(api: Api, raw: Json, change: Change, *, dry_run: bool = False) -> tuple[Json, Json]:
    """Writes the change, guarded by the state it was made from; (before, after).

    A Rollout that has changed meanwhile is read again, unless its release is another now. Raises
    CliError.
    """
    seen = _place(raw)
    for _ in range(_TRIES):
        body = change(Facts(raw))
        meta = dict(body.get("metadata") or {})
        meta["resourceVersion"] = part(raw, "metadata").get("resourceVersion")
        try:
            after = api.patch(
                "rollouts",
                namespace_of(raw),
                name_of(raw),
                {**body, "metadata": meta},
                dry_run=dry_run,
            )
        except Conflict:
            raw = api.get("rollouts", namespace_of(raw), name_of(raw))
            if _place(raw) != seen:
                raise Conflict(
                    f"Rollout {name_of(raw)} has moved on meanwhile (now {_where(raw)}): nothing "
                    "done; look at it and give the command again"
                ) from None
            continue
        return raw, after
    raise Conflict(f"Rollout {name_of(raw)} changes all the time: nothing done; try again")


def command_answer(
    api: Api, before: Json, after: Json, *, seconds: float = ANSWER_SECONDS
) -> Answer:
    """Waits until the operator has taken the command up, and says what it made of it."""
    verb = str(annotations_of(after).get(keys.COMMAND, ""))
    old = _accepted(before).get("id")
    name = name_of(after)

    def look(raw: Json) -> Answer | None:
        accepted = _accepted(raw)
        if not accepted or accepted.get("id") == old:
            return None
        last = part(raw, "status", "lastCommand")
        if last.get("id") != accepted.get("id"):
            if not accepted.get("done"):
                return None
            last = accepted
        result = str(last.get("result") or "")
        if result.startswith(_REFUSED):
            return Answer(f"{verb}: {result}", Exit.ERROR, raw)
        under_way = "" if accepted.get("done") else f"; to follow it: kubectl sluice watch {name}"
        return Answer(f"{verb}: {result}{under_way}", Exit.OK, raw)

    silent = (
        f"{verb}: the operator has not taken the command up within {seconds:g} s: is it running? "
        "The command stays on the Rollout and is carried out when the operator is back; to take "
        f"it back: kubectl annotate -n {namespace_of(after)} slr/{name} {keys.COMMAND}-"
    )
    return _awaited(api, after, look, silent, seconds)


def spec_answer(api: Api, after: Json, what: str, *, seconds: float = ANSWER_SECONDS) -> Answer:
    """Waits until the operator has seen the changed spec, and says where the Rollout is then."""

    def look(raw: Json) -> Answer | None:
        facts = Facts(raw)
        if facts.unseen:
            return None
        return Answer(f"{what}; {facts.phase}: {facts.message}", Exit.OK, raw)

    silent = (
        f"{what}: the operator has not seen it within {seconds:g} s: is it running? "
        "The spec is changed, and is followed when the operator is back"
    )
    return _awaited(api, after, look, silent, seconds)


def _awaited(
    api: Api,
    after: Json,
    look: Callable[[Json], Answer | None],
    silent: str,
    seconds: float,
) -> Answer:
    end = time.monotonic() + seconds
    raw = after
    while True:
        if answer := look(raw):
            return answer
        if time.monotonic() >= end:
            return Answer(silent, Exit.TIMEOUT, raw)
        time.sleep(_LOOK_SECONDS)
        raw = api.get("rollouts", namespace_of(after), name_of(after))


def _accepted(raw: Json) -> dict[str, Any]:
    """The last command that the operator has taken up."""
    try:
        found = json.loads(str(annotations_of(raw).get(keys.ACCEPTED, "")))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _place(raw: Json) -> tuple[object, ...]:
    release = part(raw, "status", "release")
    return part(raw, "metadata").get("uid"), release.get("id"), release.get("step")


def _where(raw: Json) -> str:
    facts = Facts(raw)
    place = f" at step {facts.release['step']}" if facts.release.get("step") else ""
    return f"{facts.phase or 'not taken up'}{place}"
