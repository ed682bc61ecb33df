"""A small client for the Kubernetes API on plain JSON.

One call is one request: nothing is retried here, the work queue does that. Objects stay dicts,
because typed models would drop the fields of newer servers and cost 33 MB.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from sluice.adapters.errors import Unavailable, error_of
from sluice.adapters.wire import APPLY, JSON_PATCH, READS, Json, Request, Resource, listing
from sluice.ports import NotLeading
from sluice.runtime.lease import Term

TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0, sock_connect=5.0)


@dataclass(frozen=True, slots=True)
class Call:
    """One finished request. `code` is the HTTP status, 0 when no answer came."""

    verb: str
    resource: str
    code: int
    seconds: float

    @property
    def wrote(self) -> bool:
        """Whether it was a write, and one that succeeded."""
        return self.verb not in READS and 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of a LIST, and the resourceVersion at which it saw them."""

    items: tuple[Json, ...]
    version: str


Hook = Callable[[Call], None]


class Kube:
    """The API server. `hooks` hear of every request as soon as its whole answer has arrived.

    Writes are sent within `term` alone; without one, always.
    """

    def __init__(
        self,
        server: str,
        session: aiohttp.ClientSession,
        *,
        hooks: Sequence[Hook] = (),
        term: Term | None = None,
    ) -> None:
        self._server = server
        self._session = session
        self._hooks = tuple(hooks)
        self._term = term or Term.endless()

    async def send(self, request: Request) -> Json:
        """The object in the answer.

        Raises ApiError for anything but a success, and NotLeading for a write after the term.
        """
        if request.verb in READS:
            code, raw = await self._exchange(request)
        else:
            code, raw = await self._within_term(request)
        answer = _parse(raw)
        if not 200 <= code < 300:
            kind = request.content_type
            raise error_of(
                str(request), code, answer, applied=kind == APPLY, tested=kind == JSON_PATCH
            )
        return answer

    async def list(self, resource: Resource, namespace: str | None, selector: str = "") -> Listing:
        """All objects that a label selector matches. Raises ApiError."""
        answer = await self.send(listing(resource, namespace, selector))
        version = (answer.get("metadata") or {}).get("resourceVersion")
        return Listing(tuple(answer.get("items") or ()), str(version or ""))

    async def _within_term(self, request: Request) -> tuple[int, bytes]:
        """A write that waits for a connection, or for its answer, is given up with the term."""
        left = self._term.left_seconds
        if left <= 0:
            raise NotLeading(f"{request}: not sent, the term is over")
        scope = asyncio.timeout(None if math.isinf(left) else left)
        try:
            async with scope:
                return await self._exchange(request)
        except TimeoutError as error:
            if self._term.valid():
                message = f"no answer in {left:.1f} s"
                raise Unavailable(str(request), 0, "Timeout", message) from error
            raise NotLeading(f"{request}: given up, the term is over") from error

    async def _exchange(self, request: Request) -> tuple[int, bytes]:
        started = time.monotonic()
        code = 0
        try:
            async with self._session.request(
                request.method,
                self._server + request.path,
                params=request.query,
                data=None if request.body is None else encoded(request.body),
                headers={"Accept": "application/json", "Content-Type": request.content_type},
                allow_redirects=False,
            ) as response:
                raw = await response.read()
                code = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(str(request), 0, type(error).__name__, str(error)) from error
        finally:
            self._tell(Call(request.verb, request.label, code, time.monotonic() - started))
        return code, raw

    def _tell(self, call: Call) -> None:
        for hook in self._hooks:
            hook(call)


def _parse(raw: bytes) -> Json:
    """The JSON object in an answer; a proxy's HTML says nothing to us."""
    try:
        answer = json.loads(raw)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


# What Go's encoder escapes inside strings, for the sake of browsers.
_ESCAPED: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def encoded(body: Json | list[Json]) -> bytes:
    """The body as Go's own JSON encoder writes it: compact, with the same characters escaped.

    The `data` of a ControllerRevision is kept as the very bytes that were sent, and must not change
    for ever after. A patch of anything else sends it through Go's encoder: bytes that this alters
    count as a change of data, and the patch is refused (seen on a real API server).
    """
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text.translate(_ESCAPED).encode()
