"""A Rollout at rest costs the API server no write."""

from __future__ import annotations

import time
from collections.abc import Callable

from e2e import audit
from stage.cluster import OPERATOR_USER
from stage.manifests import step
from stage.story import Story

SETTLED_SECONDS = 120


def test_two_settled_minutes_without_a_write(new_story: Callable[..., Story]) -> None:
    # Given a Rollout at rest after a release, and one at rest after a rollback
    began = audit.mark()
    healthy = new_story("e2e-settled-healthy", replicas=2)
    healthy.adopt(steps=[step(50)])
    healthy.set_env(VERSION="v2")
    rolled_back = new_story("e2e-settled-rolled-back", replicas=2)
    rolled_back.adopt(steps=[step(50, "10m")])
    rolled_back.set_env(VERSION="v2")
    rolled_back.until_serving("v2", 2)
    rolled_back.command("abort")
    rolled_back.until_now("RolledBack", "v1")
    rolled_back.until_gone("v2")
    healthy.until_now("Healthy", "v2")
    healthy.until_gone("v1")
    for story in (healthy, rolled_back):
        story.until_reconciled()

    # And the audit log tells of the writes that led there
    for story in (healthy, rolled_back):
        led = audit.writes(audit.by(OPERATOR_USER, audit.since(began), story.namespace))
        assert audit.counted(led)["patch replicasets"] > 0, story.tell()

    # When two minutes go by
    position = audit.mark()
    time.sleep(SETTLED_SECONDS)

    # Then the API server has seen no write of the operator to either of them
    entries = audit.since(position)
    for story in (healthy, rolled_back):
        written = audit.writes(audit.by(OPERATOR_USER, entries, story.namespace))
        assert audit.counted(written) == {}, story.tell()
