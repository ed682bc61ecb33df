"""How long steps need, and what is said of those that are too short."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Final

import pytest
from checking.stored import NOW, PODS, Stored, analysed, checked, one, subject, told

from sluice.core.checking.report import Grade
from sluice.core.checking.subject import StablePod
from sluice.core.policy import Metric, Step

ERRORS: Final = Metric("errors", counters=('requests_total{code=~"5.."}', "requests_total"))


# --- scrapes


@pytest.mark.parametrize("every", [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0])
def test_the_scrape_interval_is_found(every: float) -> None:
    assert one(Stored().requests(scrape_seconds=every), subject(ERRORS)).scrape_seconds == every


@pytest.mark.parametrize(
    ("every", "grade", "sentence"),
    [
        (10.0, None, ""),
        (
            30.0,
            "Note",
            (
                "scraped every 30s, asked every 10s (analysis.interval): nothing is seen sooner by "
                "asking more often than it is scraped"
            ),
        ),
        (
            200.0,
            "Problem",
            (
                "scraped every 3m20s, while Prometheus forgets a sample after 5m: one scrape that "
                "fails ends the series"
            ),
        ),
    ],
)
def test_scrapes_that_are_too_far_apart(every: float, grade: str | None, sentence: str) -> None:
    given = subject(ERRORS, steps=(Step(20, 3600.0),))
    found = one(Stored().requests(scrape_seconds=every), given)

    assert told(found) == ([(grade, sentence)] if grade else [])


def test_nothing_is_seen_before_the_next_scrapes() -> None:
    def soonest(every: float) -> float:
        given = analysed(subject(ERRORS), interval_seconds=1.0)
        (step,) = one(Stored().requests(1000, scrape_seconds=every), given).steps
        return dict(step.needs)[10.0]

    assert soonest(1.0) < soonest(15.0) < soonest(60.0)
    assert soonest(15.0) >= 2 * 15.0


# --- few requests, short steps


def test_no_requests_at_all() -> None:
    found = one(Stored().requests(0.0), subject(ERRORS))

    assert found.says == "no requests from 4 of 4 pods"
    assert found.requests_per_minute == 0
    assert told(found) == [
        (
            "Warning",
            (
                "no request in the last 10m: nothing can be compared, and every step waits for "
                "minRequests until lowTraffic.after (30m)"
            ),
        )
    ]


def test_a_pod_that_has_just_begun_has_nothing_to_count_yet() -> None:
    began = NOW - timedelta(seconds=4)
    given = subject(ERRORS, pods=tuple(StablePod(pod, began) for pod in PODS))
    found = one(Stored().requests(began=began), given)

    assert told(found) == [("Warning", "too few samples yet to count requests: check again later")]


@pytest.mark.parametrize(
    ("action", "then"),
    [("Pause", "pauses there"), ("Continue", "goes on there without them")],
)
def test_minrequests_that_are_not_reached_in_time(action: str, then: str) -> None:
    given = analysed(subject(ERRORS), low_traffic_action=action)
    found = one(Stored().requests(0.025), given)

    assert told(found)[0] == (
        "Warning",
        # 6 a minute in all, a fifth of them the canary's
        (
            "step 1 (20%): the 100 requests of minRequests take 1h23m20s, longer than "
            f"lowTraffic.after (30m): the release {then}"
        ),
    )
    assert found.steps[0].lasts_seconds == pytest.approx(5000)


def test_a_step_that_has_to_wait_for_minrequests() -> None:
    given = subject(ERRORS, steps=(Step(20, 120.0), Step(50, 120.0)))
    found = one(Stored().requests(0.5), given)

    assert [step.lasts_seconds for step in found.steps] == [pytest.approx(250), 120]
    assert told(found)[0] == (
        "Warning",
        (
            "step 1 (20%) lasts longer than its duration, 4m10s instead of 2m, until the canary "
            "has had 100 requests (minRequests)"
        ),
    )


def test_a_step_without_a_duration_is_meant_to_last_as_long_as_it_takes() -> None:
    found = one(Stored().requests(0.5, 0.05), subject(ERRORS, steps=(Step(20),)))

    assert found.steps[0].lasts_seconds == pytest.approx(250)
    assert told(found) == []


def test_the_delay_comes_before_minrequests_and_the_first_evidence() -> None:
    (plain,) = one(Stored().requests(), subject(ERRORS)).steps
    delayed = analysed(subject(ERRORS), initial_delay_seconds=60.0)
    (late,) = one(Stored().requests(), delayed).steps

    assert [b - a for (_, a), (_, b) in zip(plain.needs, late.needs, strict=True)] == [60, 60, 60]


@pytest.mark.parametrize(
    ("steps", "beginning"),
    [
        (
            (Step(20, 15.0),),
            (
                "step 1 (20%) is too short for its own evidence: to see 10 times as many bad "
                "requests takes 25s, and it lasts 15s"
            ),
        ),
        (
            (Step(20, 15.0), Step(40, 16.0), Step(50, 3600.0)),
            (
                "step 1 (20%) and step 2 (40%) are too short for their own evidence: to see 10 "
                "times as many bad requests takes 25s and 25s, and they last 15s and 16s"
            ),
        ),
    ],
)
def test_a_step_too_short_for_its_evidence(steps: tuple[Step, ...], beginning: str) -> None:
    assert told(one(Stored().requests(), subject(ERRORS, steps=steps))) == [("Warning", beginning)]


def test_what_is_bad_already_cannot_get_ten_times_as_bad() -> None:
    found = one(Stored().requests(bad_ratio=1.0), subject(ERRORS))

    assert told(found) == [
        ("Warning", "step 1 (20%): not even 10 times as many bad requests would be seen")
    ]
    assert dict(found.steps[0].needs) == {2.0: inf, 5.0: inf, 10.0: inf}


def test_more_metrics_need_more_evidence() -> None:
    source = Stored().requests()
    (alone,) = checked(source, subject(ERRORS)).metrics
    both = checked(source, subject(ERRORS, replace(ERRORS, name="again"))).metrics

    assert dict(both[0].steps[0].needs)[2.0] > dict(alone.steps[0].needs)[2.0]


def test_pods_that_share_the_requests_are_counted_with() -> None:
    alone = one(Stored().requests(), subject(ERRORS))
    report = checked(Stored().requests(), subject(ERRORS, other_pods=4))

    (shared,) = report.metrics
    assert shared.steps[0].canary_per_minute == pytest.approx(2 * alone.steps[0].canary_per_minute)
    (note,) = report.findings
    assert note.grade is Grade.NOTE
    assert note.sentence.startswith("4 other pods share the requests with the 4 stable ones now")


def test_a_deployment_that_is_going_to_zero_has_no_steps_to_measure() -> None:
    """Its pods are still there."""
    found = one(Stored().requests(), subject(ERRORS, replicas=0))

    assert "2,400 requests/min" in found.says
    assert found.steps == ()
