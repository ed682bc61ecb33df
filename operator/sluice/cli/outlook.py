"""What happens next, and when: from the phase, the event that decided it, and the clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sluice.api.durations import is_duration, parse_seconds
from sluice.cli.facts import Facts, number, part
from sluice.cli.metrics import release_data
from sluice.core import keys, times


@dataclass(frozen=True, slots=True)
class Outlook:
    """What happens next, as a sentence; `at` is when, None where nobody can know."""

    sentence: str
    at: datetime | None = None


# Paused for one of these, a release goes on only when a person says so.
NEEDS_A_PERSON: Final = frozenset({"Approval", "FailureHeld", "Halted"})


def outlook(facts: Facts) -> Outlook:
    """What happens next to this Rollout."""
    if facts.deleting:
        return Outlook(f"Deployment {facts.target} gets back what was its own, then it is gone")
    if not facts.phase:
        return Outlook("nothing until the operator takes it up: is the operator running?")
    if facts.unseen:
        return Outlook("the operator reads the last change of the spec: is it running?")
    by_reason = _BY_REASON.get(facts.reason)
    return by_reason(facts) if by_reason else _BY_PHASE.get(facts.phase, _unknown_phase)(facts)


def needs_a_person(facts: Facts) -> bool:
    """Whether it is paused until somebody says how it goes on."""
    return facts.phase == "Paused" and facts.reason in NEEDS_A_PERSON


def step_ends(facts: Facts) -> datetime | None:
    """When the duration of the present step is over; None while its clock does not run."""
    started = _clock_of(facts, keys.STEP_STARTED, "stepStartedAt")
    seconds = seconds_of(_step(facts, number(facts.release, "step")).get("duration"))
    return started + timedelta(seconds=seconds) if started and seconds is not None else None


def deadline(facts: Facts) -> datetime | None:
    """When what grows now is overdue."""
    rising = facts.rising
    started = rising.at(keys.GROW_STARTED) if rising else None
    seconds = seconds_of(part(facts.rollout, "spec", "canary").get("progressDeadline"))
    return started + timedelta(seconds=seconds) if started and seconds is not None else None


def seconds_of(text: Any) -> float | None:
    """The seconds of a duration of the spec; None for what is none."""
    return parse_seconds(text) if isinstance(text, str) and is_duration(text) else None


def _clock_of(facts: Facts, annotation: str, field: str) -> datetime | None:
    """A time from the canary, which has it first, or from the status."""
    rising = facts.rising
    return (rising.at(annotation) if rising else None) or times.parse(facts.release.get(field))


def _step(facts: Facts, index: int) -> Mapping[str, Any]:
    return facts.steps[index - 1] if 0 < index <= len(facts.steps) else {}


def _healthy(facts: Facts) -> Outlook:
    weight = _step(facts, 1).get("weight")
    first = f" at step 1 ({weight}%)" if weight else ""
    return Outlook(f"a change of Deployment {facts.target}'s template starts a release{first}")


def _rolled_back(facts: Facts) -> Outlook:
    return Outlook(
        f"nothing until the template of Deployment {facts.target} changes; to try the same one "
        f"again: kubectl sluice retry {facts.name}"
    )


def _running(facts: Facts) -> Outlook:
    step = number(facts.release, "step")
    passes = (
        " unless a metric fails" if release_data(facts).get("analysis", {}).get("metrics") else ""
    )
    if _step(facts, step).get("approval") == "Required":
        then = f"step {step} waits for approval"
    elif step < len(facts.steps):
        weight = _step(facts, step + 1).get("weight")
        then = f"step {step + 1} of {len(facts.steps)} ({weight}%)"
    else:
        then = "the canary becomes the stable version"
    return Outlook(f"{then}{passes}", step_ends(facts))


def _unavailable(facts: Facts) -> Outlook:
    rising = facts.rising
    pods = f"{rising.wanted} pods" if rising else "its pods"
    if rising and rising.wanted == 1:
        pods = "its pod"
    if rising and rising.role == "stable":
        return Outlook(f"it takes its place back as soon as {pods} are available")
    if rising and rising.role == "returning":
        return Outlook(f"it becomes the stable version as soon as {pods} are available")
    verb = "is" if pods == "its pod" else "are"
    return Outlook(
        f"the canary is rolled back unless {pods} {verb} available by then (progressDeadline)",
        deadline(facts),
    )


def _unknown(facts: Facts) -> Outlook:
    data = release_data(facts)
    since = times.parse(data.get("unknownSince"))
    analysis = part(data, "analysis")
    after, action = analysis.get("no_data_after_seconds"), analysis.get("no_data_action")
    if since is None or not isinstance(after, int | float):
        return Outlook("goes on when every metric has been read for this step")
    does = {
        "Pause": "the release pauses",
        "Rollback": "the canary is rolled back",
        "Continue": "the release goes on without them",
    }.get(str(action), str(action))
    span = times.span(after)
    return Outlook(
        f"{does} unless the metrics are known by then (unknown for {span}, noData.after)",
        since + timedelta(seconds=after),
    )


def _approval(facts: Facts) -> Outlook:
    step = number(facts.release, "step")
    return Outlook(
        f"nothing until step {step} is approved: kubectl sluice promote {facts.name} "
        f"(or take the canary back: kubectl sluice abort {facts.name})"
    )


def _held(facts: Facts) -> Outlook:
    return Outlook(
        f"nothing until somebody decides: kubectl sluice promote {facts.name} goes past it, "
        f"kubectl sluice abort {facts.name} takes the canary back"
    )


def _no_data_held(facts: Facts) -> Outlook:
    return Outlook(
        "goes on by itself when the metrics are known again; not to wait for them: "
        f"kubectl sluice promote {facts.name}, or abort {facts.name}"
    )


def _low_traffic(facts: Facts) -> Outlook:
    analysis = part(release_data(facts), "analysis")
    after, action = analysis.get("low_traffic_after_seconds"), analysis.get("low_traffic_action")
    started = _clock_of(facts, keys.STEP_STARTED, "stepStartedAt")
    if started is None or not isinstance(after, int | float):
        return Outlook("goes on when the canary has had enough requests in this step")
    does = {"Pause": "the release pauses", "Continue": "the step is over without them"}
    return Outlook(
        f"{does.get(str(action), str(action))} unless the canary has had "
        f"{analysis.get('min_requests')} requests in this step by then (lowTraffic)",
        started + timedelta(seconds=after),
    )


def _low_traffic_held(facts: Facts) -> Outlook:
    return Outlook(
        "goes on by itself when the canary has had enough requests; not to wait for them: "
        f"kubectl sluice promote {facts.name}, or abort {facts.name}"
    )


def _halted(facts: Facts) -> Outlook:
    return Outlook(f"nothing until it is resumed: kubectl sluice resume {facts.name}")


def _empty(facts: Facts) -> Outlook:
    return Outlook(f"goes on when Deployment {facts.target} is scaled up from 0")


def _promoting(facts: Facts) -> Outlook:
    if facts.rising:
        at = deadline(facts)
        return Outlook("it becomes the stable version as soon as enough pods are available", at)
    return Outlook("the old pods go as the new ones become available")


def _rolling_back(facts: Facts) -> Outlook:
    if facts.rising:
        return Outlook("the earlier version serves alone as soon as its pods are available")
    return Outlook("the bad pods go; the stable version serves")


def _invalid(facts: Facts) -> Outlook:
    return Outlook(f"nothing until the spec is corrected: kubectl edit slr/{facts.name}")


def _stalled(_: Facts) -> Outlook:
    return Outlook("nothing until that is corrected; the operator looks again by itself")


def _progressing(_: Facts) -> Outlook:
    return Outlook("goes on by itself")


def _unknown_phase(facts: Facts) -> Outlook:
    return Outlook(f'this version of kubectl sluice does not know the phase "{facts.phase}"')


# By the event of the table that decided (core.table.Event), which is the conditions' reason.
_BY_REASON: Final[Mapping[str, Callable[[Facts], Outlook]]] = {
    "Approval": _approval,
    "FailureHeld": _held,
    "LowTraffic": _low_traffic,
    "LowTrafficHeld": _low_traffic_held,
    "NoDataHeld": _no_data_held,
    "Halted": _halted,
    "Empty": _empty,
    "Running": _running,
    "Unknown": _unknown,
    "Unavailable": _unavailable,
    "TemplateRejected": _rolled_back,
}
_BY_PHASE: Final[Mapping[str, Callable[[Facts], Outlook]]] = {
    "Healthy": _healthy,
    "Progressing": _progressing,
    "Paused": _held,
    "Promoting": _promoting,
    "RollingBack": _rolling_back,
    "RolledBack": _rolled_back,
    "Stalled": _stalled,
    "Invalid": _invalid,
}
