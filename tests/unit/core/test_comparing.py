"""Metrics that compare both sides: questions, and what the answers add to the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from counted import Scraped
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core import comparing
from sluice.core.comparing import Ground, Standing, answered, begun, queries
from sluice.core.evidence import checkpoint
from sluice.core.evidence.sequential import Sides
from sluice.core.findings import requests
from sluice.core.plan import Span
from sluice.core.policy import Analysis, Metric
from sluice.core.readings import Answer, Known, Matrix, Reason, Round, Series, Unknown

BEGAN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
GROUND: Final = Ground(BEGAN, "shop", "web-b-[a-z0-9]{5}", "web-a-[a-z0-9]{5}")
CANARY, OTHER_CANARY = "web-b-00000", "web-b-11111"
STABLE, OTHER_STABLE = "web-a-00000", "web-a-11111"
ERRORS: Final = Metric("errors", counters=('requests_total{code=~"5.."}', "requests_total"))
LATENCY: Final = Metric("latency", histogram='seconds{path="/"}')
ANALYSIS: Final = Analysis(interval_seconds=10.0, metrics=(ERRORS,))


def at(tick: int) -> datetime:
    return BEGAN + timedelta(seconds=10 * tick)


def ask(
    source: Scraped, metric: Metric, standing: Standing, tick: int, analysis: Analysis = ANALYSIS
) -> Mapping[str, Answer]:
    """What the source says to the questions of a round."""
    asked = queries(metric, analysis, GROUND, min(standing.evidence.index, tick), tick)
    return {query.name: source.answer(query) for query in asked}


def after(
    source: Scraped,
    *ticks: int,
    metric: Metric = ERRORS,
    standing: Standing | None = None,
    analysis: Analysis = ANALYSIS,
    since: int | None = None,
) -> comparing.Answered:
    """What is known after rounds at these ticks."""
    found = comparing.Answered(standing or begun(metric))
    for tick in ticks:
        values = tuple(ask(source, metric, found.standing, tick, analysis).items())
        given = Round("2-b-1", tick, at(tick), values)
        ground = replace(GROUND, serving_since=since)
        found = answered(metric, found.standing, given, analysis, ground)
    return found


def told(*, metric: Metric = ERRORS, **parts: Answer) -> comparing.Answered:
    """After one round with these answers."""
    values = tuple((f"{metric.name}/{part}", answer) for part, answer in parts.items())
    return answered(metric, begun(metric), Round("2-b-1", 3, at(3), values), ANALYSIS, GROUND)


def steady(ticks: int = 12, canary_bad: float = 1.0, stable_bad: float = 1.0) -> Scraped:
    """A stable pod that has run for long, and a canary that answers from the second instant on."""
    source = Scraped()
    for tick in range(-6, ticks + 1):
        source.scrape(STABLE, at(tick), 9000 + stable_bad * tick, 10**6 + 400 * tick)
        if tick >= 2:
            source.scrape(CANARY, at(tick), canary_bad * (tick - 1), 100 * (tick - 1))
    return source


def seen(standing: Standing) -> Sides:
    """All counts of the comparison with the most evidence."""
    return max(standing.evidence.comparisons.values(), key=lambda each: each.log_e).seen


# --- what is asked


def test_counters_are_two_questions_and_a_histogram_is_one() -> None:
    bad, total = queries(ERRORS, ANALYSIS, GROUND, 3, 5)
    assert (bad.name, bad.text) == ("errors/bad", 'requests_total{code=~"5.."}')
    assert (total.name, total.text) == ("errors/total", "requests_total")
    (buckets,) = queries(LATENCY, ANALYSIS, GROUND, 3, 5)
    assert (buckets.name, buckets.text) == ("latency/buckets", 'seconds_bucket{path="/"}')
    for query in (bad, total, buckets):
        assert query.span == Span(at(3), at(5), 10.0)
        assert (query.namespace, query.pods) == ("shop", f"{GROUND.canary}|{GROUND.stable}")


@pytest.mark.parametrize(
    ("metric", "delay", "ticks"), [(ERRORS, None, 6), (LATENCY, None, 9), (ERRORS, 25.0, 9)]
)
def test_the_first_questions_reach_back_so_that_no_old_pod_is_taken_for_a_new_one(
    metric: Metric, delay: float | None, ticks: int
) -> None:
    analysis = replace(ANALYSIS, initial_delay_seconds=delay)
    for query in queries(metric, analysis, GROUND, 0, 5):
        assert query.span == Span(at(-ticks), at(5), 10.0)


def test_no_question_reaches_back_for_ever() -> None:
    for index, most in ((0, comparing.MOST_INTERVALS_IN_ALL), (7, comparing.MOST_INTERVALS)):
        for tick in (index + most, index + most + 50):
            bad, _ = queries(ERRORS, ANALYSIS, GROUND, index, tick)
            assert bad.span is not None
            assert (bad.span.start, bad.span.end) <= (at(tick - most), at(tick))
            instants = (bad.span.end - bad.span.start).total_seconds() / 10.0
            assert instants < 11_000 if index == 0 else instants == most


# --- what the answers add


def test_both_sides_are_counted_from_the_canarys_first_sample_on() -> None:
    found = after(steady(), 6)
    assert found.unknown is None
    assert found.standing.evidence.index == 6
    assert seen(found.standing) == ((5, 500), (5, 2000))


def test_what_the_stable_version_answers_while_the_canary_serves_unscraped_belongs_to_it() -> None:
    """The canary's first sample holds all that it has answered, so the other side's must, too."""
    source = steady()
    source.pods[CANARY] = source.pods[CANARY][3:]
    assert seen(after(source, 6, since=2).standing) == ((5, 500), (5, 2000))
    assert seen(after(source, 6).standing) == ((5, 500), (2, 800))


def test_a_round_that_is_answered_again_changes_nothing() -> None:
    once = after(steady(), 6).standing
    assert after(steady(), 6, standing=once).standing == once


def test_a_clock_that_was_set_back_adds_nothing_and_is_no_good_news() -> None:
    once = after(steady(), 6).standing
    found = after(steady(), 4, standing=once)
    assert found.standing == once
    assert found.unknown is not None
    assert found.unknown.reason is Reason.STALE


def test_no_bad_request_of_the_same_counter_is_none_at_all() -> None:
    found = after(steady(canary_bad=0, stable_bad=0), 6)
    source = steady()
    for pod, scrapes in source.pods.items():
        source.pods[pod] = [scrape._replace(bad=0.0) for scrape in scrapes]
    assert isinstance(ask(source, ERRORS, begun(ERRORS), 6)["errors/bad"], Unknown)
    assert after(source, 6).unknown is None
    assert seen(after(source, 6).standing) == seen(found.standing) == ((0, 500), (0, 2000))


def test_a_counter_with_a_name_of_its_own_has_to_be_there() -> None:
    other = replace(ERRORS, counters=("failures_total", "requests_total"))
    totals = steady().answer(queries(ERRORS, ANALYSIS, GROUND, 0, 3)[1])
    found = told(metric=other, bad=Unknown(Reason.EMPTY), total=totals)
    assert found == comparing.Answered(begun(other), Unknown(Reason.EMPTY))


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.EMPTY])
@pytest.mark.parametrize("part", ["bad", "total"])
def test_an_unknown_answer_says_nothing_at_all(reason: Reason, part: str) -> None:
    source = steady()
    answers = ask(source, ERRORS, begun(ERRORS), 3)
    answers = {**answers, f"errors/{part}": Unknown(reason, "why")}
    given = Round("2-b-1", 3, at(3), tuple(answers.items()))
    found = answered(ERRORS, begun(ERRORS), given, ANALYSIS, GROUND)
    assert found == comparing.Answered(begun(ERRORS), Unknown(reason, "why"))


def test_totals_that_are_empty_are_unknown() -> None:
    found = told(bad=Unknown(Reason.EMPTY), total=Unknown(Reason.EMPTY))
    assert found.unknown == Unknown(Reason.EMPTY)


def test_a_single_value_is_no_counter() -> None:
    found = told(bad=Known(0.0), total=Known(1.0))
    assert found.unknown is not None
    assert found.unknown.reason is Reason.WRONG_TYPE


def test_half_an_answer_is_none() -> None:
    found = told(total=steady().answer(queries(ERRORS, ANALYSIS, GROUND, 0, 3)[1]))
    assert found.unknown == Unknown(Reason.UNREACHABLE, "not asked")


@pytest.mark.parametrize(("pod", "side"), [(CANARY, "canary's"), (STABLE, "stable version's")])
def test_a_side_without_series_is_unknown_not_without_requests(pod: str, side: str) -> None:
    source = steady()
    del source.pods[pod]
    found = after(source, 6)
    assert found.unknown is not None
    assert found.unknown.reason is Reason.EMPTY
    assert side in found.unknown.detail


@pytest.mark.parametrize(("pod", "side"), [(CANARY, "canary's"), (STABLE, "stable version's")])
def test_a_side_whose_series_have_ended_is_stale(pod: str, side: str) -> None:
    source = steady()
    source.pods[pod] = [scrape for scrape in source.pods[pod] if scrape.at <= at(5)]
    assert after(source, 5).unknown is None
    found = after(source, 5, 6)
    assert found.unknown is not None
    assert found.unknown.reason is Reason.STALE
    assert side in found.unknown.detail


def test_one_pod_that_is_no_longer_there_is_not_the_end_of_its_side() -> None:
    source = steady()
    for scrape in source.pods[CANARY][:3]:
        source.scrape(OTHER_CANARY, scrape.at, scrape.bad, scrape.total)
    found = after(source, 8)
    assert found.unknown is None
    assert seen(found.standing).canary == (7 + 3, 700 + 300), "it keeps what it has counted"


def test_replica_sets_whose_names_contain_each_other_are_told_apart() -> None:
    """`web-a` is stable, `web-a-b` the canary, and `web` another one beside them."""
    ground = Ground(BEGAN, "shop", "web-a-b-[a-z0-9]{5}", "web-a-[a-z0-9]{5}")
    source = Scraped()
    for tick in range(-6, 5):
        source.scrape("web-a-00000", at(tick), 0, 1000 + 100 * tick)
        source.scrape("web-a-b-00000", at(tick), 0, 10 * max(0, tick))
        source.scrape("web-00000", at(tick), 500, 7000 + 1000 * tick)
    asked = queries(ERRORS, ANALYSIS, ground, 0, 4)
    values = tuple((query.name, source.answer(query)) for query in asked)
    found = answered(ERRORS, begun(ERRORS), Round("2-b-1", 4, at(4), values), ANALYSIS, ground)
    assert seen(found.standing) == ((0, 40), (0, 400))


def test_a_new_stable_pod_that_was_not_scraped_before_brings_no_history() -> None:
    """Else one that missed its scrapes at the beginning would bring the bad requests of weeks."""
    source = steady()
    for tick in range(4, 7):
        source.scrape(OTHER_STABLE, at(tick), 70_000 + tick, 10**7 + 400 * tick)
    assert seen(after(source, 6).standing).stable == (5 + 2, 2000 + 800)


def test_a_new_canary_pods_first_value_counts() -> None:
    source = steady()
    for tick in range(4, 7):
        source.scrape(OTHER_CANARY, at(tick), 3, 50 * (tick - 3))
    assert seen(after(source, 6).standing).canary == (5 + 3, 500 + 150)


def test_a_source_that_was_replaced_brings_nothing_twice() -> None:
    source = steady()
    before = kept(after(source, 6).standing)
    for pod, scrapes in source.pods.items():
        source.pods[pod] = [scrape for scrape in scrapes if scrape.at >= at(8)]
    found = after(source, 10, standing=before)
    assert found.unknown is None
    assert seen(found.standing) == ((5 + 2, 500 + 200), (5 + 2, 2000 + 800))


def test_after_an_outage_of_many_intervals_it_goes_on_from_what_is_there_then() -> None:
    source = steady(ticks=400)
    before = kept(after(source, 6).standing)
    found = after(source, 390, standing=before)
    assert found.unknown is None
    assert found.standing.evidence.index == 390
    assert seen(found.standing).canary == (5 + 300, 500 + 30_000)


def test_cold_pods_are_left_alone_for_the_initial_delay() -> None:
    analysis = replace(ANALYSIS, initial_delay_seconds=20.0)
    found = after(steady(), 6, analysis=analysis)
    assert seen(found.standing) == ((3, 300), (3, 1200)), "from 20 s after the first sample on"


def test_histograms_leave_pods_alone_for_30_seconds_unless_told_otherwise() -> None:
    assert comparing.delay_seconds(LATENCY, ANALYSIS) == 30.0
    assert comparing.delay_seconds(ERRORS, ANALYSIS) == 0.0
    for metric in (LATENCY, ERRORS):
        analysis = replace(ANALYSIS, initial_delay_seconds=0.0)
        assert comparing.delay_seconds(metric, analysis) == 0.0


def test_a_histogram_counts_what_is_slower_than_each_bound() -> None:
    analysis = replace(ANALYSIS, initial_delay_seconds=0.0)
    found = after(steady(), 6, metric=LATENCY, analysis=analysis)
    assert found.unknown is None
    assert set(found.standing.evidence.comparisons) == {0.1}
    assert seen(found.standing) == ((5, 500), (5, 2000))


@pytest.mark.parametrize(
    ("canary", "stable", "known"),
    [("0.1", "0.1", True), ("1", "1.0", True), ("0.1", "0.2", False), ("+Inf", "0.1", False)],
)
def test_histograms_without_a_bucket_in_common_cannot_be_compared(
    canary: str, stable: str, known: bool
) -> None:
    def buckets(pod: str, le: str) -> list[Series]:
        bounds = dict.fromkeys([le, "+Inf"])
        samples = tuple((at(tick).timestamp(), 100.0 * tick) for tick in range(4))
        return [Series(pod, (("le", bound),), samples) for bound in bounds]

    answer = Matrix((*buckets(CANARY, canary), *buckets(STABLE, stable)))
    found = told(metric=LATENCY, buckets=answer)
    said = Unknown(Reason.EMPTY, "both sides have no bucket in common")
    assert found.unknown == (None if known else said)


def test_a_maximum_of_its_own_is_an_e_value_more() -> None:
    with_max = replace(ERRORS, maximum=0.05)
    good = after(steady(), 8, metric=with_max).standing.evidence
    assert good.ceiling is not None
    assert good.ceiling.process.log_m < 0
    bad = after(steady(canary_bad=50, stable_bad=200), 8, metric=with_max).standing.evidence
    assert bad.ceiling is not None
    assert bad.ceiling.process.log_m > 5, "both sides are as bad: only the maximum says so"
    assert bad.process.log_m < 1


# --- restarts


def kept(standing: Standing) -> Standing:
    """As a new process finds it in the annotation."""
    return Standing(*checkpoint.load(checkpoint.dump(standing.evidence, standing.tally, 0.0, ())))


counts = st.tuples(st.integers(0, 20), st.integers(0, 60))
lives = st.lists(st.none() | counts, min_size=20, max_size=20)


def lived(source: Scraped, pod: str, life: list[tuple[int, int] | None], history: int) -> None:
    """A pod's scrapes, with gaps, from the beginning on; an old one has a history before."""
    bad = total = float(history)
    if history:
        source.scrape(pod, at(-1), bad, total)
    for tick, counted in enumerate(life, start=1):
        if counted is not None:
            bad, total = bad + min(counted), total + max(counted)
            source.scrape(pod, at(tick), bad, total)


@settings(deadline=None, max_examples=200)
@given(lives, lives, lives, st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)))
def test_restarts_and_missed_rounds_change_nothing(
    canary: list[tuple[int, int] | None],
    other: list[tuple[int, int] | None],
    stable: list[tuple[int, int] | None],
    rounds: set[int],
    restarts: set[int],
) -> None:
    """Rounds at any ticks, a new process after any of them: as one round over all of it."""
    source = Scraped()
    lived(source, CANARY, canary, 0)
    lived(source, OTHER_CANARY, other, 0)
    lived(source, STABLE, stable, 1000)
    # It is always there: nothing is lost to a source that knew nothing.
    for tick in range(-6, 21):
        source.scrape(OTHER_STABLE, at(tick), 50, 5000 + tick)
    standing = begun(ERRORS)
    for tick in sorted({*rounds, *restarts, 20}):
        standing = after(source, tick, standing=standing).standing
        if tick in restarts:
            standing = kept(standing)
    whole = after(source, 20).standing
    assert standing.evidence == whole.evidence
    assert requests(standing) == requests(whole)


def test_three_unknown_rounds_are_caught_up_with() -> None:
    source = steady()
    standing = after(source, 3).standing
    for tick in (4, 5, 6):
        values = tuple(
            (query.name, Unknown(Reason.TIMEOUT))
            for query in queries(ERRORS, ANALYSIS, GROUND, standing.evidence.index, tick)
        )
        found = answered(ERRORS, standing, Round("2-b-1", tick, at(tick), values), ANALYSIS, GROUND)
        assert found == comparing.Answered(standing, Unknown(Reason.TIMEOUT))
    found = after(source, 7, standing=standing)
    assert found.unknown is None
    assert found.standing.evidence == after(source, *range(1, 8)).standing.evidence


def test_a_pod_that_is_gone_for_longer_than_prometheus_looks_back_is_forgotten() -> None:
    source = steady(ticks=40)
    source.pods[CANARY] = source.pods[CANARY][:4]
    source.scrape(OTHER_CANARY, at(40), 0, 10)
    standing = after(source, 35).standing
    assert comparing.gone(standing, 10.0) == frozenset()
    assert comparing.gone(after(source, 36, standing=standing).standing, 10.0) == {CANARY}


def test_an_answer_never_names_a_pod_of_neither_side() -> None:
    """A source that filters wrongly adds nothing."""
    stranger = Series("cart-00000", (), ((at(3).timestamp(), 9.0),))
    found = told(bad=Matrix((stranger,)), total=Matrix((stranger,)))
    assert found.unknown is not None
    assert found.standing == begun(ERRORS)
