"""autoscaling/v2's arithmetic for External metrics, number for number (replica_calculator.go).

It computes with whole thousandths and with floats in the places and in the order in which the
HorizontalPodAutoscaler does, since a ratio that is a hair above the tolerance is another pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite
from typing import Final

from sluice.core.scaling.policy import DEFAULT_TOLERANCE, Behavior

MOST_REPLICAS: Final = 2**31 - 1
_MOST_THOUSANDTHS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far the ratio of value to target may be from 1 without a change: down to 1 - `down` and
    up to 1 + `up`, both included.
    """

    up: float = DEFAULT_TOLERANCE
    down: float = DEFAULT_TOLERANCE

    def allows(self, ratio: float) -> bool:
        """Whether the ratio asks for no change."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Asked:
    """The replicas that a value asks for, and its ratio to the target that they come from."""

    replicas: int
    ratio: float
    within_tolerance: bool


def tolerance_of(behavior: Behavior | None) -> Tolerance:
    """Each direction's own tolerance; without a behavior block the controller-manager's."""
    if behavior is None:
        return Tolerance()
    return Tolerance(behavior.up.tolerance, behavior.down.tolerance)


def thousandths(value: float) -> int:
    """The nearest whole thousandths, as KEDA hands values to the HPA: what floats add or lack in
    the sixteenth digit is no pod. Values beyond a Quantity's int64 saturate.

    `value` must be finite.
    """
    if not isfinite(value):
        raise ValueError("a value without thousandths")
    # The text of a float rounds right where a multiplication by 1000 would already have rounded.
    number = int(f"{value:.3f}".replace(".", ""))
    return max(-_MOST_THOUSANDTHS, min(_MOST_THOUSANDTHS, number))


def by_average(sum_milli: int, target_milli: int, current: int, tolerance: Tolerance) -> Asked:
    """What a sum over all pods asks for, if each is to have `target_milli` of it.

    The tolerance is judged against the pods there are; without any, nothing is tolerated.
    """
    if current == 0:
        return Asked(_replicas(float(sum_milli) / float(target_milli)), 0.0, within_tolerance=False)
    ratio = float(sum_milli) / (float(target_milli) * float(current))
    if tolerance.allows(ratio):
        return Asked(current, ratio, within_tolerance=True)
    return Asked(_replicas(float(sum_milli) / float(target_milli)), ratio, within_tolerance=False)


def by_value(
    value_milli: int, target_milli: int, current: int, ready: int, tolerance: Tolerance
) -> Asked:
    """What a value asks for that stands for all pods together: the ready ones times its ratio to
    the target. Pods that are not ready do not make the value what it is.
    """
    ratio = float(value_milli) / float(target_milli)
    if current == 0:
        return Asked(_replicas(ratio), ratio, within_tolerance=False)
    if tolerance.allows(ratio):
        return Asked(current, ratio, within_tolerance=True)
    return Asked(_replicas(ratio * float(ready)), ratio, within_tolerance=False)


def saturated(replicas: float) -> int:
    """A number of replicas that the API can hold; what is negative is none."""
    return int(max(0, min(MOST_REPLICAS, replicas)))


def _replicas(exact: float) -> int:
    return saturated(ceil(exact))
