"""The work queue in virtual time: 24 hours take milliseconds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from sluice.runtime.queue import AgainIn, Backoff, Done, Outcome, WorkQueue

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

Behaviour = Callable[[str], Outcome]


class Worker:
    """Notes when which key was worked; a pass takes `seconds`."""

    def __init__(self, behaviour: Behaviour = lambda _: Done(), seconds: float = 0.0) -> None:
        self.behaviour = behaviour
        self.seconds = seconds
        self.started: list[tuple[str, float]] = []
        self.running: set[str] = set()
        self.most = 0

    async def __call__(self, key: str) -> Outcome:
        assert key not in self.running
        self.started.append((key, round(now(), 3)))
        self.running.add(key)
        self.most = max(self.most, len(self.running))
        try:
            await asyncio.sleep(self.seconds)
            return self.behaviour(key)
        finally:
            self.running.discard(key)


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def running(queue: WorkQueue[str]) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    try:
        yield
    finally:
        queue.stop()
        await task


async def test_a_burst_of_events_is_one_pass() -> None:
    worker = Worker()
    queue = WorkQueue(worker)
    async with running(queue):
        for _ in range(100):
            queue.add("a")
        await asyncio.sleep(1)
    assert worker.started == [("a", 0.03)]


async def test_a_key_added_while_it_is_worked_is_worked_once_more_afterwards() -> None:
    worker = Worker(seconds=5)
    queue = WorkQueue(worker)
    async with running(queue):
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(20)
    assert worker.started == [("a", 0.03), ("a", 5.03)]


async def test_keys_are_worked_side_by_side_up_to_the_number_of_workers() -> None:
    worker = Worker(seconds=1)
    queue = WorkQueue(worker, workers=3)
    async with running(queue):
        for key in "abcdefg":
            queue.add(key)
        await asyncio.sleep(2.5)
        assert queue.busy == 1
        await asyncio.sleep(1)
    assert sorted(key for key, _ in worker.started) == list("abcdefg")
    assert worker.most == 3


async def test_the_depth_counts_what_is_due_and_not_started() -> None:
    queue = WorkQueue(Worker(seconds=10), workers=1)
    async with running(queue):
        for key in "abc":
            queue.add(key)
        queue.add_at("later", now() + 100)
        await asyncio.sleep(1)
        assert (queue.busy, queue.depth) == (1, 2)


async def test_again_in_comes_after_so_many_seconds() -> None:
    worker = Worker(lambda _: AgainIn(3600))
    queue = WorkQueue(worker)
    async with running(queue):
        queue.add("a")
        await asyncio.sleep(24 * 3600 + 1)
    assert len(worker.started) == 25


async def test_again_in_a_negative_time_is_again_now() -> None:
    outcomes: list[Outcome] = [AgainIn(-5), Done()]
    worker = Worker(lambda _: outcomes.pop(0))
    queue = WorkQueue(worker)
    async with running(queue):
        queue.add("a")
        await asyncio.sleep(1)
    assert worker.started == [("a", 0.03), ("a", 0.03)]


async def test_the_earliest_time_wins() -> None:
    worker = Worker()
    queue = WorkQueue(worker)
    async with running(queue):
        queue.add_at("a", 50)
        queue.add_at("a", 10)
        queue.add_at("a", 30)
        await asyncio.sleep(100)
    assert worker.started == [("a", 10)]


async def test_an_event_comes_before_a_time_that_was_asked_for() -> None:
    worker = Worker(lambda _: AgainIn(60))
    queue = WorkQueue(worker)
    async with running(queue):
        queue.add("a")
        await asyncio.sleep(10)
        queue.add("a")
        await asyncio.sleep(55)
    assert worker.started == [("a", 0.03), ("a", 10.03)]


async def test_errors_are_tried_again_with_a_growing_delay_up_to_a_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: str) -> Outcome:
        raise ConnectionError("no route to host")

    worker = Worker(fail)
    queue = WorkQueue(worker, backoff=Backoff(1, 30), expected=(ConnectionError,))
    async with running(queue):
        queue.add("shop/web")
        await asyncio.sleep(600)
    times = [at for _, at in worker.started]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    limits = [1, 2, 4, 8, 16] + [30] * (len(gaps) - 5)
    assert all(
        0.75 * limit - 0.01 <= gap <= limit + 0.01 for gap, limit in zip(gaps, limits, strict=True)
    )
    assert "shop/web: no route to host; again in" in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


async def test_a_bug_is_logged_with_its_traceback_and_stops_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def work(key: str) -> Outcome:
        if key == "bad":
            raise ZeroDivisionError
        return Done()

    worker = Worker(work)
    queue = WorkQueue(worker, expected=(ConnectionError,))
    async with running(queue):
        queue.add("bad")
        queue.add("good")
        await asyncio.sleep(0.1)
    assert {key for key, _ in worker.started} == {"bad", "good"}
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert caplog.records[0].exc_info


async def test_success_forgets_earlier_errors() -> None:
    results: list[Exception | Outcome] = [OSError(), OSError(), OSError(), Done(), OSError()]

    def work(_: str) -> Outcome:
        result = results.pop(0) if results else Done()
        if isinstance(result, Exception):
            raise result
        return result

    worker = Worker(work)
    queue = WorkQueue(worker, backoff=Backoff(1, 30))
    async with running(queue):
        queue.add("a")
        await asyncio.sleep(10)
        assert len(worker.started) == 4
        queue.add("a")
        await asyncio.sleep(1.5)
    assert len(worker.started) == 6


async def test_events_of_a_failing_key_come_at_most_once_a_second() -> None:
    def fail(_: str) -> Outcome:
        # As a pass does whose own writes cause events.
        queue.add("a")
        raise OSError

    worker = Worker(fail)
    queue = WorkQueue(worker, backoff=Backoff(30, 30))
    async with running(queue):
        queue.add("a")
        await asyncio.sleep(10)
    assert 9 <= len(worker.started) <= 11


async def test_stopping_lets_what_runs_end_and_starts_nothing_more() -> None:
    ended: list[str] = []

    def work(key: str) -> Outcome:
        ended.append(key)
        return Done()

    worker = Worker(work, seconds=0.5)
    queue = WorkQueue(worker)
    task = asyncio.create_task(queue.run(grace_seconds=1))
    queue.add("a")
    await asyncio.sleep(0.1)
    queue.add("b")
    queue.stop()
    await task
    assert ended == ["a"]


async def test_stopping_does_not_wait_for_what_hangs() -> None:
    queue = WorkQueue(Worker(seconds=3600))
    task = asyncio.create_task(queue.run(grace_seconds=1))
    queue.add("a")
    await asyncio.sleep(0.1)
    queue.stop()
    await task
    assert now() < 2


async def test_a_queue_on_hold_keeps_each_key_once_until_it_goes_on() -> None:
    worker = Worker()
    queue = WorkQueue(worker)
    queue.hold()
    async with running(queue):
        for _ in range(3):
            queue.add("a")
            queue.add("b")
            await asyncio.sleep(10)
        assert worker.started == []
        queue.resume()
        await asyncio.sleep(1)
    assert sorted(worker.started) == [("a", 30.0), ("b", 30.0)]


async def test_what_runs_when_it_is_held_is_cancelled_and_worked_again() -> None:
    worker = Worker(seconds=5)
    queue = WorkQueue(worker)
    async with running(queue):
        queue.add("a")
        await asyncio.sleep(1)
        assert queue.busy == 1
        queue.hold()
        await asyncio.sleep(1)
        assert queue.busy == 0
        queue.resume()
        await asyncio.sleep(10)
    assert len(worker.started) == 2


async def test_what_is_held_before_its_first_step_is_not_lost() -> None:
    started: list[str] = []

    async def work(key: str) -> Outcome:
        started.append(key)
        if started == ["a"]:
            # The task of "b" was made along with this one, and has not run yet.
            queue.hold()
            queue.resume()
        return Done()

    queue = WorkQueue(work)
    async with running(queue):
        queue.add("a")
        queue.add("b")
        await asyncio.sleep(1)
        assert queue.busy == 0
    assert started == ["a", "a", "b"]
