"""Decisions as events.k8s.io/v1 Events regarding the Rollout.

Best effort, and beside the passes: an Event never delays or fails one. The same thing told again
within ten minutes counts up on the Event that is there (its *series*), as client-go's does.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sluice.adapters import wire
from sluice.adapters.errors import AlreadyExists, NotFound
from sluice.adapters.kube import Kube
from sluice.adapters.leases import microseconds
from sluice.adapters.wire import Json, Request
from sluice.core.objects import Rollout
from sluice.core.plan import Decision
from sluice.ports import Clock, ClusterError, Unreachable

log = logging.getLogger(__name__)

CONTROLLER: Final = "sluice.dev/operator"
SERIES_FOR: Final = timedelta(minutes=10)
# Beyond these an Event is dropped, and a series is forgotten: the next one is an Event of its own.
QUEUED_AT_MOST: Final = 256
SERIES_AT_MOST: Final = 2048
# What the API accepts.
_NOTE_LENGTH: Final = 1024
_WORD_LENGTH: Final = 128
# Each attempt has the same name, so that one which was done without an answer is not done twice.
_PAUSES_SECONDS: Final = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class _Same:
    """What makes two Events the same thing told again."""

    uid: str
    reason: str
    note: str
    type: str


@dataclass(frozen=True, slots=True)
class _Event:
    """One thing to be told. It was decided `at` that time, and is written later."""

    namespace: str
    rollout: str
    same: _Same
    action: str
    at: datetime


@dataclass(slots=True)
class _Series:
    name: str
    count: int
    last: datetime


class Recorder:
    """Queues Events and writes them one after the other. `counted` gets written, failed, dropped.

    `instance` is this process's name: the pod's.
    """

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        instance: str,
        counted: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._instance = instance[:_WORD_LENGTH]
        self._counted = counted
        self._queue: asyncio.Queue[_Event] = asyncio.Queue(QUEUED_AT_MOST)
        self._series: OrderedDict[_Same, _Series] = OrderedDict()

    def tell(self, rollout: Rollout, decision: Decision) -> None:
        """Have it written some time; dropped when too many wait."""
        kind = "Warning" if decision.warning else "Normal"
        note = f"{decision.what}: {decision.why}"
        if len(note) > _NOTE_LENGTH:
            note = f"{note[: _NOTE_LENGTH - 1]}…"
        same = _Same(rollout.ref.uid, decision.event[:_WORD_LENGTH], note, kind)
        action = _camel_case(decision.what)[:_WORD_LENGTH] or decision.event
        event = _Event(rollout.namespace, rollout.ref.name, same, action, self._clock.now())
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._counted("dropped")

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except ClusterError as error:
                log.debug("An Event was not written: %s", error)
                self._counted("failed")
            else:
                self._counted("written")
            finally:
                self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait until all that is queued is written, but no longer than that."""
        try:
            async with asyncio.timeout(seconds):
                await self._queue.join()
        except TimeoutError:
            log.debug("%d Events are left unwritten.", self._queue.qsize())

    async def _write(self, event: _Event) -> None:
        series = self._series.get(event.same)
        if series is not None and event.at - series.last <= SERIES_FOR:
            count = series.count + 1
            try:
                await self._send(_counted_up(event, series.name, count))
            except NotFound:
                # The API server forgets Events after an hour, or when somebody deletes them.
                pass
            else:
                self._note(event, series.name, count)
                return
        name = _name(event)
        try:
            await self._send(self._first(event, name))
        except AlreadyExists:
            log.debug("Event %s was written without an answer.", name)
        self._note(event, name, 1)

    def _note(self, event: _Event, name: str, count: int) -> None:
        self._series[event.same] = _Series(name, count, event.at)
        self._series.move_to_end(event.same)
        while len(self._series) > SERIES_AT_MOST:
            self._series.popitem(last=False)

    async def _send(self, request: Request) -> None:
        for seconds in _PAUSES_SECONDS:
            try:
                await self._kube.send(request)
            except Unreachable:
                await asyncio.sleep(seconds)
            else:
                return
        await self._kube.send(request)

    def _first(self, event: _Event, name: str) -> Request:
        body = {
            "metadata": {"name": name},
            "eventTime": microseconds(event.at),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": event.action,
            "reason": event.same.reason,
            "note": event.same.note,
            "type": event.same.type,
            "regarding": {
                "apiVersion": wire.ROLLOUTS.api_version,
                "kind": wire.ROLLOUTS.kind,
                "namespace": event.namespace,
                "name": event.rollout,
                "uid": event.same.uid,
            },
        }
        return wire.create(wire.EVENTS, event.namespace, body)


def _counted_up(event: _Event, name: str, count: int) -> Request:
    series: Json = {"count": count, "lastObservedTime": microseconds(event.at)}
    return wire.patch(wire.EVENTS, event.namespace, name, {"series": series})


def _name(event: _Event) -> str:
    """As client-go names them: the object and the time, so that a list of them is in order."""
    return f"{event.rollout}.{int(event.at.timestamp() * 1_000_000):x}"


def _camel_case(words: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", words))
