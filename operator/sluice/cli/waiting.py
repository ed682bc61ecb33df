"""Following a Rollout until something is reached, by a watch where the user may watch."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sluice.cli.client import Api, Json
from sluice.cli.errors import CliError, Forbidden, NotFound, Unreachable
from sluice.cli.exit_codes import Exit
from sluice.cli.facts import Facts, name_of, namespace_of, part
from sluice.cli.outlook import needs_a_person

# Where the user may get, but not watch.
POLL_SECONDS: Final = 2.0
# A watch is opened anew now and then, and everything read afresh: no event can be lost for ever.
WATCH_SECONDS: Final = 240
# So long an API server may be away before we give up.
PATIENCE_SECONDS: Final = 30.0

TARGETS: Final = {
    "healthy": Exit.HEALTHY,
    "rolledback": Exit.ROLLED_BACK,
    "paused": Exit.PAUSED,
    "stuck": Exit.STUCK,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a Rollout is, as an exit code; `final` unless it goes on by itself."""

    code: Exit
    final: bool


def outcome(facts: Facts) -> Outcome:
    """What the status says, whatever template the Deployment may have meanwhile."""
    if facts.unseen or facts.unheard or not facts.phase or facts.deleting:
        return Outcome(Exit.UNDER_WAY, final=False)
    match facts.phase:
        case "Healthy":
            return Outcome(Exit.HEALTHY, final=True)
        case "RolledBack":
            return Outcome(Exit.ROLLED_BACK, final=True)
        case "Paused":
            return Outcome(Exit.PAUSED, final=needs_a_person(facts))
        case "Invalid":
            return Outcome(Exit.STUCK, final=True)
        case "Stalled":
            # A missing Deployment may come a moment later: worth waiting for, up to the timeout.
            return Outcome(Exit.STUCK, final=False)
    return Outcome(Exit.UNDER_WAY, final=False)


def code_for(found: Exit, target: Exit) -> Exit:
    """The exit code: 0 for what was waited for, else what there is instead."""
    return Exit.OK if found is target else found


class Follower:
    """States of one Rollout, newest first to be had; a thread of its own reads the watch."""

    def __init__(self, connect: Callable[[], Api], raw: Json) -> None:
        self._connect = connect
        self._namespace, self._name = namespace_of(raw), name_of(raw)
        self._states: queue.Queue[Json | CliError] = queue.Queue()
        self._states.put(raw)
        self._thread = threading.Thread(target=self._run, args=(raw,), daemon=True)
        self._api: Api | None = None
        self._stopped = threading.Event()

    def states(self, seconds: float | None) -> Iterator[Json | None]:
        """Each new state, for so long (None: for ever); None about every second without one.

        Raises CliError, NotFound when the Rollout is gone.
        """
        self._thread.start()
        end = None if seconds is None else time.monotonic() + seconds
        try:
            while True:
                left = 1.0 if end is None else min(1.0, end - time.monotonic())
                if left <= 0:
                    return
                yield self._newest(left)
        finally:
            self._stopped.set()
            if self._api is not None:
                self._api.interrupt()

    def _newest(self, seconds: float) -> Json | None:
        """The newest state that has not been seen yet, None where there is none in time."""
        try:
            state = self._states.get(timeout=seconds)
            while not self._states.empty():
                state = self._states.get_nowait()
        except queue.Empty:
            return None
        if isinstance(state, CliError):
            raise state
        return state

    def _run(self, raw: Json) -> None:
        try:
            self._api = self._connect()
            self._follow(self._api, raw)
        except CliError as error:
            self._states.put(error)
        finally:
            if self._api is not None:
                self._api.close()

    def _follow(self, api: Api, raw: Json) -> None:
        watching, lost_at = True, None
        version = str(part(raw, "metadata").get("resourceVersion", ""))
        while not self._stopped.is_set():
            try:
                if watching:
                    self._watch(api, version)
                else:
                    self._stopped.wait(POLL_SECONDS)
                if self._stopped.is_set():
                    return
                raw = api.get("rollouts", self._namespace, self._name)
            except Forbidden:
                if not watching:
                    raise
                watching = False
                continue
            except Unreachable:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > PATIENCE_SECONDS:
                    raise
                self._stopped.wait(1.0)
                continue
            lost_at = None
            version = str(part(raw, "metadata").get("resourceVersion", ""))
            self._states.put(raw)

    def _watch(self, api: Api, version: str) -> None:
        for event in api.watch(
            "rollouts", self._namespace, self._name, version=version, seconds=WATCH_SECONDS
        ):
            if event.get("type") == "DELETED":
                raise NotFound(f"Rollout {self._name} in namespace {self._namespace} was deleted")
            if event.get("type") in ("ADDED", "MODIFIED"):
                self._states.put(event["object"])
