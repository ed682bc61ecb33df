"""A decision in words. Every message begins with the number that it explains."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.core.scaling.arithmetic import thousandths
from sluice.core.scaling.kept import Cause, Explanation, Proposal
from sluice.core.scaling.policy import TargetKind


def quantity(milli: int) -> str:
    """Thousandths as a decimal number: 1400 -> `1.4`."""
    whole, rest = divmod(abs(milli), 1000)
    digits = f"{whole}.{rest:03}".rstrip("0").rstrip(".")
    return f"-{digits}" if milli < 0 else digits


def number(value: float) -> str:
    """A metric's value as it is computed with: to the thousandth."""
    return quantity(thousandths(value))


def target(proposal: Proposal) -> str:
    """`50 a pod`, or `a target of 0.7`."""
    text = quantity(proposal.target_milli)
    average = proposal.kind is TargetKind.AVERAGE_VALUE
    return f"{text} a pod" if average else f"a target of {text}"


def asks(proposal: Proposal) -> str:
    """What a known metric asks for, and why."""
    value = number(proposal.value or 0.0)
    if proposal.within_tolerance:
        return f"{proposal.name} is {value}, within the tolerance of {target(proposal)}"
    return f"{proposal.name} is {value}, {target(proposal)} asks for {proposal.replicas}"


def unknowns(proposals: Sequence[Proposal]) -> str:
    """Which metrics are not known, and the first reason; empty where all are known."""
    if not proposals:
        return ""
    first, *others = proposals
    if not others:
        return f"{first.name} is unknown ({first.unknown})"
    more = f"{len(others)} more"
    return f"{first.name} ({first.unknown}) and {more} are unknown"


def sentence(desired: int, explanation: Explanation) -> str:
    """The whole decision in one line."""
    winner = next((each for each in explanation.proposals if each.name == explanation.by), None)
    parts = [asks(winner)] if winner else []
    missing = unknowns([each for each in explanation.proposals if each.replicas is None])
    steps = [step.why for step in explanation.steps]
    if steps and explanation.steps[0].cause is Cause.UNKNOWN:
        # What is unknown and what comes of it belong together.
        parts += [", ".join(filter(None, [missing, steps[0]])), *steps[1:]]
    else:
        parts += [*([missing] if missing and winner else []), *steps]
    return f"{desired}: {'; '.join(parts)}"
