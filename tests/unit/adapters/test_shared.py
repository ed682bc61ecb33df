"""Equal questions of several Rollouts, in virtual time."""

import asyncio

import pytest

from sluice.adapters.rounds import Values
from sluice.adapters.shared import SharedSource
from sluice.core.plan import Query
from sluice.core.readings import Known, Reason, Unknown

pytestmark = pytest.mark.looptime


class Slow:
    """Takes a second for each answer, and counts."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def ask(self, source: str, queries: tuple[Query, ...], timeout_seconds: float) -> Values:
        self.texts += [f"{source}: {query.text}" for query in queries]
        await asyncio.sleep(1)
        return tuple((query.name, Known(float(len(self.texts)))) for query in queries)


async def test_equal_questions_are_asked_once_and_answered_by_their_names() -> None:
    slow = Slow()
    shared = SharedSource(slow)
    asked = (shared.ask("default", (Query(name, "up"),), 5.0) for name in "abc")
    assert await asyncio.gather(*asked) == [((name, Known(1.0)),) for name in "abc"]
    assert slow.texts == ["default: up"]


async def test_another_text_and_another_source_are_other_questions() -> None:
    slow = Slow()
    shared = SharedSource(slow)
    await asyncio.gather(
        shared.ask("default", (Query("a", "up"), Query("b", "down")), 5.0),
        shared.ask("other", (Query("a", "up"),), 5.0),
    )
    assert sorted(slow.texts) == ["default: down", "default: up", "other: up"]


async def test_less_time_for_an_answer_is_nobody_elses() -> None:
    class Impatient:
        async def ask(
            self, source: str, queries: tuple[Query, ...], timeout_seconds: float
        ) -> Values:
            await asyncio.sleep(min(timeout_seconds, 2.0))
            answer = Known(1.0) if timeout_seconds > 2.0 else Unknown(Reason.TIMEOUT)
            return tuple((query.name, answer) for query in queries)

    shared = SharedSource(Impatient())
    hasty, patient = await asyncio.gather(
        shared.ask("default", (Query("a", "up"),), 1.0),
        shared.ask("default", (Query("b", "up"),), 5.0),
    )
    assert hasty == (("a", Unknown(Reason.TIMEOUT)),)
    assert patient == (("b", Known(1.0)),)


async def test_an_answer_gets_old() -> None:
    slow = Slow()
    shared = SharedSource(slow)
    await shared.ask("default", (Query("a", "up"),), 5.0)
    await asyncio.sleep(1)
    assert await shared.ask("default", (Query("a", "up"),), 5.0) == (("a", Known(1.0)),)
    await asyncio.sleep(2)
    assert await shared.ask("default", (Query("a", "up"),), 5.0) == (("a", Known(2.0)),)


async def test_who_gives_up_does_not_take_the_answer_from_others() -> None:
    slow = Slow()
    shared = SharedSource(slow)
    first = asyncio.create_task(shared.ask("default", (Query("a", "up"),), 5.0))
    second = asyncio.create_task(shared.ask("default", (Query("b", "up"),), 5.0))
    await asyncio.sleep(0.1)
    first.cancel()
    assert await second == (("b", Known(1.0)),)


async def test_what_was_asked_once_is_not_kept_for_ever() -> None:
    slow = Slow()
    shared = SharedSource(slow)
    for number in range(100):
        await shared.ask("default", (Query("a", f"up{number}"),), 5.0)
    assert len(shared._asked) < 10
