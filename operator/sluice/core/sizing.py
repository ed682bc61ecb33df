"""How many pods each side has: pure arithmetic of replicas, weight and availability.

N is always the Deployment's `spec.replicas`. Up to a weight of 50 the stable side has N and the
canary is extra. Above it the canary has N, and what is left of the stable side is extra.
"""

from __future__ import annotations

from math import floor
from typing import Final

# Two sides of N pods each: no canary beside a whole stable side weighs more.
MOST_BESIDE: Final = 50


def canary_size(replicas: int, weight: int) -> int:
    """Pods of a canary that shall be `weight` percent of all pods; never more than N.

    At least 1, because a release without a canary pod would judge nothing; 0 for N = 0.
    """
    if replicas == 0:
        return 0
    if weight > MOST_BESIDE:
        return replicas
    return max(1, floor(replicas * weight / (100 - weight) + 0.5))


def kept_size(replicas: int, weight: int) -> int:
    """Pods of the stable side that are left beside a canary of N pods and this weight.

    At least 1, so that there is something to compare the canary with; 0 for N = 0.
    """
    if replicas == 0:
        return 0
    if weight <= MOST_BESIDE:
        return replicas
    return max(1, floor(replicas * (100 - weight) / weight + 0.5))


def actual_weight(canary_available: int, stable_available: int) -> int:
    """The percentage of available pods that are canary: what a Service really gives."""
    total = canary_available + stable_available
    return round(100 * canary_available / total) if total else 0


def may_swap(replicas: int, max_unavailable: int, available: int) -> bool:
    """Whether the new side has enough available pods to become the Deployment's.

    This decides only when to swap; `shrunk` is what keeps N serving. At N = 0 nothing
    serves and nothing can be lost.
    """
    if replicas == 0:
        return True
    return available >= max(1, replicas - max(1, max_unavailable))


def shrunk(current: int, replicas: int, new_available: int, target: int = 0) -> int:
    """The size of an old side on its way down to `target`: with the new side it keeps N available,
    and it never grows.
    """
    return min(current, max(target, replicas - new_available))
