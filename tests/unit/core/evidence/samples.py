"""Samples for the tests of counting: values on a grid of ten seconds, None for a gap."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.core.evidence.counts import BAD_KIND, TOTAL_KIND, Grid, Rules, Series

START = 1_700_000_000.0
GRID = Grid(START, 10.0)
RULES = Rules(GRID)


def series(
    pod: str, kind: str, values: Sequence[float | None], labels: str = "", first: int = 0
) -> Series:
    """One series whose values begin at the instant `first` of the grid."""
    samples = [
        (START + 10.0 * index, value)
        for index, value in enumerate(values, start=first)
        if value is not None
    ]
    return Series(pod, kind, labels, samples)


def total(pod: str, values: Sequence[float | None], labels: str = "", first: int = 0) -> Series:
    """Requests of a pod."""
    return series(pod, TOTAL_KIND, values, labels, first)


def bad(pod: str, values: Sequence[float | None], labels: str = "", first: int = 0) -> Series:
    """Bad requests of a pod."""
    return series(pod, BAD_KIND, values, labels, first)
