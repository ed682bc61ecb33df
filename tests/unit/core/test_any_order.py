"""Whatever happens in whatever order: what must hold after each write, and where it all ends.

Deterministic and short in the normal run; `SLUICE_EXAMPLES=5000` looks further, at random.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from play import COMPARED, HEAVY, IMAGES, POLICY, Event, Play

from sluice.core.decide import decide
from sluice.core.objects import Role
from sluice.core.policy import Policy

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "0"))

VALUES: dict[str, tuple[Any, ...]] = {
    # what people and their tools do
    "image": IMAGES,
    "replicas": (0, 1, 2, 3, 4, 4, 5, 6),
    "both": tuple((image, number) for image in IMAGES for number in (2, 6)),
    "command": ("promote", "promote-full", "abort", "retry", "rollback", "rollback=1"),
    "halt": (False, False, True),
    "unpause": (1, 3),
    "unlabel": ("deployment", "stable", "canary", "selector of stable", "selector of canary"),
    "delete": ("stable", "canary", "old"),
    "orphan": ("stable", "canary", "old"),
    "disown": ("stable", "canary", "old"),
    "recreate": ("with its pods", "as an orphan"),
    # what pods do
    "fail": IMAGES,
    "heal": (*IMAGES, "all"),
    "unready": (("stable", 1), ("stable", 9), ("canary", 1), ("canary", 9)),
    # what the source of metrics says
    "reading": ("good", "good", "good", "bad", "unknown", "unknown"),
    "silent": (False, True),
    # what becomes of the operator
    "kill": (0, 1, 2),
    "conflict": (0, 1),
    "stale": (1, 3, 10),
    "lag": (0, 1, 3),
    "back": (1, 30, 120),
    "lead": (0, 1, 2),
    "time": (1, 2, 5, 12, 40),
}
# Mostly time passes, or a release would never come to its end.
OFTEN = {
    "time": 20,
    "image": 5,
    "heal": 4,
    "reading": 6,
    "silent": 3,
    "kill": 4,
    "replicas": 2,
    "command": 2,
    "stale": 3,
    "lead": 3,
}
events: st.SearchStrategy[Event] = st.sampled_from(
    [
        (kind, value)
        for kind, values in VALUES.items()
        for number in range(OFTEN.get(kind, 1) * 60 // len(values))
        for value in values
    ]
)
# A start from which there is something to go back to.
STARTS = ((), (("image", "web:2"), ("time", 40)))


@settings(
    deadline=None,
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.sampled_from((POLICY, COMPARED, HEAVY)),
    st.sampled_from(STARTS),
    st.lists(events, min_size=20, max_size=60),
    st.booleans(),
)
def test_in_whatever_order_things_happen(
    policy: Policy, start: tuple[Event, ...], order: list[Event], deleted: bool
) -> None:
    play = Play(policy)
    for event in (*start, *order):
        play.happen(event)
    play.calm()
    world = play.world
    if deleted:
        world.delete_rollout()
    plan = play.come_to_rest()
    if deleted:
        assert world.rollout is None
        assert not world.d.paused
        running = [rs for rs in world.replica_sets.values() if rs.replicas]
        assert all(rs.owner_uid == world.d.ref.uid for rs in running)
        assert {rs.template_hash for rs in running} <= {world.d.template_hash}
        return
    again = decide(play.operator.observe())
    assert again.actions == ()
    assert again.status == plan.status
    owned = world.situation().owned
    assert [rs.role for rs in owned] == [Role.STABLE] or world.d.replicas == 0
    assert world.serving() == world.d.replicas
    assert world.phase in ("Healthy", "RolledBack") or world.d.replicas == 0, world.message
