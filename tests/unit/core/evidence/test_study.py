"""The study of the verdicts in a short form, and that it judges by the formulas of the core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence.courses import after, interval

from simulation import (
    Ceiling,
    Counted,
    Sequential,
    World,
    counts,
    scatter,
    simulate,
    simulate_ceiling,
)
from sluice.core.evidence.counts import BAD, Counts, Interval
from sluice.core.evidence.sequential import LOG_CAP, Terms, dispersion, log_mean_exp
from study import INCIDENT, _share, _time, default_steps, markdown, written

SEED = 7
UNEVEN = World(60.0, 0.02, 3.0, stable_pods=3, spread=0.5, batch=3, scrape_seconds=15.0)


def random(row: int = 0) -> np.random.Generator:
    """Random numbers that are the same in every run of the tests."""
    return np.random.default_rng([SEED, row])


def as_intervals(course: list[Counted], run: int, stable_pods: int) -> list[Interval]:
    """One run of a simulated course as the core counts it; a pod without requests is absent."""

    def side(counted: Counted, pods: range) -> dict[str, Counts]:
        bad, total = counted.bad[run], counted.total[run]
        return {f"p{k}": Counts(float(bad[k]), float(total[k])) for k in pods if total[k]}

    pods = range(course[0].total.shape[1])
    return [
        interval(index, side(each, pods[stable_pods:]), side(each, pods[:stable_pods]))
        for index, each in enumerate(course, start=1)
    ]


@pytest.mark.parametrize("world", [UNEVEN, default_steps(World(200.0, 0.01, 2.0, spread=0.25))])
def test_the_simulation_judges_as_the_core_does(world: World) -> None:
    runs = 6
    course = list(counts(world, runs, random()))
    test = Sequential(runs, world.stable_pods, tolerance=1.2)
    ceiling = Ceiling(runs, 0.05)
    for counted in course:
        test.take(counted)
        ceiling.take(counted, world.stable_pods)
    since = 1 + next(k for k, each in enumerate(course) if each.instant_seconds.max() > 0)
    terms = Terms(1.2, ceiling=0.05, canary_since=since)
    for run in range(runs):
        evidence = after(as_intervals(course, run, world.stable_pods), terms)
        comparison = evidence.comparisons[BAD]
        assert comparison.logs == pytest.approx(test.logs[run])
        assert comparison.dispersion == pytest.approx(test.dispersion[run])
        assert evidence.process.log_m == pytest.approx(test.log_m[run])
        assert evidence.process.rises == test._rises[run]
        assert evidence.ceiling is not None
        assert evidence.ceiling.process.log_m == pytest.approx(ceiling.log_m[run])
    assert np.ptp(test.log_m) > 0


def test_a_run_that_was_failed_is_one_that_the_core_fails() -> None:
    world = World(80.0, 0.001, 50.0, seconds=60.0)
    course = list(counts(world, 4, random()))
    test = Sequential(4, world.stable_pods)
    for counted in course:
        test.take(counted)
    assert np.isfinite(test.found).all()
    for run in range(4):
        index = 1 + [each.instant_seconds[run] for each in course].index(test.found[run])
        intervals = as_intervals(course, run, world.stable_pods)
        at, before = (after(intervals[:k]).process.log_m for k in (index, index - 1))
        assert before < np.log(100) <= at


def test_scatter_is_the_cores_dispersion() -> None:
    total = random().integers(0, 60, (200, 5)).astype(float)
    bad = np.floor(total * random(1).random((200, 5)) ** 3)
    for k, value in enumerate(scatter(bad, total)):
        pods = {str(p): Counts(*each) for p, each in enumerate(zip(bad[k], total[k], strict=True))}
        assert dispersion(pods) == pytest.approx(value)


def failed(world: World, runs: int = 1000, **options: bool) -> float:
    """The share of releases that the sequential test fails."""
    return float(np.isfinite(simulate(world, runs, random(), **options).sequential).mean())


@pytest.mark.parametrize("ratio", [0.001, 0.01])
def test_good_releases_with_independent_requests_keep_the_promise(ratio: float) -> None:
    assert failed(World(100.0, ratio), 2000) <= 0.01


def test_pods_that_differ_are_not_taken_for_a_bad_canary() -> None:
    world = World(800.0, 0.005, spread=0.25)
    assert failed(world, phi=False) > 0.05
    assert failed(world) <= 0.05


def test_batches_of_errors_are_not_taken_for_a_bad_canary() -> None:
    world = World(800.0, 0.005, batch=10)
    assert failed(world, phi=False) > 0.05
    assert failed(world) <= 0.01


def test_a_shared_incident_is_not_taken_for_a_bad_canary() -> None:
    assert failed(World(800.0, 0.001, both=INCIDENT)) <= 0.01


def test_cold_pods_are_not_taken_for_a_bad_canary_when_their_first_time_is_left_out() -> None:
    cold = World(800.0, 0.001, cold=((0.0, 10.0), (20.0, 1.0)), seconds=120.0)
    assert failed(cold, 200) > 0.5
    assert failed(replace(cold, delay_seconds=30.0), 200) <= 0.01


def test_a_bad_canary_is_found_in_time() -> None:
    """80 requests/s, one canary of nine pods, two metrics, 5 % over 0.1 %, interval 5 s."""
    world = World(80.0, 0.001, 50.0, interval_seconds=5.0, seconds=90.0)
    found = simulate(world, 1000, random(), log_height=float(np.log(200.0))).sequential
    assert np.median(found) <= 18.5
    assert np.quantile(found, 0.95) <= 40


def test_a_canary_below_every_fixed_threshold_is_found_within_five_minutes() -> None:
    world = World(200.0, 0.001, 8.0)
    found = simulate(world, 500, random(), log_height=float(np.log(200.0)))
    assert np.isfinite(found.sequential).mean() >= 0.95
    assert all(np.isfinite(each).mean() <= 0.05 for each in found.fixed.values())


def test_fixed_thresholds_fail_at_the_minute_that_their_limit_names() -> None:
    """Argo Rollouts after more than 3 failures, Flagger at the 10th."""
    found = simulate(World(900.0, 0.5, 2.0, seconds=720.0), 20, random()).fixed
    medians = {name: round(float(np.median(each)) / 60) for name, each in found.items()}
    assert medians == dict(zip(found, (4, 10, 4, 10), strict=True))


def test_the_ceiling_fails_what_is_above_it() -> None:
    above, below = (
        np.isfinite(simulate_ceiling(World(800.0, ratio), 0.05, 200, random())).mean()
        for ratio in (0.1, 0.045)
    )
    assert above == 1.0
    assert below <= 0.01


def test_cells_say_how_many_where_a_median_would_hide_it() -> None:
    found = np.array([10.0, 20.0, 30.0, np.inf])
    assert _share(found) == "75.00%"
    assert _time(found) == "20 s (75%)"
    assert _time(np.array([10.0, 20.0, 30.0])) == "20 s (30 s)"
    assert _time(np.array([10.0, np.inf, np.inf])) == "33%"
    assert _time(np.full(3, np.inf)) == "-"
    assert _share(np.full(3, np.inf)) == "0"


def test_a_table_is_written_into_its_place() -> None:
    table = markdown([["a", "b"], ["1", "2"]])
    assert table == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    document = "x\n<!-- t -->\nold\n<!-- /t -->\ny\n"
    assert written(document, "t", table) == f"x\n<!-- t -->\n{table}\n<!-- /t -->\ny\n"
    with pytest.raises(ValueError, match="no place for 'u'"):
        written(document, "u", table)


def test_the_mean_of_exponentials_is_the_cores() -> None:
    ceiling = Ceiling(1, 0.05)
    ceiling.take(Counted(np.array([[0.0, 100.0]]), np.array([[0.0, 30.0]]), np.array([10.0])), 1)
    assert ceiling.log_m[0] == pytest.approx(min(log_mean_exp(ceiling._logs[0]), LOG_CAP))
