"""How many pods each side has: pure arithmetic of replicas, weight and availability.

N is always the Deployment's `spec.replicas`; a canary is extra and never takes from it.
"""

from __future__ import annotations

from math import floor


def canary_size(replicas: int, weight: int) -> int:
    """Pods of a canary that shall be `weight` percent of all pods (weight <= 50), beside N.

    At least 1, because a release without a canary pod would judge nothing; 0 for N = 0.
    """
    if replicas == 0:
        return 0
    return max(1, floor(replicas * weight / (100 - weight) + 0.5))


def actual_weight(canary_available: int, stable_available: int) -> int:
    """The percentage of available pods that are canary: what a Service really gives."""
    total = canary_available + stable_available
    return round(100 * canary_available / total) if total else 0


def may_swap(replicas: int, max_unavailable: int, available: int) -> bool:
    """Whether the new side has enough available pods to become the Deployment's.

    This decides only when to swap; `shrunk_retired` is what keeps N serving. At N = 0 nothing
    serves and nothing can be lost.
    """
    if replicas == 0:
        return True
    return available >= max(1, replicas - max(1, max_unavailable))


def shrunk_retired(current: int, replicas: int, new_available: int) -> int:
    """The size of a good old side after the swap: with the new one it keeps N available."""
    return min(current, max(0, replicas - new_available))


def shrunk_rejected(current: int, replicas: int, max_unavailable: int, good_available: int) -> int:
    """The size of a bad side after a rollback's swap: it goes as fast as maxUnavailable allows."""
    return min(current, max(0, replicas - max_unavailable - good_available))
