"""Kopf as the watch: one stream for each kind, and nothing else.

Kopf is run in *lives*: each has a thread, an event loop and an HTTP session of its own, because on
failure Kopf cancels every task of its loop, closes the session that it was given, and does not
always return (seen with 1.45.2 when one of two watches failed). A life that is over is dropped, not
awaited, and the next one starts after a pause.

Kopf writes nothing here: there are only `on.event` handlers, no peering, no events, no finalizers.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp
import kopf

from sluice.adapters import wire
from sluice.adapters.access import Access
from sluice.adapters.wire import Json, Resource
from sluice.core.keys import PREFIX, ROLLOUT_LABEL

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType

log = logging.getLogger(__name__)

# What is watched, and with which label selector: the user's other objects never reach us.
WATCHED: Final[dict[Resource, str | None]] = {
    wire.ROLLOUTS: None,
    wire.DEPLOYMENTS: ROLLOUT_LABEL,
    wire.REPLICA_SETS: ROLLOUT_LABEL,
}
# Streams have no total time-out; Kopf reopens those that are silent for 70 s.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5.0)
# After so many refusals a stream is given up, and with it the life.
_ERROR_BACKOFFS: Final = (0.5, 1.0, 2.0, 4.0)
_LOOK_SECONDS: Final = 0.25
# How long a dying Kopf may take until it is left behind.
_LAST_BREATH_SECONDS: Final = 8.0
_LONG_LIFE_SECONDS: Final = 60.0
_MOST_PAUSE_SECONDS: Final = 30.0


class Listener(Protocol):
    """Who is told; always in the loop that the watch was started in."""

    def event(self, resource: Resource, kind: str | None, raw: Json) -> None:
        """An object as it is now; `kind` is ADDED, MODIFIED, DELETED, or None if it was there."""
        ...

    def streams_opened(self, number: int) -> None:
        """All streams are open. What vanished since the number before is not told."""
        ...

    def streams_closed(self) -> None:
        """Nothing is told any more, until they are opened again."""
        ...


class KopfWatch:
    """Runs lives of Kopf and brings their events home to the loop that `run` is called in.

    `ready()` is asked before each life; its answer is None, or a sentence on what is missing.
    """

    def __init__(
        self,
        access: Access,
        *,
        namespace: str | None,
        listener: Listener,
        ready: Callable[[], Awaitable[str | None]],
    ) -> None:
        self._access = access
        self._namespace = namespace
        self._listener = listener
        self._ready = ready
        self._number = 0
        self._life: _Life | None = None
        self._open_since: float | None = None
        self._lost_since = time.monotonic()

    @property
    def lost_seconds(self) -> float:
        """For how long the streams have not all been open; 0 while they are."""
        return 0.0 if self._open_since is not None else time.monotonic() - self._lost_since

    @property
    def open_seconds(self) -> float:
        """For how long they have all been open; 0 while they are not."""
        return 0.0 if self._open_since is None else time.monotonic() - self._open_since

    async def run(self) -> None:
        """Live again and again, until cancelled."""
        deaths = 0
        try:
            while True:
                await self._await_ready()
                started = time.monotonic()
                await self._live()
                long = time.monotonic() - started > _LONG_LIFE_SECONDS
                deaths = 1 if long else deaths + 1
                seconds = pause_seconds(deaths)
                log.warning("The watch has ended; it starts again in %.1f s.", seconds)
                await asyncio.sleep(seconds)
        finally:
            if self._life:
                self._life.stop()

    async def _await_ready(self) -> None:
        told, waits = "", 0
        while missing := await self._ready():
            if missing != told:
                log.warning("Not watching yet: %s", missing)
            told, waits = missing, waits + 1
            await asyncio.sleep(pause_seconds(waits))

    async def _live(self) -> None:
        home = asyncio.get_running_loop()
        life = self._life = _Life(
            self._access, self._namespace, home, self._listener.event, self._opened
        )
        life.start()
        try:
            await life.over.wait()
        finally:
            life.stop()
            if self._open_since is not None:
                self._open_since, self._lost_since = None, time.monotonic()
                self._listener.streams_closed()

    def _opened(self) -> None:
        self._open_since = time.monotonic()
        self._number += 1
        log.info("Watching %s.", self._namespace or "all namespaces")
        self._listener.streams_opened(self._number)


def pause_seconds(attempts: int) -> float:
    """How long to wait before the next attempt after so many in a row: 0.5 s doubling to 30 s."""
    full = min(_MOST_PAUSE_SECONDS, 0.5 * 2.0 ** min(attempts, 10))
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing


@dataclass
class _Life:
    """One run of Kopf in a thread of its own. All but `_main` and what it calls is home's."""

    access: Access
    namespace: str | None
    home: asyncio.AbstractEventLoop
    on_event: Callable[[Resource, str | None, Json], None]
    on_open: Callable[[], None]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: bool = False
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event | None = None
    _open: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Begin, in a daemon thread: one that hangs must not keep the process."""
        threading.Thread(target=self._main, name="kopf", daemon=True).start()

    def stop(self) -> None:
        """Ask Kopf to end, and hear nothing of it any more."""
        self._stopped = True
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            _call(loop, stop.set)

    # --- at home

    def _deliver(self, resource: Resource, kind: str | None, raw: Json) -> None:
        if not self._stopped:
            self.on_event(resource, kind, raw)

    def _opened(self) -> None:
        if not self._stopped:
            self.on_open()

    # --- in the life's thread

    def _main(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        # What a dying Kopf leaves behind is of no interest: the life is told to be over.
        loop.set_exception_handler(lambda *_: None)
        try:
            loop.run_until_complete(self._run())
        except Exception as error:  # noqa: BLE001 - whatever ended it, the next life must start
            log.warning("The watch failed: %r", error)
        finally:
            _call(self.home, self.over.set)
            loop.run_until_complete(self._tidy())
            loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        session = self.access.session(_TIMEOUT, self._note_stream)
        operator = asyncio.create_task(
            kopf.operator(
                registry=self._registry(session),
                settings=_settings(),
                # Else Kopf asks the system for the name of its user, and in a container none is.
                identity="sluice",  # type: ignore[arg-type]  # the NewType is private
                clusterwide=self.namespace is None,
                namespaces=[self.namespace] if self.namespace else [],
                stop_flag=self._stop,
            )
        )
        # A closed session means that Kopf is dying, though it may never return.
        while not (operator.done() or session.closed or self._stop.is_set()):
            await asyncio.wait([operator], timeout=_LOOK_SECONDS)
        await asyncio.wait([operator], timeout=_LAST_BREATH_SECONDS)
        if operator.done() and not operator.cancelled() and (error := operator.exception()):
            log.warning("The watch failed: %r", error)
        await session.close()

    async def _tidy(self) -> None:
        """Cancel what Kopf has left; nobody waits for this, and what does not end is let go."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_LAST_BREATH_SECONDS)

    async def _note_stream(
        self, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        # A stream that is resumed has missed nothing; one that begins anew (after a 410) has.
        if "sendInitialEvents" in request.url.query and response.status == 200:
            self._open.add(request.url.path.rsplit("/", 1)[-1])
            if len(self._open) == len(WATCHED):
                _call(self.home, self._opened)
        return response

    def _registry(self, session: aiohttp.ClientSession) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        def login(**_: Any) -> kopf.AiohttpSession:
            return kopf.AiohttpSession(server=self.access.server, aiohttp_session=session)

        kopf.on.login(registry=registry)(login)
        for resource in WATCHED:
            self._watch(registry, resource)
        return registry

    def _watch(self, registry: kopf.OperatorRegistry, resource: Resource) -> None:
        group, _, version = resource.api_version.partition("/")

        async def handle(event: Any, **_: Any) -> None:
            _call(self.home, self._deliver, resource, event["type"], event["object"])

        kopf.on.event(group, version, resource.plural, registry=registry)(handle)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = None
    settings.execution.max_workers = 1
    settings.networking.connect_timeout = 5.0
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = list(_ERROR_BACKOFFS)
    settings.watching.connect_timeout = 5.0
    settings.watching.initial_streaming = True
    # Unused as long as there are only on.event handlers; a slip must not write Kopf's own names.
    settings.persistence.finalizer = f"{PREFIX}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    for resource, selector in WATCHED.items():
        if selector is not None:
            # Only tuples filter: a key like "apps/v1/deployments" is taken for a name that no
            # resource has, and everything is watched.
            group, _, version = resource.api_version.partition("/")
            settings.watching.label_selectors[group, version, resource.plural] = selector
    return settings


def quieten() -> None:
    """Let Kopf speak of trouble only: it has a line for every event."""
    logging.getLogger("kopf.objects").setLevel(logging.ERROR)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # It warns that it leaves signals alone, which is what it shall do.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)


def _call(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *args: Any) -> None:
    """Call it in the loop's thread; a loop that is closed has no interest any more."""
    try:
        loop.call_soon_threadsafe(what, *args)
    except RuntimeError:
        log.debug("The loop is closed.")
