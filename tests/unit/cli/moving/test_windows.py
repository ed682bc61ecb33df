"""KEDA's cron triggers as schedules: in force at the same minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sluice.cli.moving.draft import Unfit
from sluice.cli.moving.windows import duration_of, start_of
from sluice.core.scaling.policy import Schedule
from sluice.core.scaling.schedules import bounds

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [
        ("0 8 * * 1-5", "0 18 * * 1-5", 10 * HOUR),
        ("0 8 * * MON-FRI", "0 18 * * MON-FRI", 10 * HOUR),
        ("0 22 * * *", "30 6 * * *", 8.5 * HOUR),
        ("0 20 * * 5", "0 6 * * 1", 58 * HOUR),
        ("0 0 1 * *", "0 0 15 * *", 14 * 24 * HOUR),
        ("0 0 24 12 *", "0 0 27 12 *", 72 * HOUR),
        # The last end before the next start counts.
        ("0 8 * * *", "0 18,20 * * *", 12 * HOUR),
        ("0 8 * * *", "5-55/10 8 * * *", timedelta(minutes=55)),
        # Never out of force.
        ("0 8 * * *", "0 8 * * *", 24 * HOUR),
    ],
)
def test_the_time_from_start_to_end(start: str, end: str, duration: timedelta) -> None:
    assert duration_of(start, end) == duration


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("0 0 15 * *", "0 0 1 * *", "not always the same time, but 336h to 408h"),
        ("0 8 * * 1-5", "0 18 * * 5", "not after each start"),
        # KEDA takes Saturday for the time before an end.
        ("0 8 * * 1-5", "0 18 * * *", "not always the same time, but 10h to 58h"),
        ("0 8 * * *", "0 0 30 2 *", "no cron expression"),
        ("0 0 30 2 *", "0 8 * * *", "no cron expression"),
        ("0 8 * *", "0 18 * * *", "no cron expression"),
        ("0 0 */31 * 1#2", "0 18 * * *", "never comes"),
    ],
)
def test_what_has_no_duration(start: str, end: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        duration_of(start, end)


@pytest.mark.parametrize(
    ("expression", "start"),
    [("0  8 ? * 1-5", "0 8 * * 1-5"), ("*/5 8 * * *", "*/5 8 * * *"), ("0 8 1 * 1", "0 8 1 * 1")],
)
def test_an_expression_as_sluice_reads_it(expression: str, start: str) -> None:
    assert start_of(expression) == start


@pytest.mark.parametrize("expression", ["@daily", "0 0 8 * * *", "0 8 */2 * 1", "0 8 1 * */2"])
def test_an_expression_that_sluice_reads_in_another_way(expression: str) -> None:
    with pytest.raises(Unfit):
        start_of(expression)


def keda_is_in_force(start: str, end: str, now: datetime) -> bool:
    """KEDA's rule (pkg/scalers/cron_scaler.go): the next end comes before the next start."""
    following, over = next(CronSim(start, now)), next(CronSim(end, now))
    return not following < over and now <= over


minutes = st.sampled_from(["0", "30", "15,45"])
hours = st.sampled_from(["0", "6", "8", "18", "23"])
days = st.sampled_from(["*", "1-5", "1", "5", "0,6"])
expressions = st.builds("{} {} * * {}".format, minutes, hours, days)
moments = st.integers(0, 14 * 24 * 60).map(
    lambda minute: datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=minute, seconds=1)
)


@settings(deadline=None, max_examples=200)
@given(expressions, expressions, st.lists(moments, min_size=5, max_size=20))
def test_a_schedule_is_in_force_when_the_trigger_is(
    start: str, end: str, nows: list[datetime]
) -> None:
    try:
        length = duration_of(start, end)
    except Unfit:
        assume(False)
    schedule = Schedule("s", start, length.total_seconds(), min_replicas=1)
    for now in nows:
        in_force = bounds((schedule,), now).floor == 1
        assert in_force == keda_is_in_force(start, end, now)
