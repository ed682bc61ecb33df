"""The client of one server: asks within its time, again where that may help, and not too much.

However a server behaves, an answer comes when the time is up: it bounds name look-up, connection,
headers and body together. Each server has its own connections and its own queue, so that a slow
one delays only those who ask it. One that asks for a pause (Retry-After) has it from all queries.
"""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Final

import aiohttp

from sluice.adapters.metric_sources import faults
from sluice.adapters.metric_sources.credentials import Credentials, Unusable
from sluice.adapters.metric_sources.faults import Passing
from sluice.adapters.metric_sources.questions import Question, question_of
from sluice.api.config import Source
from sluice.core.plan import Query
from sluice.core.readings import Answer, Reason, Unknown

# Hears how long a query took, with all its attempts.
Asked = Callable[[str, float], None]

_ATTEMPTS: Final = 4
# Doubled from pause to pause.
_FIRST_PAUSE_SECONDS: Final = 0.1
# So long at most a server is left alone that asks for it: a wrong header must not blind for good.
_MOST_QUIET_SECONDS: Final = 60.0
# Of the time that is left; a dead address behind a name must leave some for another one.
_CONNECT_SHARE: Final = 0.5
_CONNECT_SECONDS: Final = 2.0
# The server gives up before the client does: its answer tells more than a connection cut short.
_SERVER_SHARE: Final = 0.9
# A name is looked up anew after so long; until then, and while that hangs, once for all queries.
_NAME_SECONDS: Final = 1
_ERROR_BYTES: Final = 64 << 10
# What takes longer to read than other work should wait is read in a thread. There is one: what a
# long body becomes takes ten times its memory.
_LONG_BYTES: Final = 128 << 10
_READER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-answers")


class Server:
    """One metric source. Made outside of an event loop or in one; asked in one."""

    def __init__(self, name: str, source: Source, asked: Asked = lambda *_: None) -> None:
        self.source = source
        self._name = name
        self._asked = asked
        self._credentials = Credentials(source)
        self._slots = asyncio.Semaphore(source.max_in_flight)
        self._session: aiohttp.ClientSession | None = None
        self._quiet = Passing(Unknown(Reason.SERVER_ERROR))
        self._quiet_until = 0.0
        self._asking = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def check(self) -> None:
        """Raises Unusable when one of the files cannot be used."""
        self._credentials.headers()
        self._credentials.tls()

    async def ask(self, query: Query, timeout_seconds: float) -> Answer:
        """The answer, within that time or the source's own if less; never raises."""
        question = question_of(query, self.source.labels)
        if isinstance(question, Unknown):
            return question
        started = time.monotonic()
        self._asking += 1
        self._idle.clear()
        try:
            return await self._within(question, min(timeout_seconds, self.source.timeout_seconds))
        finally:
            self._asked(self._name, time.monotonic() - started)
            self._asking -= 1
            if not self._asking:
                self._idle.set()

    async def retire(self) -> None:
        """Close when all that is under way has been answered; nothing more may be asked."""
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """Close the connections; what is under way ends without an answer."""
        if self._session is not None:
            await self._session.close()

    async def _within(self, question: Question, seconds: float) -> Answer:
        deadline = _Deadline(seconds)
        last = Unknown(Reason.TIMEOUT, f"no turn within {seconds:g} s: too many queries in flight")
        try:
            async with asyncio.timeout_at(deadline.at):
                for attempt in range(_ATTEMPTS):
                    async with self._slots:
                        if attempt == 0:
                            last = Unknown(Reason.TIMEOUT, f"no answer within {seconds:g} s")
                        result = self._left_alone() or await self._asked_once(question, deadline)
                    if not isinstance(result, Passing):
                        return result
                    last = result.unknown
                    pause = max(result.after_seconds, _pause_seconds(attempt))
                    if attempt + 1 == _ATTEMPTS or pause >= deadline.left_seconds:
                        return last
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        return last

    def _left_alone(self) -> Passing | None:
        """What the server said when it asked for a pause, and what is left of that."""
        left = self._quiet_until - time.monotonic()
        return replace(self._quiet, after_seconds=left) if left > 0 else None

    async def _asked_once(self, question: Question, deadline: _Deadline) -> Answer | Passing:
        result = await self._attempt(question, deadline)
        if isinstance(result, Passing) and result.after_seconds:
            seconds = min(result.after_seconds, _MOST_QUIET_SECONDS)
            result = self._quiet = replace(result, after_seconds=seconds)
            self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)
        return result

    async def _attempt(self, question: Question, deadline: _Deadline) -> Answer | Passing:
        session, left = self._opened(), deadline.left_seconds
        if session.closed:
            return Unknown(Reason.UNREACHABLE, "the operator is stopping")
        server_ms = max(1, round(left * _SERVER_SHARE * 1000))
        connect = min(_CONNECT_SECONDS, max(left * _CONNECT_SHARE, 0.001))
        try:
            async with session.post(
                self.source.url + question.path,
                params=[(name, v) for name, vs in self.source.parameters.items() for v in vs],
                data={**question.form, "timeout": f"{server_ms}ms"},
                headers=self._credentials.headers(),
                ssl=self._credentials.tls() or True,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect),
            ) as response:
                return await _read(response, question)
        except Unusable as error:
            return error.unknown
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return faults.of_error(error)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self.source.max_in_flight, ttl_dns_cache=_NAME_SECONDS
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip",
                    "User-Agent": "sluice",
                },
                # A netrc entry or a proxy variable must not change what is sent where.
                trust_env=False,
                # The bound is on what a body becomes, not on what is sent.
                auto_decompress=False,
            )
        return self._session


class _Deadline:
    """An instant of the running loop's clock."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.at = self._loop.time() + seconds

    @property
    def left_seconds(self) -> float:
        return self.at - self._loop.time()


def _pause_seconds(attempt: int) -> float:
    """Jitter, so that those who were cut off together do not come back together."""
    jitter = random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
    return jitter * _FIRST_PAUSE_SECONDS * float(2**attempt)


async def _read(response: aiohttp.ClientResponse, question: Question) -> Answer | Passing:
    if response.status != 200:
        body = b""
        if response.status in faults.SAY_MORE:
            # Whatever is wrong with the body, the status says enough.
            with suppress(_TooLarge, _Garbled):
                body = await _body(response, _ERROR_BYTES)
        return faults.of_status(response.status, body, response.headers.get("Retry-After"))
    try:
        body = await _body(response, question.max_bytes)
    except _TooLarge:
        limit = f"{question.max_bytes >> 20} MiB"
        return Unknown(Reason.TOO_LARGE, f"the answer has more than {limit}")
    except _Garbled:
        return Unknown(Reason.MALFORMED, "the body is not encoded as its headers say")
    if len(body) > _LONG_BYTES:
        return await asyncio.get_running_loop().run_in_executor(_READER, question.read, body)
    return question.read(body)


class _TooLarge(Exception):
    """The body has more bytes than it may."""


class _Garbled(Exception):
    """The body cannot be decompressed."""


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body, decompressed, of so many bytes at most."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise _Garbled
    gunzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    async for chunk in response.content.iter_any():
        try:
            # What would be more than the limit stays compressed.
            body += gunzip.decompress(chunk, max_bytes + 1 - len(body)) if gunzip else chunk
        except zlib.error:
            raise _Garbled from None
        if len(body) > max_bytes:
            raise _TooLarge
        if gunzip and gunzip.unused_data:
            raise _Garbled
    if gunzip and not gunzip.eof:
        raise _Garbled
    return bytes(body)
