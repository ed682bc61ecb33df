"""What the evidence of a release says: whether it fails, and each comparison in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isinf
from typing import Final

from sluice.core.comparing import Standing
from sluice.core.evidence.counts import BAD, Counts, Cut
from sluice.core.evidence.power import Bar, share, smallest_seen
from sluice.core.evidence.sequential import Comparison, Finding, Process, judge
from sluice.core.policy import Analysis, Metric

# An e-value of its own: the canary's ratio against `max`.
_CEILING: Final = "/max"
_NO_COMPARISON: Final = Comparison()


@dataclass(frozen=True, slots=True)
class Found:
    """One comparison in numbers: ratios of bad requests on each side, how far the evidence has
    come to a Fail (0 to 1), requests that the canary has had, and all of it in words.
    """

    canary_ratio: float | None
    stable_ratio: float | None
    evidence: float
    requests: float
    sentence: str


def finding(standings: Mapping[str, Standing], confidence: float) -> Finding:
    """Whether the release fails: by the mean of all its e-values, each metric's and each max's."""
    return judge(_processes(standings), confidence)


def blamed(found: Finding) -> str:
    """The metric to blame; empty where nothing failed."""
    return (found.blamed or "").removesuffix(_CEILING)


def _processes(standings: Mapping[str, Standing]) -> dict[str, Process]:
    named = {}
    for name, standing in standings.items():
        named[name] = standing.evidence.process
        if standing.evidence.ceiling is not None:
            named[f"{name}{_CEILING}"] = standing.evidence.ceiling.process
    return named


def found_of(
    metric: Metric, standings: Mapping[str, Standing], analysis: Analysis, all_of_them: Finding
) -> Found:
    """What is known of one comparison."""
    standing = standings[metric.name]
    cut, worst = _worst(standing)
    canary, stable = worst.seen
    bar = Bar(analysis.confidence, len(_processes(standings)))
    said = f'metric "{metric.name}": {_counted(canary, stable, cut, metric)}'
    if blamed(all_of_them) == metric.name:
        said = f"{said}{_failed(metric, all_of_them, analysis.confidence)}"
    else:
        said = f"{said}{_seen_by_now(worst, bar, metric)}"
    ceiling = standing.evidence.ceiling
    heights = [standing.evidence.process, *([ceiling.process] if ceiling else [])]
    height = max(share(each, bar) for each in heights)
    return Found(_ratio(canary), _ratio(stable), height, requests(standing), said)


def requests(standing: Standing) -> float:
    """The canary's requests so far."""
    comparisons = standing.evidence.comparisons.values()
    return max((each.seen.canary.total for each in comparisons), default=0.0)


def _worst(standing: Standing) -> tuple[Cut, Comparison]:
    """The bound with the most evidence; counters have one comparison."""
    comparisons = standing.evidence.comparisons
    if not comparisons:
        return BAD, _NO_COMPARISON
    return max(comparisons.items(), key=lambda item: (item[1].log_e, item[1].seen.canary.total))


def _counted(canary: Counts, stable: Counts, cut: Cut, metric: Metric) -> str:
    what = f"slower than {cut:g}" if metric.histogram and cut != BAD else "bad"
    return f"{_share(canary)} {what} on the canary, {_share(stable)} on the stable side"


def _share(counts: Counts) -> str:
    ratio = _ratio(counts)
    percent = "" if ratio is None else f" ({100 * ratio:.3g}%)"
    return f"{counts.bad:.0f} of {counts.total:.0f} requests{percent}"


def _ratio(counts: Counts) -> float | None:
    return counts.bad / counts.total if counts.total > 0 else None


def _failed(metric: Metric, found: Finding, confidence: float) -> str:
    if found.blamed != metric.name:
        return f": above its max {metric.maximum:g}, with confidence {confidence:g}"
    times = f" than {metric.tolerance:g} times that" if metric.tolerance > 1 else ""
    return f": worse{times}, with confidence {confidence:g}"


def _seen_by_now(comparison: Comparison, bar: Bar, metric: Metric) -> str:
    smallest = smallest_seen(
        comparison.seen, bar, tolerance=metric.tolerance, dispersion=comparison.dispersion
    )
    if smallest is None or isinf(smallest):
        return "; too few to see any regression yet"
    return f"; {smallest:g} times as many would have been seen by now"
