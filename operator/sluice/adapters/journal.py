"""Decisions as log lines, counters and Events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from sluice.core.objects import Rollout
from sluice.core.plan import Decision
from sluice.core.scaling.kept import Scaled
from sluice.ports import Key

log = logging.getLogger(__name__)


class ScalingMetrics(Protocol):
    """Shows what scaling reads and decides; `sluice.adapters.scaling_metrics` does."""

    def scaled(self, key: Key, scaled: Scaled) -> None:
        """A decision on replicas was made."""
        ...

    def forget(self, key: Key) -> None:
        """Show nothing more of the Rollout."""
        ...


class LogJournal:
    """Satisfies `sluice.ports.Journal`.

    `counted` gets what was decided; `tell` gets the decisions that deserve an Event; `scaling`
    those on replicas.
    """

    def __init__(
        self,
        counted: Callable[[str], None],
        tell: Callable[[Rollout, Decision], None] = lambda _rollout, _decision: None,
        scaling: ScalingMetrics | None = None,
    ) -> None:
        self._counted = counted
        self._tell = tell
        self._scaling = scaling

    def decided(self, rollout: Rollout, decision: Decision) -> None:
        """One line for one decision, and one Event where the core names one."""
        log.info("%s/%s: %s: %s", rollout.namespace, rollout.ref.name, decision.what, decision.why)
        self._counted(decision.what)
        if decision.event:
            self._tell(rollout, decision)

    def scaled(self, rollout: Rollout, scaled: Scaled) -> None:
        """For the operator's metrics; changes are told as decisions, too."""
        if self._scaling is not None:
            self._scaling.scaled(Key(rollout.namespace, rollout.ref.name), scaled)

    def forget(self, key: Key) -> None:
        """Nothing more is shown of the Rollout's scaling."""
        if self._scaling is not None:
            self._scaling.forget(key)
