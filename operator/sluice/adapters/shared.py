"""Questions of several Rollouts that are the same: asked once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from sluice.adapters.rounds import Source, Values
from sluice.core.plan import Query
from sluice.core.readings import Answer


@dataclass(slots=True)
class _Asked:
    """A question that was asked, in the loop's time, and its answer, which may be under way."""

    at: float
    answer: asyncio.Task[Answer]


class SharedSource:
    """A `Source` that gives the answer to an equal question again while it is that young.

    For what is asked at instants that all Rollouts share. The age in seconds is half of the time
    that an answer may take: such instants are further apart than that.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._asked: dict[tuple[str, Query, float], _Asked] = {}

    async def ask(self, source: str, queries: tuple[Query, ...], timeout_seconds: float) -> Values:
        """The answer to each query by its name; never raises."""
        answers = [self._answer(source, query, timeout_seconds) for query in queries]
        # Who gives up waiting does not take the answer from others.
        found = await asyncio.gather(*(asyncio.shield(answer) for answer in answers))
        return tuple((query.name, answer) for query, answer in zip(queries, found, strict=True))

    def _answer(self, source: str, query: Query, timeout_seconds: float) -> asyncio.Task[Answer]:
        now = asyncio.get_running_loop().time()
        nameless = replace(query, name="")
        # Who gives an answer less time must not make it unknown to who gives it more.
        question = (source, nameless, timeout_seconds)
        known = self._asked.get(question)
        if known is None or now - known.at > timeout_seconds / 2:
            self._forget(now - timeout_seconds)
            one = asyncio.create_task(self._one(source, nameless, timeout_seconds))
            known = self._asked[question] = _Asked(now, one)
        return known.answer

    async def _one(self, source: str, query: Query, timeout_seconds: float) -> Answer:
        ((_, answer),) = await self._source.ask(source, (query,), timeout_seconds)
        return answer

    def _forget(self, before: float) -> None:
        old = [key for key, asked in self._asked.items() if asked.at < before]
        for key in old:
            if self._asked[key].answer.done():
                del self._asked[key]
