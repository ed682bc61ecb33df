"""Decisions as log lines and counters."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sluice.core.plan import Plan
from sluice.ports import Key

log = logging.getLogger(__name__)


class LogJournal:
    """Satisfies `sluice.ports.Journal`. `counted` gets what was decided."""

    def __init__(self, counted: Callable[[str], None]) -> None:
        self._counted = counted

    def decided(self, key: Key, plan: Plan) -> None:
        """One line for one decision."""
        if plan.decision is not None:
            log.info("%s: %s: %s", key, plan.decision.what, plan.decision.why)
            self._counted(plan.decision.what)
