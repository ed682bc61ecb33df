"""Two operators that stand for election in one namespace, as seen from outside."""

from __future__ import annotations

import json
from collections.abc import Callable

from e2e.local_operator import LocalOperator
from stage.cluster import Json
from stage.story import Story

Pair = dict[str, LocalOperator]
NAMES = ("one", "two")


def start_pair(
    story: Story, new_operator: Callable[..., LocalOperator], lease_seconds: float | None = None
) -> Pair:
    """Start both, and wait until they watch. By name, which is also what their Events say."""
    pair = {name: new_operator(story, rival=name) for name in NAMES}
    for operator in pair.values():
        operator.lease_seconds = lease_seconds
        operator.start()
    story.operator_log = lambda: "\n".join(each.log_tail() for each in pair.values())
    story.eventually(lambda: all(each.watching for each in pair.values()), 60, "both are watching")
    return pair


def leader(story: Story) -> str:
    """The name of the operator that holds the Lease; empty when none does."""
    found = story.cluster.find("leases", story.namespace, "sluice")
    holder: str = found["spec"].get("holderIdentity", "") if found else ""
    return holder.partition("_")[0]


def events(story: Story) -> list[Json]:
    """The Events about the Rollout, oldest first."""
    found = story.kubectl("get", "events.events.k8s.io", "-o", "json")
    about = [item for item in json.loads(found)["items"] if item["regarding"]["kind"] == "Rollout"]
    return sorted(about, key=lambda item: str(item["eventTime"]))
