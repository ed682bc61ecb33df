"""Decisions as log lines, counters and Events."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sluice.core.objects import Rollout
from sluice.core.plan import Decision

log = logging.getLogger(__name__)


class LogJournal:
    """Satisfies `sluice.ports.Journal`.

    `counted` gets what was decided; `tell` gets the decisions that deserve an Event.
    """

    def __init__(
        self,
        counted: Callable[[str], None],
        tell: Callable[[Rollout, Decision], None] = lambda _rollout, _decision: None,
    ) -> None:
        self._counted = counted
        self._tell = tell

    def decided(self, rollout: Rollout, decision: Decision) -> None:
        """One line for one decision, and one Event where the core names one."""
        log.info("%s/%s: %s: %s", rollout.namespace, rollout.ref.name, decision.what, decision.why)
        self._counted(decision.what)
        if decision.event:
            self._tell(rollout, decision)
