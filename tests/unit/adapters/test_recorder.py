"""Events: one for each decision, counted up when it comes again, and never in anybody's way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sluice.adapters import recorder as module
from sluice.adapters.recorder import Recorder
from sluice.adapters.wire import Json
from sluice.core.objects import Ref, Rollout
from sluice.core.plan import Decision
from unit.adapters.fake_api import FakeApi
from unit.adapters.test_rounds import NOW

ROLLOUT = Rollout(Ref("web", "uid-web", "7"), "ns", 1, NOW, None, "web")
PASSED = Decision("grow to the next step", "step 1 of 2 (10%) passed", "StepPassed")
REJECTED = Decision("reject the canary", "a metric failed", "RolledBack", warning=True)


class Clock:
    """Each look at it is a millisecond later."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time


class Desk:
    """A recorder at work."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.clock = Clock()
        self.counts: Counter[str] = Counter()
        self.recorder = Recorder(self.api, self.clock, "sluice-7d-x", self._count)

    def _count(self, outcome: str) -> None:
        self.counts[outcome] += 1

    async def told(self, *decisions: Decision) -> list[Json]:
        """Tell them, and return all Events that there are then."""
        for decision in decisions:
            self.recorder.tell(ROLLOUT, decision)
        await self.recorder.drain(5)
        return [raw for (plural, _, _), raw in self.api.objects.items() if plural == "events"]


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(module, "_PAUSES_SECONDS", (0.0, 0.0))
    made = Desk()
    task = asyncio.create_task(made.recorder.run())
    yield made
    task.cancel()


async def test_an_event_says_what_was_decided_and_about_which_rollout(desk: Desk) -> None:
    [event] = await desk.told(REJECTED)
    name = event["metadata"]["name"]
    assert name.startswith("web.")
    assert {key: event[key] for key in event if key != "metadata"} == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": f"{desk.clock.time:%Y-%m-%dT%H:%M:%S.%f}Z",
        "reportingController": "sluice.dev/operator",
        "reportingInstance": "sluice-7d-x",
        "action": "RejectTheCanary",
        "reason": "RolledBack",
        "note": "reject the canary: a metric failed",
        "type": "Warning",
        "regarding": {
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "Rollout",
            "namespace": "ns",
            "name": "web",
            "uid": "uid-web",
        },
    }


async def test_the_same_within_ten_minutes_is_counted_on_the_same_event(desk: Desk) -> None:
    await desk.told(PASSED)
    desk.clock.time += timedelta(minutes=9)
    await desk.told(PASSED)
    desk.clock.time += timedelta(minutes=9)
    [event] = await desk.told(PASSED)
    assert event["series"] == {
        "count": 3,
        "lastObservedTime": f"{desk.clock.time:%Y-%m-%dT%H:%M:%S.%f}Z",
    }


async def test_after_ten_minutes_it_is_another_event(desk: Desk) -> None:
    await desk.told(PASSED)
    desk.clock.time += timedelta(minutes=11)
    events = await desk.told(PASSED)
    assert [event.get("series") for event in events] == [None, None]


@pytest.mark.parametrize(
    "other",
    [
        replace(PASSED, why="step 2 of 2 (50%) passed"),
        replace(PASSED, event="Other"),
        replace(PASSED, warning=True),
    ],
)
async def test_what_differs_is_an_event_of_its_own(desk: Desk, other: Decision) -> None:
    assert len(await desk.told(PASSED, other)) == 2


async def test_an_event_that_the_server_has_forgotten_is_made_again(desk: Desk) -> None:
    await desk.told(PASSED)
    desk.api.objects.clear()
    [event] = await desk.told(PASSED)
    assert "series" not in event
    [event] = await desk.told(PASSED)
    assert event["series"]["count"] == 2


async def test_one_that_was_written_without_an_answer_is_not_written_twice(desk: Desk) -> None:
    desk.api.answers = [(503, {}), (409, {"reason": "AlreadyExists"})]
    await desk.told(PASSED)
    names = {call for call in desk.api.calls if call.startswith("create")}
    assert len(desk.api.calls) == 2
    assert len(names) == 1
    assert desk.counts == {"written": 1}


@pytest.mark.parametrize(("code", "tries"), [(403, 1), (404, 1), (503, 3)])
async def test_one_that_cannot_be_written_is_given_up(desk: Desk, code: int, tries: int) -> None:
    desk.api.answers = [(code, {"reason": "x"})] * tries
    await desk.told(PASSED)
    assert desk.counts == {"failed": 1}
    assert len(await desk.told(PASSED)) == 1


async def test_what_finds_the_queue_full_is_dropped_and_counted() -> None:
    desk = Desk()
    for _ in range(module.QUEUED_AT_MOST + 3):
        desk.recorder.tell(ROLLOUT, PASSED)
    assert desk.counts == {"dropped": 3}
    # Nobody writes, so nothing is waited for but the time that was given.
    await desk.recorder.drain(0.01)


async def test_long_words_are_cut_to_what_the_api_takes(desk: Desk) -> None:
    [event] = await desk.told(Decision(200 * "long words ", 1000 * "why ", "E" * 200))
    assert len(event["note"]) == 1024
    assert event["note"].endswith("…")
    assert len(event["reason"]) == len(event["action"]) == 128


async def test_series_are_forgotten_beyond_a_limit(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SERIES_AT_MOST", 2)
    others = [replace(PASSED, why=str(number)) for number in range(2)]
    events = await desk.told(PASSED, *others, PASSED)
    assert len(events) == 4
