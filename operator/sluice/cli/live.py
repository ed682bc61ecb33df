"""What lasts: the live tree, and waiting for an outcome."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from sluice.cli import reading
from sluice.cli.client import Json
from sluice.cli.errors import CliError, NotFound, Unreachable
from sluice.cli.exit_codes import Exit
from sluice.cli.facts import Facts, name_of
from sluice.cli.options import Session
from sluice.cli.outlook import outlook
from sluice.cli.text import DIM, Line, until
from sluice.cli.tree import one_line, tree
from sluice.cli.waiting import Follower, code_for, outcome

if TYPE_CHECKING:
    from rich.live import Live

# ReplicaSets and pods are read with every change of the Rollout, at most so often; and so often
# while nothing changes, because a pod may be in trouble before the operator says so.
_LEAST_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 5.0


def status(session: Session, raw: Json, wanted: Exit) -> Exit:
    """One line on where it is, and the exit code for it."""
    facts = Facts(raw)
    found = outcome(facts)
    code = found.code
    if code in (Exit.HEALTHY, Exit.ROLLED_BACK) and not _settled(session, raw):
        code = Exit.UNDER_WAY
        session.screen.write(f"{_told(facts)}; the Deployment has a newer template, which is next")
    else:
        session.screen.write(_told(facts))
    return code_for(code, wanted)


def wait(session: Session, raw: Json, wanted: Exit, seconds: float | None) -> Exit:
    """Waits for the outcome; one line for each change on the way there."""
    last, told = raw, ""
    pending = False
    for state in Follower(session.connect, raw).states(seconds):
        last = state or last
        facts = Facts(last)
        line = _told(facts)
        if state is not None and line != told:
            session.screen.write(f"{one_line(facts, _now())}")
            told = line
        # Without a new state only the Deployment can have changed: that is looked at, too.
        pending = state is not None or pending
        found = outcome(facts)
        if not pending or not (found.final or found.code is wanted):
            continue
        if found.code in (Exit.HEALTHY, Exit.ROLLED_BACK) and not _settled(session, last):
            continue
        return code_for(found.code, wanted)
    sys.stderr.write(
        f"error: not within {seconds:g} s: {_told(Facts(last))}. Next: {_next(Facts(last))}\n"
    )
    return Exit.TIMEOUT


def watch(session: Session, raw: Json, seconds: float | None) -> Exit:
    """Shows the Rollout until its release has ended; the exit code says how."""
    screen = session.screen
    if not screen.live:
        return _watch(session, raw, seconds, _Log(session))
    from rich.live import Live  # noqa: PLC0415  (only for a terminal)

    with Live(console=screen.console, auto_refresh=False, transient=False) as shown:
        picture = _Picture(session, shown)
        code = _watch(session, raw, seconds, picture)
        shown.vertical_overflow = "visible"
        picture.draw()
    return code


class Show(Protocol):
    """Shows a state; `new` says whether it is one, `note` what is said below it."""

    def __call__(self, raw: Json, *, new: bool, note: str) -> None:
        """Shows it."""


def _watch(session: Session, raw: Json, seconds: float | None, show: Show) -> Exit:
    # By what was read first: a release may end before the watch has brought anything.
    last, began = raw, not _has_ended(raw)
    for state in Follower(session.connect, raw).states(seconds):
        last = state or last
        found = outcome(Facts(last))
        ended = _has_ended(last)
        resting = ended and not began
        began = began or not ended
        note = "No release is under way: waits for the next one. Ctrl-C ends." if resting else ""
        if ended and began and not resting and _settled(session, last):
            show(last, new=True, note="")
            return code_for(found.code, Exit.HEALTHY)
        show(last, new=state is not None, note=note)
    return Exit.TIMEOUT


def _has_ended(raw: Json) -> bool:
    found = outcome(Facts(raw))
    return found.final and found.code in (Exit.HEALTHY, Exit.ROLLED_BACK, Exit.STUCK)


class _Log:
    """For a pipe: one line for each change."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told = ""

    def __call__(self, raw: Json, *, new: bool, note: str) -> None:
        facts = Facts(raw)
        told = _told(facts)
        if new and told != self._told:
            self._told = told
            self._session.screen.write(one_line(facts, _now()) + (f"  {note}" if note else ""))


class _Picture:
    """For a terminal: the tree, drawn again every second."""

    def __init__(self, session: Session, live: Live) -> None:
        self._session = session
        self._live = live
        self._facts: Facts | None = None
        self._note = ""
        self._read_at = 0.0
        self._stale = True

    def __call__(self, raw: Json, *, new: bool, note: str) -> None:
        """Reads what is around the Rollout where it is due, and draws."""
        self._note, self._stale = note, self._stale or new
        since = time.monotonic() - self._read_at
        if self._facts is None or since > (_LEAST_SECONDS if self._stale else _MOST_SECONDS):
            self._read(raw)
        elif self._facts is not None:
            self._facts = Facts(raw, self._facts.sides, self._facts.notes)
        self.draw()

    def _read(self, raw: Json) -> None:
        try:
            self._facts = reading.facts(self._session.api, raw)
        except Unreachable as lost:
            old = self._facts.sides if self._facts else ()
            self._facts = Facts(raw, old, (str(lost),))
        self._read_at, self._stale = time.monotonic(), False

    def draw(self) -> None:
        """Draws what was read last."""
        from rich.console import Group  # noqa: PLC0415

        from sluice.cli.screen import text_of  # noqa: PLC0415

        if self._facts is None:
            return
        lines: list[Line] = tree(self._facts, _now(), self._session.screen.paper)
        if self._note:
            lines += [[], [(self._note, DIM)]]
        texts = [text_of(line) for line in lines]
        for text in texts:
            text.no_wrap, text.overflow = True, "ellipsis"
        self._live.update(Group(*texts), refresh=True)


def _settled(session: Session, raw: Json) -> bool:
    phase = Facts(raw).phase
    if phase not in ("Healthy", "RolledBack"):
        return True
    try:
        return reading.template_is_settled(session.api, raw, phase)
    except NotFound:
        return False
    except CliError:
        return False  # asked again in a second


def _told(facts: Facts) -> str:
    return f"{facts.namespace}/{name_of(facts.rollout)} {facts.phase or 'not taken up yet'}" + (
        f": {facts.message}" if facts.message else ""
    )


def _next(facts: Facts) -> str:
    coming = outlook(facts)
    when = f"{until(coming.at, _now())}: " if coming.at else ""
    return f"{when}{coming.sentence}"


def _now() -> datetime:
    return datetime.now(UTC)
