"""The verdict on a release."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from counted import Scraped
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sluice.core.comparing import Ground, queries
from sluice.core.policy import Analysis, Metric
from sluice.core.readings import Answer, Known, Reason, Round, Unknown
from sluice.core.release_data import Failure, ReleaseData
from sluice.core.verdict import Judgement, Verdict, judge, judge_all, overall
from sluice.core.verdict import fold as fold_in

Value = Known | Unknown
COMPARED = Metric("errors", counters=('all_total{code="500"}', "all_total"))

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD, BAD = Known(0.0), Known(1.0)
NONE = Unknown(Reason.EMPTY)

GROUND = Ground(START, "shop", "web-bbbb-[a-z0-9]{5}", "web-aaaa-[a-z0-9]{5}")


def fold(data: ReleaseData, readings: Round) -> ReleaseData:
    return fold_in(data, readings, GROUND)


def data(*metrics: Metric) -> ReleaseData:
    return ReleaseData(Analysis(metrics=metrics or (Metric("errors", "q", maximum=0.5),)))


def asked(tick: int, **values: Value) -> Round:
    at = START + timedelta(seconds=10 * tick)
    return Round("2-abcde-1", tick, at, tuple(values.items()))


def after(start: ReleaseData, *values: Value) -> ReleaseData:
    """The data after these readings of `errors`, one a tick."""
    first = 0 if start.tick is None else start.tick + 1
    for tick, value in enumerate(values, start=first):
        start = fold(start, asked(tick, errors=value))
    return start


@pytest.mark.parametrize("value", [0.1, 0.3, 0.5])
def test_both_ends_of_the_range_pass(value: float) -> None:
    metric = Metric("errors", "q", minimum=0.1, maximum=0.5)
    judgement = judge(metric, Known(value), 0)
    assert (judgement.verdict, judgement.failed) == (Verdict.PASS, False)
    assert judgement.sentence == (
        f'metric "errors" is {value:.4g}, within at least 0.1 and at most 0.5'
    )


@pytest.mark.parametrize(
    ("value", "said"), [(0.51, "above its maximum 0.5"), (0.09, "below its minimum 0.1")]
)
def test_a_value_out_of_range_fails_and_names_the_limit(value: float, said: str) -> None:
    metric = Metric("errors", "q", minimum=0.1, maximum=0.5)
    judgement = judge(metric, Known(value), 1)
    assert judgement == Judgement(
        "errors", Verdict.FAIL, value, f'metric "errors" is {value:.4g}, {said}', failed=True
    )


@pytest.mark.parametrize(
    ("failures", "verdict"), [(1, Verdict.UNKNOWN), (2, Verdict.UNKNOWN), (3, Verdict.FAIL)]
)
def test_readings_within_the_failure_limit_are_neither_good_nor_bad(
    failures: int, verdict: Verdict
) -> None:
    judgement = judge(Metric("errors", "q", maximum=0.5, failure_limit=2), BAD, failures)
    assert judgement.verdict is verdict
    assert judgement.failed is (verdict is Verdict.FAIL)
    assert f"({failures} in a row, 2 accepted)" in judgement.sentence


@pytest.mark.parametrize("reason", Reason)
def test_an_unknown_reading_neither_passes_nor_fails(reason: Reason) -> None:
    judgement = judge(Metric("errors", "q", maximum=0.5), Unknown(reason, "why"), 99)
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.value is None
    assert not judgement.failed
    assert judgement.reason is reason
    mend = "; correct it in the Rollout, then abort and retry"
    then = mend if reason is Reason.BAD_QUERY else ""
    assert judgement.sentence == f'metric "errors" is unknown ({reason}: why){then}'


@pytest.mark.parametrize(
    ("verdicts", "result"),
    [
        ("", Verdict.PASS),
        ("pp", Verdict.PASS),
        ("pu", Verdict.UNKNOWN),
        ("up", Verdict.UNKNOWN),
        ("puf", Verdict.FAIL),
        ("fp", Verdict.FAIL),
        ("pt", Verdict.TOO_FEW),
        ("tp", Verdict.TOO_FEW),
        ("tu", Verdict.UNKNOWN),
        ("tf", Verdict.FAIL),
    ],
)
def test_one_failure_fails_one_unknown_holds_and_few_requests_wait(
    verdicts: str, result: Verdict
) -> None:
    short = {"p": Verdict.PASS, "u": Verdict.UNKNOWN, "f": Verdict.FAIL, "t": Verdict.TOO_FEW}
    assert overall(tuple(Judgement("m", short[v], None, "") for v in verdicts)) is result


def test_metrics_are_judged_in_the_order_of_the_frozen_analysis() -> None:
    start = data(Metric("a", "q", maximum=1), Metric("b", "q", maximum=1))
    judged = judge_all(start, asked(1, other=BAD, b=GOOD, a=NONE))
    assert [(j.metric, j.verdict) for j in judged] == [("a", Verdict.UNKNOWN), ("b", Verdict.PASS)]


def test_a_good_reading_changes_nothing_that_would_have_to_be_written() -> None:
    start = data()
    assert after(start, GOOD, GOOD, GOOD) is start


def test_a_bad_reading_is_a_failure_with_its_sentence() -> None:
    assert after(data(), BAD).failure == Failure(
        "errors", 'metric "errors" is 1, above its maximum 0.5'
    )


def test_a_failure_stays_although_later_readings_are_good() -> None:
    failed = after(data(), BAD)
    later = after(failed, GOOD, GOOD)
    assert later.failure == failed.failure
    assert later.failures == ()


def test_only_more_bad_readings_in_a_row_than_the_limit_are_a_failure() -> None:
    start = data(Metric("errors", "q", maximum=0.5, failure_limit=2))
    assert after(start, BAD, BAD).failure is None
    assert after(start, BAD, BAD, GOOD, BAD, BAD).failure is None
    assert after(start, BAD, BAD, GOOD, BAD, BAD, BAD).failure is not None


def test_an_unknown_reading_between_bad_ones_neither_counts_nor_forgives() -> None:
    start = data(Metric("errors", "q", maximum=0.5, failure_limit=1))
    assert after(start, BAD, NONE).failures == (("errors", 1),)
    assert after(start, BAD, NONE, NONE).failure is None
    assert after(start, BAD, NONE, BAD).failure is not None


def test_unknown_counts_from_the_first_of_its_rounds_in_a_row() -> None:
    start = data()
    assert after(start, NONE, NONE, NONE).unknown_since == START
    again = after(after(start, NONE, NONE), GOOD)
    assert again.unknown_since is None
    assert fold(again, asked(9, errors=NONE)).unknown_since == START + timedelta(seconds=90)


def test_one_metric_that_is_unknown_is_enough() -> None:
    start = data(Metric("a", "q", maximum=1), Metric("b", "q", maximum=1))
    assert fold(start, asked(0, a=GOOD, b=NONE)).unknown_since == START


def test_a_failed_metric_is_blamed_though_another_one_is_unknown() -> None:
    start = data(Metric("a", "q", maximum=0.5), Metric("b", "q", maximum=0.5))
    folded = fold(start, asked(0, a=NONE, b=BAD))
    assert folded.failure is not None
    assert folded.failure.metric == "b"


values = st.sampled_from([GOOD, BAD, NONE])
rounds = st.lists(
    st.tuples(st.integers(0, 3), st.dictionaries(st.sampled_from("ab"), values)), max_size=12
)
analyses = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
    lambda limits: data(
        *(
            Metric(name, "q", maximum=0.5, failure_limit=limit)
            for name, limit in zip("ab", limits, strict=True)
        )
    )
)


def played(start: ReleaseData, steps: list[tuple[int, dict[str, Value]]]) -> list[Round]:
    """Rounds whose ticks rise, with gaps."""
    tick, result = 0, []
    for gap, answers in steps:
        tick += gap + 1
        result.append(asked(tick, **answers))
    return result


@settings(deadline=None)
@given(analyses, rounds)
def test_a_round_is_counted_once_however_often_it_is_folded_in(
    start: ReleaseData, steps: list[tuple[int, dict[str, Value]]]
) -> None:
    once = twice = start
    for item in played(start, steps):
        once = fold(once, item)
        twice = fold(fold(fold(twice, item), item), item)
    assert once == twice


@settings(deadline=None)
@given(analyses, rounds)
def test_the_round_that_counted_last_does_not_count_again(
    start: ReleaseData, steps: list[tuple[int, dict[str, Value]]]
) -> None:
    for item in played(start, steps):
        start = fold(start, item)
    assume(start.tick is not None)
    assert start.tick is not None
    assert fold(start, asked(start.tick, a=BAD, b=NONE)) is start


def test_a_round_counts_though_the_clock_was_set_back_before_it() -> None:
    start = data(Metric("errors", "q", maximum=0.5, failure_limit=1))
    late = fold(start, asked(360, errors=BAD))
    assert (late.tick, late.failure) == (360, None)
    again = fold(late, asked(1, errors=BAD))
    assert again.tick == 1
    assert again.failure is not None


def test_what_is_unknown_while_nobody_asks_is_no_outage() -> None:
    start = after(data(), NONE)
    assert start.unknown_since == START
    hour = timedelta(hours=1)
    first = replace(asked(360, errors=NONE), since=START + hour)
    assert fold(start, first).unknown_since == START + hour
    before = replace(asked(5, errors=NONE), since=START - hour)
    assert fold(start, before).unknown_since == START


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_finite_number_is_unknown(value: float) -> None:
    start = data()
    item = asked(0, errors=Known(value))
    assert fold(start, item).unknown_since == START
    assert fold(start, item).failure is None
    (judgement,) = judge_all(start, item)
    assert (judgement.verdict, judgement.value) == (Verdict.UNKNOWN, None)
    assert "NotFinite" in judgement.sentence


@settings(deadline=None)
@given(analyses, rounds)
def test_folding_follows_the_plain_rules(
    start: ReleaseData, steps: list[tuple[int, dict[str, Value]]]
) -> None:
    """Against a plain account of the same readings, kept in other words."""
    limits = {metric.name: metric.failure_limit for metric in start.analysis.metrics}
    in_a_row, failed, unknown_since = dict.fromkeys(limits, 0), False, None
    data_now = start
    for item in played(start, steps):
        answers = dict(item.values)
        for name, value in answers.items():
            if isinstance(value, Known):
                in_a_row[name] = in_a_row[name] + 1 if value == BAD else 0
                failed = failed or in_a_row[name] > limits[name]
        unknown = NONE in answers.values()
        unknown_since = (unknown_since or item.asked_at) if unknown else None
        data_now = fold(data_now, item)
        assert {name: data_now.failures_of(name) for name in limits} == in_a_row
        assert (data_now.failure is not None) is failed
        assert data_now.unknown_since == unknown_since


@settings(deadline=None)
@given(analyses, rounds)
def test_unknown_readings_alone_never_fail_and_never_pass(
    start: ReleaseData, steps: list[tuple[int, dict[str, Value]]]
) -> None:
    for item in played(start, steps):
        silent = Round(item.release, item.tick, item.asked_at, tuple((m, NONE) for m in "ab"))
        start = fold(start, silent)
        assert overall(judge_all(start, silent)) is Verdict.UNKNOWN
    assert start.failure is None


# --- comparisons


def scraped(ticks: int = 20) -> Scraped:
    """Both sides with 1 % of bad requests, the canary from the second instant on."""
    source = Scraped()
    for tick in range(-6, ticks + 1):
        at = START + timedelta(seconds=10 * tick)
        source.scrape("web-aaaa-00000", at, 90 + 4 * tick, 9000 + 400 * tick)
        if tick >= 2:
            source.scrape("web-bbbb-00000", at, tick - 1, 100 * (tick - 1))
    return source


def counted(
    source: Scraped, start: ReleaseData, tick: int, unknown: Unknown | None = None
) -> tuple[ReleaseData, Round]:
    """The data after a round, and the round; nothing is known where that is said."""
    values: list[tuple[str, Answer]] = []
    for metric in start.analysis.metrics:
        index = start.standing_of(metric).evidence.index
        values += [
            (query.name, unknown or source.answer(query))
            for query in queries(metric, start.analysis, GROUND, index, tick)
        ]
    readings = Round("2-b-1", tick, START + timedelta(seconds=10 * tick), tuple(values))
    return fold(start, readings), readings


def test_counting_alone_is_no_change_of_meaning() -> None:
    first, _ = counted(scraped(), data(COMPARED), 2)
    later, _ = counted(scraped(), first, 6)
    assert later == first
    assert later.standings != first.standings


def test_the_first_round_says_when_the_canary_began_to_serve_and_no_later_one() -> None:
    start = data(COMPARED)
    first, _ = counted(scraped(), start, 2)
    assert first.serving_since == 3, "it was seen after the second instant"
    later, _ = counted(scraped(), first, 6)
    assert later.serving_since == 3


def test_a_comparison_that_is_unknown_counts_from_its_first_round_on() -> None:
    known, _ = counted(scraped(), data(COMPARED), 3)
    lost, readings = counted(scraped(), known, 4, NONE)
    assert lost.unknown_since == readings.asked_at
    (judgement,) = judge_all(lost, readings)
    assert judgement.verdict is Verdict.UNKNOWN
    again, _ = counted(scraped(), lost, 5, Unknown(Reason.TIMEOUT))
    assert again.unknown_since == lost.unknown_since
    found, readings = counted(scraped(), again, 6)
    assert found.unknown_since is None
    assert judge_all(found, readings)[0].verdict is Verdict.PASS


def test_a_comparison_passes_with_enough_requests_in_this_step() -> None:
    start = replace(data(COMPARED), counted=(("errors", 300.0),))
    for tick, verdict in ((4, Verdict.TOO_FEW), (5, Verdict.PASS)):
        after_round, readings = counted(scraped(), start, tick)
        (judgement,) = judge_all(after_round, readings)
        assert judgement.verdict is verdict
        assert (judgement.value, judgement.stable) == (0.01, 0.01)
        assert after_round.unknown_since is None
    few, readings = counted(scraped(), start, 4)
    assert "0 of 100 requests in this step (minRequests)" in judge_all(few, readings)[0].sentence


def test_a_comparison_that_was_not_asked_for_is_not_judged() -> None:
    start = data(COMPARED, Metric("queue", "q", maximum=1))
    judged = judge_all(start, asked(0, queue=GOOD))
    assert [judgement.metric for judgement in judged] == ["queue"]
    assert fold(start, asked(0, queue=GOOD)) is start


def test_the_round_of_a_failure_is_folded_in_once() -> None:
    source = scraped()
    source.pods["web-bbbb-00000"] = [
        scrape._replace(bad=scrape.total / 2) for scrape in source.pods["web-bbbb-00000"]
    ]
    failed, readings = counted(source, data(COMPARED), 6)
    assert failed.failure is not None
    assert failed.failure.metric == "errors"
    assert "worse, with confidence 0.99" in failed.failure.sentence
    assert fold(failed, readings) == failed
