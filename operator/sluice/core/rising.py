"""The marks of a side on its way up, and the one patch that changes it."""

from __future__ import annotations

from typing import Final

from sluice.core import keys
from sluice.core.plan import Changes, PatchReplicaSet
from sluice.core.release_data import ReleaseData
from sluice.core.situation import Situation

# What a ReplicaSet carries only while it rises.
_RISING_KEYS: Final = (
    keys.STEP,
    keys.STEP_WEIGHT,
    keys.STEP_SIZE,
    keys.GROW_STARTED,
    keys.LOST_AT,
    keys.LOST_SECONDS,
    keys.STEP_STARTED,
    keys.RAISE_STARTED,
    keys.RELEASE_DATA,
    keys.SWAP,
)
CLEARED: Final[Changes] = dict.fromkeys(_RISING_KEYS)


def patch_rising(
    situation: Situation,
    annotations: Changes,
    *,
    replicas: int | None = None,
    data: ReleaseData | None = None,
) -> PatchReplicaSet:
    """One patch of the rising side, with the release data where they changed."""
    side = situation.rising
    assert side is not None, "only a state with a rising side has such a move"
    data = data or situation.data
    changes = dict(annotations)
    moved = data != situation.stored_data or data.standings != situation.stored_data.standings
    if situation.canary is not None and moved:
        changes.setdefault(keys.RELEASE_DATA, data.dump())
    lowered = replicas is not None and replicas < side.replicas
    return PatchReplicaSet(side.ref, replicas, annotations=changes, dangerous=lowered)
