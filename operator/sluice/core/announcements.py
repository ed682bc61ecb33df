"""Which decisions are told as a Kubernetes Event, and which of them are warnings: one table.

An Event is for what changes what a person may expect; the many small moves of a release (a size, a
clock, the first half of a swap) stay in the log and in the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sluice.core.plan import Decision
from sluice.core.table import Move


class Act(Enum):
    """What is decided outside the table of releases."""

    ADOPT = auto()
    GIVE_BACK = auto()
    SHUT_GATE = auto()
    RESTORE_STABLE = auto()
    UNGATED = auto()
    TRY = auto()
    ACCEPT_COMMAND = auto()
    REFUSE_COMMAND = auto()
    FINISH_ROLLBACK = auto()
    SCALE = auto()


@dataclass(frozen=True, slots=True)
class Announcement:
    """The reason of an Event (CamelCase), and whether its type is Warning."""

    reason: str
    warning: bool = False


ANNOUNCEMENTS: Final[Mapping[Move | Act, Announcement]] = {
    Move.START: Announcement("ReleaseStarted"),
    Move.RETURN: Announcement("ReleaseStarted"),
    Move.NEXT_STEP: Announcement("StepPassed"),
    Move.RAISE: Announcement("StepPassed"),
    Move.GIVE: Announcement("Promoted"),
    Move.REJECT: Announcement("RolledBack", warning=True),
    Move.WITHDRAW: Announcement("Withdrawn"),
    Move.ACCEPT: Announcement("Promoted"),
    Move.CONDEMN: Announcement("RolledBack", warning=True),
    Move.RECLAIM: Announcement("Withdrawn"),
    Move.GO_BACK: Announcement("RollbackStarted"),
    Act.FINISH_ROLLBACK: Announcement("RollbackFinished"),
    Act.ADOPT: Announcement("Adopted"),
    Act.GIVE_BACK: Announcement("GivenBack"),
    Act.SHUT_GATE: Announcement("GateShutAgain", warning=True),
    Act.RESTORE_STABLE: Announcement("StableRestored", warning=True),
    Act.UNGATED: Announcement("Ungated", warning=True),
    Act.SCALE: Announcement("Scaled"),
    Act.ACCEPT_COMMAND: Announcement("CommandAccepted"),
    Act.REFUSE_COMMAND: Announcement("CommandRefused", warning=True),
}


def decision(what: Move | Act, said: str, why: str) -> Decision:
    """A decision in words, with the Event it deserves; without one where the table has none."""
    found = ANNOUNCEMENTS.get(what)
    if found is None:
        return Decision(said, why)
    return Decision(said, why, found.reason, found.warning)
