"""Metric sources: Prometheus, asked through prometheus-api-client in threads of their own.

Every answer becomes Known (one finite number) or Unknown (a reason from the closed list). What a
server has sent is never shown: it may be a login page, or hold what is nobody's business.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import requests
import urllib3
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect

from sluice.adapters.bounded_session import BoundedSession, TooLarge
from sluice.api.config import Source
from sluice.core.readings import Known, Reason, Unknown

Value = Known | Unknown
Answers = tuple[tuple[str, Value], ...]

WORKERS: Final = 8
# Threads that a hanging source may hold; with so many lost it is asked nothing more.
MOST_LOST: Final = 4 * WORKERS
# The server and the HTTP client give up before the caller does, so that threads come back.
_HTTP_SHARE: Final = 0.9
_CONNECT_SECONDS: Final = 2.0

# What the libraries raise, and what it means; the first that applies. To urllib3 a connection that
# cannot be made is a kind of time-out, so those come later.
_FAULTS: Final[tuple[tuple[tuple[type[BaseException], ...], Reason, str], ...]] = (
    (
        (requests.exceptions.SSLError, urllib3.exceptions.SSLError),
        Reason.TLS,
        "the TLS connection could not be made",
    ),
    ((ConnectionRefusedError,), Reason.REFUSED, "the connection was refused"),
    (
        (urllib3.exceptions.NewConnectionError,),
        Reason.UNREACHABLE,
        "the server could not be reached",
    ),
    (
        (requests.Timeout, urllib3.exceptions.TimeoutError),
        Reason.TIMEOUT,
        "the server did not answer in time",
    ),
    (
        (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError),
        Reason.UNREACHABLE,
        "the connection broke",
    ),
)


class PrometheusSources:
    """The sources that Rollouts may name, each with a pool of threads of its own."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = {name: _Server(source) for name, source in sources.items()}

    @property
    def names(self) -> frozenset[str]:
        """The names that a Rollout may use."""
        return frozenset(self._sources)

    async def ask(
        self, source: str, queries: Iterable[tuple[str, str]], timeout_seconds: float
    ) -> Answers:
        """The value of each (name, PromQL), in order, within the time given; never raises.

        Equal queries are asked once.
        """
        named = tuple(queries)
        found = self._sources.get(source)
        if found is None:
            missing = Unknown(Reason.NO_SOURCE, f"no metric source {source!r} is configured")
            return tuple((name, missing) for name, _ in named)
        texts = tuple(dict.fromkeys(text for _, text in named))
        values = await asyncio.gather(*(found.ask(text, timeout_seconds) for text in texts))
        by_text = dict(zip(texts, values, strict=True))
        return tuple((name, by_text[text]) for name, text in named)

    def close(self) -> None:
        """Start nothing more; what is under way ends by its time-out."""
        for server in self._sources.values():
            server.close()


class _Server:
    """One server. A thread that does not come back in time is counted as lost until it does."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._local = threading.local()
        self._pool = _pool()
        self._lost = 0

    async def ask(self, query: str, timeout_seconds: float) -> Value:
        timeout_seconds = min(timeout_seconds, self._source.timeout_seconds)
        if self._lost >= MOST_LOST:
            return Unknown(Reason.TIMEOUT, "too many earlier queries have not come back")
        job = self._pool.submit(self._query, query, timeout_seconds * _HTTP_SHARE)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(job), timeout_seconds)
        except TimeoutError:
            if not job.cancel() and not job.done():
                self._lose(job)
            return Unknown(Reason.TIMEOUT, f"no answer within {timeout_seconds:g} s")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _lose(self, job: Any) -> None:
        loop = asyncio.get_running_loop()
        self._lost += 1
        job.add_done_callback(lambda _: _quietly(loop, self._regain))
        if self._lost % WORKERS == 0:
            # All threads hang on a server that dribbles: others take over.
            self._pool.shutdown(wait=False)
            self._pool = _pool()

    def _regain(self) -> None:
        self._lost -= 1

    # --- in a thread of the pool

    def _query(self, query: str, seconds: float) -> Value:
        client, session = self._client()
        session.seconds = seconds
        timeout = (min(_CONNECT_SECONDS, seconds), seconds)
        params = {"timeout": f"{max(1, round(seconds * 1000))}ms"}
        try:
            result = client.custom_query(query, params=params, timeout=timeout)
            return value_of(session.last, result)
        except (
            PrometheusApiClientException,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            # What the library raises where JSON is not what it expects.
            LookupError,
            ValueError,
            TypeError,
        ) as error:
            return unknown_of(error)

    def _client(self) -> tuple[Any, BoundedSession]:
        if not hasattr(self._local, "client"):
            session = BoundedSession()
            # Without Retry(total=0) there are three hidden retries with pauses between them.
            client = PrometheusConnect(
                url=self._source.url, retry=urllib3.Retry(total=0), session=session
            )
            self._local.client = client, session
        return self._local.client  # type: ignore[no-any-return]


def value_of(response: requests.Response | None, result: Any) -> Value:
    """The single finite number in an answer; the library passes on the result without its type."""
    answer = response.json() if response is not None else {}
    if answer.get("warnings"):
        return Unknown(Reason.SERVER_ERROR, "the answer came with warnings, so it may be partial")
    kind = answer["data"].get("resultType")
    if kind == "scalar":
        return _number(result)
    if kind != "vector":
        return Unknown(Reason.WRONG_TYPE, "the query must give one value (a vector or a scalar)")
    if not result:
        return Unknown(Reason.EMPTY, "the query gave no series")
    if len(result) > 1:
        return Unknown(Reason.SEVERAL_SERIES, f"the query gave {len(result)} series")
    if "value" not in result[0]:
        return Unknown(Reason.WRONG_TYPE, "the query must give a number, not a histogram")
    return _number(result[0]["value"])


def unknown_of(error: Exception) -> Unknown:
    """Why there is no value."""
    if isinstance(error, PrometheusApiClientException):
        return _refused(str(error))
    if isinstance(error, TooLarge):
        return Unknown(Reason.MALFORMED, "the answer is too large for one value")
    chain = tuple(_causes(error))
    for kinds, reason, detail in _FAULTS:
        if any(isinstance(cause, kinds) for cause in chain):
            return Unknown(reason, detail)
    if isinstance(error, LookupError | ValueError | TypeError):
        return Unknown(Reason.MALFORMED, "the answer is not that of a Prometheus")
    return Unknown(Reason.UNREACHABLE, "the server could not be reached")


def _refused(text: str) -> Unknown:
    """The library tells the HTTP status in its message only: `HTTP Status Code 503 (b'...')`."""
    digits = text.removeprefix("HTTP Status Code ")[:3]
    code = int(digits) if digits.isdecimal() else 0
    if code in (400, 422):
        return Unknown(Reason.BAD_QUERY, f"HTTP {code}: the query cannot be evaluated")
    if code in (401, 403):
        return Unknown(Reason.UNAUTHORIZED, f"HTTP {code}")
    if 300 <= code < 400:
        return Unknown(Reason.SERVER_ERROR, f"HTTP {code}: redirects are not followed")
    return Unknown(Reason.SERVER_ERROR, f"HTTP {code}")


def _number(sample: Any) -> Value:
    text = sample[1]
    # JSON numbers and Python's own spellings (1_000) are not what a Prometheus sends.
    if not isinstance(text, str) or "_" in text:
        return Unknown(Reason.MALFORMED, "the answer is not that of a Prometheus")
    value = float(text)
    if not math.isfinite(value):
        return Unknown(Reason.NOT_FINITE, f"the query gave {text[:4]}")
    return Known(value)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made from; requests and urllib3 hide them in odd places."""
    todo, seen = [error], set[int]()
    while todo:
        at = todo.pop()
        if id(at) in seen:
            continue
        seen.add(id(at))
        yield at
        inside = (at.__cause__, at.__context__, getattr(at, "reason", None), *at.args)
        todo += [cause for cause in inside if isinstance(cause, BaseException)]


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="prometheus")


def _quietly(loop: asyncio.AbstractEventLoop, what: Any) -> None:
    """From a thread; the loop may be closed by now."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(what)
