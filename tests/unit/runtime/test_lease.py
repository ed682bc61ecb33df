"""The election in virtual time, against a store that is slow, fails, and loses requests."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, repeat
from typing import Any, Final

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.runtime.lease import (
    Elector,
    Lease,
    Refused,
    Seen,
    Term,
    Timing,
    Unanswered,
    Unopposed,
    steady_seconds,
)

TIMING: Final = Timing()
# Longer than any client waits.
_NEVER: Final = 1e5


@dataclass(frozen=True)
class Course:
    """What becomes of one request: seconds on the way, and how it ends."""

    there: float = 0.01
    back: float = 0.01
    lost: bool = False
    reply_lost: bool = False
    fails: bool = False


class Store:
    """Compare-and-swap in memory. A request goes its way also when nobody waits for it any more."""

    def __init__(self, courses: Iterator[Course] | None = None) -> None:
        self.courses = courses or repeat(Course())
        self.record: Seen | None = None
        self.writes: list[tuple[float, str]] = []
        self.requests: list[float] = []
        self._versions = count(1)
        self._under_way: set[asyncio.Task[Seen | None]] = set()

    async def read(self) -> Seen | None:
        return await self._call(lambda: self.record)

    async def create(self, lease: Lease) -> Seen:
        return await self._write(lease, None)

    async def replace(self, lease: Lease, before: Seen) -> Seen:
        return await self._write(lease, before.version)

    async def _write(self, lease: Lease, version: str | None) -> Seen:
        def act() -> Seen:
            if (self.record.version if self.record else None) != version:
                raise Refused("it is in another state")
            self.record = Seen(lease, str(next(self._versions)))
            self.writes.append((now(), lease.holder))
            return self.record

        written = await self._call(act)
        assert written is not None
        return written

    async def _call(self, act: Callable[[], Seen | None]) -> Seen | None:
        self.requests.append(now())
        task = asyncio.create_task(self._go(next(self.courses), act))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda t: t.cancelled() or t.exception())
        return await asyncio.shield(task)

    async def _go(self, course: Course, act: Callable[[], Seen | None]) -> Seen | None:
        await asyncio.sleep(course.there)
        if course.fails:
            raise Unanswered("503")
        if course.lost:
            await asyncio.sleep(_NEVER)
        try:
            return act()
        finally:
            await asyncio.sleep(_NEVER if course.reply_lost else course.back)


class Line:
    """A process's own way to the store; while it is cut nothing gets through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cut_until = -1.0

    async def read(self) -> Seen | None:
        await self._through()
        return await self.store.read()

    async def create(self, lease: Lease) -> Seen:
        await self._through()
        return await self.store.create(lease)

    async def replace(self, lease: Lease, before: Seen) -> Seen:
        await self._through()
        return await self.store.replace(lease, before)

    async def _through(self) -> None:
        if now() < self.cut_until:
            await asyncio.sleep(_NEVER)


class WatchedTerm(Term):
    """Fails the test if it is extended while another one is valid.

    Two terms that overlap at all do so at the moment in which the later one is extended.
    """

    def __init__(self, clock: Callable[[], float], all_terms: list["WatchedTerm"]) -> None:
        super().__init__(clock)
        self.all_terms = all_terms
        all_terms.append(self)

    def extend(self, until: float) -> None:
        super().extend(until)
        if self.valid():
            others = [term for term in self.all_terms if term is not self and term.valid()]
            assert not others, f"two terms at {now():.2f}"


@dataclass
class Process:
    """One candidate; it notes when it led and when it followed."""

    store: Store
    name: str
    terms: list[WatchedTerm]
    rate: float = 1.0
    led: list[float] = field(default_factory=list)
    followed: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.term = WatchedTerm(lambda: 1000.0 + now() * self.rate, self.terms)
        self.line = Line(self.store)
        self.elector = Elector(self.line, self.name, self.term, self, TIMING)
        self.task = asyncio.create_task(self.elector.run())

    def lead(self) -> None:
        assert self.term.valid()
        self.led.append(now())

    def follow(self) -> None:
        assert not self.term.valid()
        self.followed.append(now())

    async def kill(self) -> None:
        """As SIGKILL: nothing is released."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def end(self) -> None:
        """As SIGTERM."""
        await self.kill()
        await self.elector.release()


@dataclass
class World:
    store: Store = field(default_factory=Store)
    terms: list[WatchedTerm] = field(default_factory=list)

    def start(self, name: str, rate: float = 1.0) -> Process:
        return Process(self.store, name, self.terms, rate)


def now() -> float:
    return asyncio.get_running_loop().time()


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it in virtual time, each time in a loop of its own."""
    loop = looptime.new_event_loop(start=0.0)
    try:
        loop.run_until_complete(story())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


def test_who_comes_first_leads_at_once_and_for_as_long_as_it_lives() -> None:
    async def story() -> None:
        world = World()
        first = world.start("first")
        await asyncio.sleep(1)
        second = world.start("second")
        await asyncio.sleep(600)
        assert first.led[0] < 0.1
        assert (len(first.led), first.followed, second.led) == (1, [], [])
        assert world.store.record is not None
        assert world.store.record.lease == Lease("first", 15.0)

    play(story)


@pytest.mark.parametrize("lived", [3.0, 10.9, 11.9, 12.5])
def test_after_a_kill_the_other_one_leads_within_18_seconds(lived: float) -> None:
    async def story() -> None:
        world = World()
        first, second = world.start("first"), world.start("second")
        await asyncio.sleep(lived)
        await first.kill()
        killed_at = now()
        await asyncio.sleep(30)
        assert 12.5 <= second.led[0] - killed_at <= 17.5
        assert world.store.record is not None
        assert world.store.record.lease.transitions == 1

    play(story)


@pytest.mark.parametrize("lived", [3.0, 10.9, 11.9, 12.5])
def test_a_lease_that_is_released_is_taken_within_a_retry_period(lived: float) -> None:
    async def story() -> None:
        world = World()
        first, second = world.start("first"), world.start("second")
        await asyncio.sleep(lived)
        await first.end()
        ended_at = now()
        await asyncio.sleep(5)
        assert second.led[0] - ended_at <= TIMING.retry_seconds + 0.1

    play(story)


def test_a_released_lease_is_nobodys_and_ends_soon() -> None:
    async def story() -> None:
        world = World()
        process = world.start("first")
        await asyncio.sleep(1)
        await process.end()
        assert world.store.record is not None
        assert world.store.record.lease == Lease("", 1.0)
        # Once more, or by a follower: nothing is written.
        await process.elector.release()
        assert len(world.store.writes) == 2

    play(story)


def test_without_the_store_the_term_ends_in_time_and_the_process_follows_and_leads_again() -> None:
    async def story() -> None:
        world = World()
        process = world.start("first")
        await asyncio.sleep(10.1)
        world.store.courses = repeat(Course(fails=True))
        renewed_at = world.store.writes[-1][0]
        await asyncio.sleep(11)
        assert process.followed == [pytest.approx(renewed_at + TIMING.renew_seconds, abs=0.02)]
        world.store.courses = repeat(Course())
        await asyncio.sleep(TIMING.retry_seconds + 0.1)
        assert len(process.led) == 2

    play(story)


def test_a_renewal_whose_reply_was_lost_costs_nothing() -> None:
    async def story() -> None:
        world = World()
        process = world.start("first")
        await asyncio.sleep(3)
        world.store.courses = iter([Course(reply_lost=True), *repeat(Course(), 200)])
        await asyncio.sleep(60)
        assert (len(process.led), process.followed) == (1, [])

    play(story)


def test_each_renewal_has_a_time_out_of_its_own() -> None:
    async def story() -> None:
        world = World()
        process = world.start("first")
        await asyncio.sleep(0.5)
        world.store.courses = iter([Course(lost=True), *repeat(Course(), 200)])
        await asyncio.sleep(60)
        hung_at, next_at = world.store.requests[2:4]
        limit = TIMING.request_seconds + TIMING.retry_seconds
        assert next_at - hung_at == pytest.approx(limit, abs=0.1)
        assert process.followed == []

    play(story)


def test_a_newcomer_waits_as_long_as_the_holder_asked_for_from_when_it_came() -> None:
    async def story() -> None:
        world = World()
        # Of a leader of another version, that died a year ago for all that the newcomer knows.
        world.store.record = Seen(Lease("older", 40.0), "0")
        process = world.start("newcomer")
        await asyncio.sleep(60)
        assert process.led[0] == pytest.approx(40.0, abs=0.2)

    play(story)


def test_who_sees_another_holder_stops_at_once() -> None:
    async def story() -> None:
        world = World()
        process = world.start("first")
        await asyncio.sleep(5)
        assert world.store.record is not None
        taken = replace(world.store.record.lease, holder="by hand")
        world.store.record = Seen(taken, "taken")
        await asyncio.sleep(TIMING.retry_seconds + 0.1)
        assert len(process.followed) == 1

    play(story)


def test_a_lease_that_was_deleted_is_made_again_by_its_holder() -> None:
    async def story() -> None:
        world = World()
        first, second = world.start("first"), world.start("second")
        await asyncio.sleep(5)
        world.store.record = None
        await asyncio.sleep(60)
        assert (len(first.led), first.followed, second.led) == (1, [], [])
        # And by the other one when the holder is gone as well.
        await first.kill()
        world.store.record = None
        await asyncio.sleep(TIMING.lease_seconds + 1)
        assert len(second.led) == 1

    play(story)


def test_what_keeps_it_from_standing_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World(Store(repeat(Course(fails=True))))
        world.start("first")
        await asyncio.sleep(60)

    caplog.set_level(logging.WARNING)
    play(story)
    assert caplog.messages == ["503"]


def test_a_release_that_fails_is_left_to_run_out(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World()
        process = world.start("first")
        await asyncio.sleep(1)
        world.store.courses = repeat(Course(lost=True))
        ended_at = now()
        await process.end()
        assert now() - ended_at <= TIMING.request_seconds + 0.1

    play(story)
    assert "has to run out" in caplog.text


def test_a_process_without_rivals_leads_from_start_to_end() -> None:
    async def story() -> None:
        led: list[str] = []

        class Alone:
            def lead(self) -> None:
                led.append("led")

            def follow(self) -> None:
                raise AssertionError

        unopposed = Unopposed(Alone())
        task = asyncio.create_task(unopposed.run())
        await asyncio.sleep(1)
        task.cancel()
        await unopposed.release()
        assert led == ["led"]

    play(story)
    assert Term.endless().valid()


def test_timings_that_could_not_keep_leaders_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="renew < lease"):
        Timing(lease_seconds=10.0, renew_seconds=10.0)
    assert Timing.of(30.0) == Timing(30.0, 20.0, 4.0, 6.0)


def test_the_clock_goes_on() -> None:
    before = steady_seconds()
    assert steady_seconds() >= before


# --- never two at once

_COURSES: Final = st.builds(
    Course,
    there=st.floats(0.001, 20.0) | st.floats(0.001, 0.2),
    back=st.floats(0.001, 5.0) | st.floats(0.001, 0.2),
    lost=st.sampled_from([False, False, False, True]),
    reply_lost=st.sampled_from([False, False, False, True]),
    fails=st.sampled_from([False, False, False, False, True]),
)
# Of any two the one runs at most 1.45 times as fast as the other.
_RATES: Final = st.floats(0.83, 1.2)
_DEEDS: Final = st.lists(
    st.tuples(st.floats(0.0, 25.0), st.sampled_from(["kill", "end", "start", "cut"]), _RATES),
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(_COURSES, max_size=40), st.lists(_RATES, min_size=2, max_size=3), _DEEDS)
def test_there_are_never_two_terms_at_once_and_in_the_end_there_is_one(
    courses: list[Course], rates: list[float], deeds: list[tuple[float, str, float]]
) -> None:
    async def story() -> None:
        def then_well() -> Iterator[Course]:
            yield from courses
            yield from repeat(Course())

        world = World(Store(then_well()))
        names = count(1)
        running = [world.start(f"p{next(names)}", rate) for rate in rates]
        for pause, deed, rate in deeds:
            await asyncio.sleep(pause)
            if deed == "start" or not running:
                running.append(world.start(f"p{next(names)}", rate))
            elif deed == "cut":
                for process in running:
                    if process.term.valid():
                        process.line.cut_until = now() + 20.0
            elif deed == "kill":
                await running.pop(0).kill()
            else:
                await running.pop(0).end()
        running.append(world.start(f"p{next(names)}"))
        # Until all that goes wrong has gone wrong: each request waits for 3 s at most, then 2 s.
        await asyncio.sleep(5 * len(courses) + 60)
        assert not [p for p in running if p.task.done() and p.task.exception()]
        assert sum(term.valid() for term in world.terms) == 1

    play(story)


@settings(deadline=None, max_examples=20)
@given(st.lists(_COURSES, max_size=20), _RATES, _RATES)
def test_whoever_may_write_also_leads(courses: list[Course], mine: float, other: float) -> None:
    """`lead` and `follow` alternate, and the last one said what the term says."""

    async def story() -> None:
        world = World(Store(iter([*courses, *repeat(Course(), 1000)])))
        both = [world.start("a", mine), world.start("b", other)]
        for _ in range(60):
            await asyncio.sleep(1.7)
            for process in both:
                assert len(process.led) - len(process.followed) in (0, 1)
                if process.term.valid():
                    assert len(process.led) > len(process.followed)

    play(story)
