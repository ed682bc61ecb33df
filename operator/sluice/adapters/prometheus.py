"""The metric sources that Rollouts may name: a Prometheus each, or what speaks its API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from sluice.adapters.metric_sources.client import Asked, Server
from sluice.adapters.metric_sources.credentials import Unusable
from sluice.adapters.rounds import Values
from sluice.api.config import ConfigError, Source
from sluice.core.plan import Query
from sluice.core.readings import Reason, Unknown


class PrometheusSources:
    """Asks them. ConfigError when a file that one of them names cannot be used.

    `asked` hears which source was asked a query, and how many seconds that took.
    """

    def __init__(self, sources: Mapping[str, Source], *, asked: Asked = lambda *_: None) -> None:
        self._asked: Final = asked
        self._servers: dict[str, Server] = {}
        self._retiring: dict[Server, asyncio.Task[None]] = {}
        self._servers = self._made(sources)

    @property
    def names(self) -> frozenset[str]:
        """The names that a Rollout may use."""
        return frozenset(self._servers)

    async def ask(self, source: str, queries: Iterable[Query], timeout_seconds: float) -> Values:
        """The answer to each query by its name, in order, within the time given; never raises.

        Equal queries are asked once.
        """
        named = tuple(queries)
        server = self._servers.get(source)
        if server is None:
            missing = Unknown(Reason.NO_SOURCE, f"no metric source {source!r} is configured")
            return tuple((query.name, missing) for query in named)
        questions = tuple(dict.fromkeys(_nameless(query) for query in named))
        answers = await asyncio.gather(*(server.ask(one, timeout_seconds) for one in questions))
        by_question = dict(zip(questions, answers, strict=True))
        return tuple((query.name, by_question[_nameless(query)]) for query in named)

    def replace(self, sources: Mapping[str, Source]) -> None:
        """Take these from now on; those that are the same keep their connections.

        Raises ConfigError as the constructor does, and then changes nothing.
        """
        before, self._servers = self._servers, self._made(sources)
        for server in set(before.values()) - set(self._servers.values()):
            self._retiring[server] = asyncio.create_task(self._retire(server))

    async def close(self) -> None:
        """Ask nothing more. What is under way ends without an answer."""
        servers = {*self._servers.values(), *self._retiring}
        for task in self._retiring.values():
            task.cancel()
        await asyncio.gather(*(server.close() for server in servers))

    async def _retire(self, server: Server) -> None:
        await server.retire()
        del self._retiring[server]

    def _made(self, sources: Mapping[str, Source]) -> dict[str, Server]:
        made, problems = {}, []
        for name, source in sources.items():
            known = self._servers.get(name)
            same = known is not None and known.source == source
            made[name] = known if known and same else Server(name, source, self._asked)
            try:
                made[name].check()
            except Unusable as error:
                problems.append(f"sources.{name}.{error.sentence}")
        if problems:
            raise ConfigError("; ".join(problems))
        return made


def _nameless(query: Query) -> Query:
    return Query("", query.text, query.span, query.namespace, query.pods)
