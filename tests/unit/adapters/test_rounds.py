"""The board of rounds: one in flight for each Rollout, the newest answer kept."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sluice.adapters.rounds import RoundBoard, Values
from sluice.core.plan import Ask, Query
from sluice.core.readings import Known, Reason, Round, Unknown
from sluice.ports import Key

KEY = Key("ns", "web")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime:
        return self.instant


class Source:
    """Answers 1.0 to everything as soon as `go` is set."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self, source: str, queries: tuple[Query, ...], timeout_seconds: float) -> Values:
        self.asked.append((source, timeout_seconds))
        await self.go.wait()
        if self.error:
            raise self.error
        return tuple((query.name, Known(1.0)) for query in queries)


class Board:
    def __init__(self) -> None:
        self.source = Source()
        self.ready: list[Key] = []
        self.heard: list[tuple[str, Values]] = []
        self.clock = Clock()
        self.rounds = RoundBoard(
            self.source,
            self.clock,
            self.ready.append,
            heard=lambda source, values: self.heard.append((source, values)),
        )

    async def finish(self) -> None:
        self.source.go.set()
        await asyncio.sleep(0.01)
        self.source.go.clear()


def ask(tick: int, release: str = "r1") -> Ask:
    return Ask(release, tick, "default", (Query("m", "up"),), 3.0)


@pytest.fixture
def board() -> Board:
    return Board()


async def test_a_round_is_kept_and_told_when_it_is_done(board: Board) -> None:
    board.rounds.submit(KEY, ask(1))
    await asyncio.sleep(0)
    assert board.rounds.latest(KEY) is None
    await board.finish()
    expected = Round("r1", 1, NOW, (("m", Known(1.0)),), since=NOW)
    assert board.rounds.latest(KEY) == expected
    assert (board.ready, board.heard) == ([KEY], [("default", expected.values)])
    assert board.source.asked == [("default", 3.0)]


async def test_a_round_tells_since_when_this_process_asks_for_its_release(board: Board) -> None:
    async def asked(at: int, tick: int, release: str) -> datetime | None:
        board.clock.instant = NOW + timedelta(seconds=at)
        board.rounds.submit(KEY, ask(tick, release))
        await asyncio.sleep(0)
        await board.finish()
        latest = board.rounds.latest(KEY)
        assert latest is not None
        assert latest.asked_at == board.clock.instant
        return latest.since

    assert await asked(0, 1, "r1") == NOW
    assert await asked(10, 2, "r1") == NOW
    assert await asked(20, 1, "r2") == NOW + timedelta(seconds=20)
    assert await asked(30, 3, "r1") == NOW + timedelta(seconds=30), "another release lay between"
    board.rounds.forget(KEY)
    assert await asked(40, 4, "r1") == NOW + timedelta(seconds=40), "nobody asked meanwhile"


async def test_there_is_one_round_in_flight_for_each_rollout(board: Board) -> None:
    board.rounds.submit(KEY, ask(1))
    board.rounds.submit(KEY, ask(2))
    board.rounds.submit(Key("ns", "other"), ask(1))
    await board.finish()
    assert len(board.source.asked) == 2


async def test_a_round_that_is_answered_is_not_asked_again(board: Board) -> None:
    board.rounds.submit(KEY, ask(1))
    await board.finish()
    board.rounds.submit(KEY, ask(1))
    await board.finish()
    assert len(board.source.asked) == 1
    board.rounds.submit(KEY, ask(2))
    await board.finish()
    board.rounds.submit(KEY, ask(2, "r2"))
    await board.finish()
    assert len(board.source.asked) == 3


async def test_what_is_forgotten_is_not_told(board: Board) -> None:
    board.rounds.submit(KEY, ask(1))
    await asyncio.sleep(0)
    board.rounds.forget(KEY)
    board.rounds.submit(KEY, ask(1, "r2"))
    await board.finish()
    latest = board.rounds.latest(KEY)
    assert latest is not None
    assert latest.release == "r2"
    assert board.ready == [KEY]


async def test_a_bug_in_a_source_looks_like_a_source_that_is_down(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    board.source.error = ZeroDivisionError()
    board.rounds.submit(KEY, ask(1))
    await board.finish()
    latest = board.rounds.latest(KEY)
    assert latest is not None
    [(_, value)] = latest.values
    assert isinstance(value, Unknown)
    assert value.reason is Reason.UNREACHABLE
    assert "ns/web" in caplog.text
