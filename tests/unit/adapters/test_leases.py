"""The election's record as a Lease of the API."""

from datetime import UTC, datetime, timedelta

import pytest

from sluice.adapters.leases import KubeLeases, microseconds
from sluice.adapters.wire import Json
from sluice.runtime.lease import Lease, Refused, Seen, Unanswered
from unit.adapters.fake_api import FakeApi
from unit.adapters.test_rounds import NOW

MINE = Lease("me", 15.0)


class Clock:
    time = NOW

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(api: FakeApi, clock: Clock) -> KubeLeases:
    return KubeLeases(api, "ns", clock)


def spec(api: FakeApi) -> Json:
    found: Json = api.objects["leases", "ns", "sluice"]["spec"]
    return found


async def test_it_is_made_read_and_replaced(api: FakeApi, leases: KubeLeases) -> None:
    assert await leases.read() is None
    made = await leases.create(MINE)
    assert await leases.read() == made
    assert made.lease == MINE
    kept = await leases.replace(MINE, made)
    assert kept.version != made.version
    assert await leases.read() == kept
    assert api.calls[-2] == "replace leases ns/sluice"


async def test_the_times_on_it_are_for_people(
    api: FakeApi, leases: KubeLeases, clock: Clock
) -> None:
    began = microseconds(NOW)
    made = await leases.create(MINE)
    clock.time = NOW + timedelta(seconds=2)
    kept = await leases.replace(MINE, made)
    assert spec(api) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": began,
        "renewTime": microseconds(clock.time),
    }
    await leases.replace(Lease("other", 15.0, 1), kept)
    assert spec(api)["acquireTime"] == microseconds(clock.time)


async def test_a_write_over_another_state_is_refused(leases: KubeLeases) -> None:
    made = await leases.create(MINE)
    with pytest.raises(Refused):
        await leases.create(MINE)
    await leases.replace(MINE, made)
    with pytest.raises(Refused):
        await leases.replace(MINE, made)


async def test_a_write_over_one_that_is_gone_is_refused(leases: KubeLeases) -> None:
    with pytest.raises(Refused):
        await leases.replace(MINE, Seen(MINE, "7"))


@pytest.mark.parametrize("code", [403, 422, 429, 500, 503])
async def test_every_other_failure_is_no_answer(
    api: FakeApi, leases: KubeLeases, code: int
) -> None:
    made = await leases.create(MINE)
    api.answers = [(code, {"reason": "x"})] * 3
    with pytest.raises(Unanswered):
        await leases.read()
    with pytest.raises(Unanswered):
        await leases.replace(MINE, made)
    with pytest.raises(Unanswered):
        await leases.create(MINE)


async def test_one_written_by_hand_is_read_all_the_same(api: FakeApi, leases: KubeLeases) -> None:
    api.add("leases", {"metadata": {"name": "sluice"}})
    seen = await leases.read()
    assert seen is not None
    assert seen.lease == Lease("", 15.0)
    await leases.replace(MINE, seen)
    assert spec(api)["holderIdentity"] == "me"


async def test_a_part_of_a_second_counts_as_a_whole_one(api: FakeApi, leases: KubeLeases) -> None:
    await leases.create(Lease("me", 1.2))
    assert spec(api)["leaseDurationSeconds"] == 2


def test_the_fraction_of_a_second_is_always_there() -> None:
    assert microseconds(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000000Z"
