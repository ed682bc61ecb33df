"""The comparison of canary and stable: a sequential test that may be looked at after every scrape.

For one interval with requests n_c, n_s and bad ones e_c, e_s, and the tolerance t: were the canary
r times as bad as is tolerated, a bad request would be the canary's with the chance
p_r = r*t*n_c / (r*t*n_c + n_s). For each r of RATIOS the likelihood ratio against p_1 grows by

    L_r += e_c ln(p_r / p_1) + e_s ln((1 - p_r) / (1 - p_1))
         = e_c ln r - (e_c + e_s) ln(1 + (r - 1) p_1)

E = mean over r of exp(L_r / phi), and what counts is M_t = M_(t-1) * min(E_t / E_(t-1), 50).

What is promised: with phi = 1, E is a supermartingale for independent requests of which the
canary's are no worse than tolerated (Lindon & Malek, "Anytime-valid inference for multinomial
count data", NeurIPS 2022; 1 + x <= exp(x) makes it so for Bernoulli counts at every t), so by
Ville's inequality it ever reaches 1/alpha with a chance of at most alpha. A phi > 1 takes nothing
from that, whatever it depends on: mean(exp(L_r)^(1/phi)) <= E^(1/phi) (Jensen), which reaches
1/alpha only when E has. And M <= E on every path, since each of its factors is at most
E_t / E_(t-1). Where several e-values with different phis are averaged, alpha / (1 - alpha) is what
is proved (each is at most max(1, E)): 1.01 % for 1 %.

phi is for requests that are not independent and pods that differ: by how much more the stable pods'
own counts scatter than independent requests would, Pearson's chi-squared per degree of freedom.
Its highest value stays, from when it was measured with enough bad requests to mean something.
The cap of 50 is for an incident of both sides whose edge reaches their scrapes at different
moments: one interval can be as wrong as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, fsum, log, log1p
from typing import Final, NamedTuple

from sluice.core.evidence.counts import BAD, NONE, Counts, Cut, Interval, PodCounts

RATIOS: Final = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
LOG_CAP: Final = log(50.0)
# By how much one interval's evidence may be wrong; more intervals than one have to agree.
FEWEST_INTERVALS: Final = 2
# Pods beyond these say little more of how pods scatter, and each costs room in the checkpoint.
SCATTER_PODS: Final = 64
# A pod with fewer requests than this share of the average pod's tells nothing of the scatter: one
# bad request among a new pod's first three would say that pods differ by a factor of a hundred.
SCATTER_SHARE: Final = 0.1
# With fewer bad requests per pod than this, two of them in one pod by chance are a scatter of 2 or
# more. It holds while it lasts; only later ones stay.
SCATTER_BAD: Final = 2.0

_LOG_RATIOS: Final = tuple(log(ratio) for ratio in RATIOS)
_NOTHING_YET: Final = (0.0,) * len(RATIOS)

Logs = tuple[float, ...]


class Sides(NamedTuple):
    """The counts of both sides."""

    canary: Counts = NONE
    stable: Counts = NONE

    def plus(self, canary: Counts, stable: Counts) -> Sides:
        """Both sides with these added."""
        return Sides(self.canary.plus(canary), self.stable.plus(stable))


_NO_COUNTS: Final = Sides()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a metric's canary is held to.

    `tolerance` is how many times the stable side's ratio is still accepted (>= 1), `ceiling` a
    ratio that the canary's own must not be above (0 < ceiling < 0.99), whatever the stable side's.
    `canary_since` is the interval in which the canary's first pod became ready. From then on both
    sides' requests belong to the comparison; unknown, they do from the canary's first sample, and
    what the stable side answered while that was awaited is lost to it.
    """

    tolerance: float = 1.0
    ceiling: float | None = None
    canary_since: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Canary and stable compared by one cut.

    `logs` are the L_r, `dispersion` is phi, `carried` waits for the side that had no requests,
    `pods` are the stable pods' counts since the release began, `seen` all counts that were taken
    into the comparison. What the stable side counts before it has `started` belongs to none.
    """

    logs: Logs = _NOTHING_YET
    dispersion: float = 1.0
    carried: Sides = _NO_COUNTS
    pods: PodCounts = field(default_factory=dict)
    seen: Sides = _NO_COUNTS
    started: bool = False

    @property
    def log_e(self) -> float:
        """The natural logarithm of E."""
        return log_mean_exp([value / self.dispersion for value in self.logs])


@dataclass(frozen=True, slots=True)
class Process:
    """M: its natural logarithm, and in how many intervals it rose."""

    log_m: float = 0.0
    rises: int = 0

    def moved(self, log_e_before: float, log_e_after: float) -> Process:
        """M after an interval that took E from one value to the other."""
        step = min(log_e_after - log_e_before, LOG_CAP)
        return Process(self.log_m + step, self.rises + (step > 0))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The test of the canary's own ratio against `max`; without phi.

    Phi says by how much stable pods scatter. That pods differ is no excuse for being above a
    ceiling, and one sick stable pod would take the ceiling away in the incident that it is for.
    """

    logs: Logs = _NOTHING_YET
    process: Process = Process()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one metric of a release, up to the interval `index`.

    A histogram has a comparison for each bound that both sides have. Until the canary has been
    seen (`settled`) these are the stable side's. E is the mean of their E.
    """

    index: int = 0
    comparisons: Mapping[Cut, Comparison] = field(default_factory=dict)
    settled: bool = False
    process: Process = Process()
    ceiling: Ceiling | None = None

    @property
    def log_e(self) -> float:
        """The natural logarithm of E; 0 without a comparison."""
        logs = [comparison.log_e for comparison in self.comparisons.values()]
        return log_mean_exp(logs) if logs else 0.0


def of_counters(terms: Terms) -> Evidence:
    """A release's evidence before its first interval, for a metric with counters."""
    ceiling = Ceiling() if terms.ceiling is not None else None
    return Evidence(comparisons={BAD: Comparison()}, settled=True, ceiling=ceiling)


def of_histogram() -> Evidence:
    """A release's evidence before its first interval, for a histogram."""
    return Evidence()


def update(evidence: Evidence, interval: Interval, terms: Terms) -> Evidence:
    """The evidence with one more interval; one that is known already changes nothing."""
    if interval.index <= evidence.index:
        return evidence
    evidence = _settle(evidence, interval)
    since = terms.canary_since
    awaited = since is not None and interval.index >= since
    comparisons = {
        cut: _weigh(
            replace(before, started=True) if awaited and not before.started else before,
            interval.canary.get(cut, {}),
            interval.stable.get(cut, {}),
            terms.tolerance,
        )
        for cut, before in evidence.comparisons.items()
    }
    after = replace(evidence, index=interval.index, comparisons=comparisons)
    after = replace(after, process=evidence.process.moved(evidence.log_e, after.log_e))
    if after.ceiling is None or terms.ceiling is None:
        return after
    own = _sum(interval.canary.get(BAD, {}).values())
    return replace(after, ceiling=_against(after.ceiling, own, terms.ceiling))


def _settle(evidence: Evidence, interval: Interval) -> Evidence:
    if evidence.settled:
        return evidence
    cuts = sorted({*evidence.comparisons, *interval.stable})
    known = {cut: evidence.comparisons.get(cut, Comparison()) for cut in cuts}
    common = {cut: known[cut] for cut in cuts if cut in interval.canary}
    return replace(evidence, comparisons=common or known, settled=bool(common))


def _weigh(
    before: Comparison, canary: PodCounts, stable: PodCounts, tolerance: float
) -> Comparison:
    pods = _gathered(before.pods, stable)
    lasting = before.dispersion if _telling(before.pods) else 1.0
    scatter = max(lasting, dispersion(pods))
    if not before.started and not canary:
        # An incident that is over may be in it. Only its scatter is of use.
        return replace(before, pods=pods, dispersion=scatter)
    canary_counts, stable_counts = _sum(canary.values()), _sum(stable.values())
    sides = before.carried.plus(canary_counts, stable_counts)
    complete = sides.canary.total > 0 and sides.stable.total > 0
    return Comparison(
        logs=_compared(before.logs, sides, tolerance) if complete else before.logs,
        dispersion=scatter,
        carried=_NO_COUNTS if complete else sides,
        pods=pods,
        seen=before.seen.plus(canary_counts, stable_counts),
        started=True,
    )


def _compared(logs: Logs, sides: Sides, tolerance: float) -> Logs:
    share = canary_share(sides.canary.total, sides.stable.total, tolerance)
    canary_bad, bad = sides.canary.bad, sides.canary.bad + sides.stable.bad
    return tuple(
        value + gain(canary_bad, bad, share, ratio, log_ratio)
        for value, ratio, log_ratio in zip(logs, RATIOS, _LOG_RATIOS, strict=True)
    )


def canary_share(canary_total: float, stable_total: float, tolerance: float) -> float:
    """The chance that a bad request is the canary's when it is just as bad as is tolerated."""
    return tolerance * canary_total / (tolerance * canary_total + stable_total)


def gain(canary_bad: float, bad: float, share: float, ratio: float, log_ratio: float) -> float:
    """What the counts add to L_r."""
    return canary_bad * log_ratio - bad * log1p((ratio - 1.0) * share)


def _against(ceiling: Ceiling, own: Counts, limit: float) -> Ceiling:
    if own.total <= 0:
        return ceiling
    logs = tuple(
        value + _gain_over_limit(own, limit, min(0.99, ratio * limit))
        for value, ratio in zip(ceiling.logs, RATIOS, strict=True)
    )
    process = ceiling.process.moved(log_mean_exp(ceiling.logs), log_mean_exp(logs))
    return Ceiling(logs, process)


def _gain_over_limit(own: Counts, limit: float, alternative: float) -> float:
    good = own.total - own.bad
    return own.bad * log(alternative / limit) + good * (log1p(-alternative) - log1p(-limit))


def _gathered(pods: PodCounts, interval: PodCounts) -> PodCounts:
    gathered = dict(pods)
    for pod in sorted(interval):
        if pod in gathered:
            gathered[pod] = gathered[pod].plus(interval[pod])
        elif len(gathered) < SCATTER_PODS:
            gathered[pod] = interval[pod]
    return gathered


def dispersion(pods: PodCounts) -> float:
    """Pearson's chi-squared of the pods' bad requests per degree of freedom, at least 1.

    1 means that they scatter as independent requests of one ratio do. It is 1 for fewer than two
    pods, and while nothing or everything was bad.
    """
    counts = _comparable(pods)
    bad, total = _sum(counts)
    if len(counts) < 2 or not 0 < bad < total:
        return 1.0
    ratio = bad / total
    squares = fsum((each.bad - each.total * ratio) ** 2 / each.total for each in counts)
    return max(1.0, squares / (ratio * (1.0 - ratio)) / (len(counts) - 1))


def _comparable(pods: PodCounts) -> list[Counts]:
    counts = [each for each in pods.values() if each.total > 0]
    enough = SCATTER_SHARE * _sum(counts).total / max(1, len(counts))
    return [each for each in counts if each.total >= enough]


def _telling(pods: PodCounts) -> bool:
    counts = _comparable(pods)
    return _sum(counts).bad >= SCATTER_BAD * max(1, len(counts))


def _sum(counts: Iterable[Counts]) -> Counts:
    bad = total = 0.0
    for each in counts:
        bad += each.bad
        total += each.total
    return Counts(bad, total)


def log_mean_exp(values: Sequence[float]) -> float:
    """ln(mean(exp(v))), without an overflow for any finite values."""
    highest = max(values)
    return highest + log(fsum(exp(value - highest) for value in values) / len(values))


@dataclass(frozen=True, slots=True)
class Finding:
    """What all e-values of a release say together.

    `log_mean` is the logarithm of their mean, `blamed` the name of the largest where it fails.
    """

    log_mean: float
    failed: bool
    blamed: str | None = None


def threshold(confidence: float) -> float:
    """ln(1/alpha): what the logarithm of the mean of all e-values must reach for a Fail."""
    return -log1p(-confidence)


def judge(processes: Mapping[str, Process], confidence: float) -> Finding:
    """Whether the canary fails. `processes` are all of the release, with those that have seen
    nothing yet: each comparison, and each ceiling, by a name that people know.
    """
    if not processes:
        return Finding(0.0, failed=False)
    log_mean = log_mean_exp([process.log_m for process in processes.values()])
    largest = max(processes, key=lambda name: processes[name].log_m)
    enough = processes[largest].rises >= FEWEST_INTERVALS
    failed = enough and log_mean >= threshold(confidence)
    return Finding(log_mean, failed, largest if failed else None)
