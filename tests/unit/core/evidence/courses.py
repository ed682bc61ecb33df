"""Intervals for the tests of the sequential test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sluice.core.evidence.counts import BAD, Counts, Interval
from sluice.core.evidence.sequential import Evidence, Terms, of_counters, update

PLAIN = Terms()


def pods(**counts: tuple[float, float]) -> Mapping[str, Counts]:
    """Pods with (bad, total)."""
    return {pod: Counts(float(bad), float(total)) for pod, (bad, total) in counts.items()}


def interval(index: int, canary: Mapping[str, Counts], stable: Mapping[str, Counts]) -> Interval:
    """An interval of a metric with counters."""
    return Interval(index, {BAD: canary} if canary else {}, {BAD: stable} if stable else {})


def simple(index: int, canary: tuple[float, float], stable: tuple[float, float]) -> Interval:
    """One pod on each side, so nothing scatters."""
    return interval(index, pods(c=canary), pods(s=stable))


def after(intervals: Iterable[Interval], terms: Terms = PLAIN) -> Evidence:
    """The evidence after these."""
    evidence = of_counters(terms)
    for each in intervals:
        evidence = update(evidence, each, terms)
    return evidence
