"""All judges at once, over what a namespace has now and over what was stored in it before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from judges import argocd, kstatus, table
from judges.table import ENDS, NONE, WAITS, Row, Verdicts
from stage.cluster import Json
from stage.story import Story, version_of
from stage.watching import Change, Watch

ANSWER_SECONDS: Final = 30


@dataclass(frozen=True)
class Look:
    """The two objects at one instant."""

    rollout: Json
    deployment: Json | None

    @property
    def phase(self) -> str:
        """The Rollout's phase, empty before the first status."""
        return str(self.rollout.get("status", {}).get("phase", ""))

    @property
    def reason(self) -> str:
        """The reason of its Ready condition, which tells one row of a phase from another."""
        return str(_ready(self.rollout).get("reason", ""))


class Bench:
    """The judges of a story's Rollout and its Deployment. `close()` ends its watch."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._deployments = Watch(story.cluster, "deployments", story.namespace)

    def close(self) -> None:
        """End the watch."""
        self._deployments.stop()

    # --- now

    def look(self) -> Look:
        """The objects as they are now."""
        story = self.story
        deployment = story.cluster.find("deployments", story.namespace, "web")
        return Look(story.rollout(), deployment)

    def must_say(self, row: Row, *, reason: str = "", timeout_seconds: float = 60) -> None:
        """Wait for the row's phase (and reason), in which the judges must say what the row says.

        Nothing may move while they look; the Deployment's controller may be a moment behind.
        """
        seen: Verdicts | None = None

        def agreed() -> bool:
            nonlocal seen
            before = self.look()
            if before.phase != row.phase or (reason and before.reason != reason):
                return False
            verdicts = self._verdicts(before)
            if self.look() != before:
                return False
            seen = verdicts
            return verdicts == row.verdicts

        try:
            self.story.eventually(agreed, timeout_seconds, f"{row}")
        except AssertionError as error:
            error.add_note(f"Last said in this phase: {seen}")
            raise

    def _verdicts(self, look: Look) -> Verdicts:
        of_rollout, of_deployment = kstatus.statuses([look.rollout, look.deployment])
        waited = self.story.kubectl(
            "wait", "--for=condition=Ready", "slr/web", "--timeout=0s", check=False
        )
        rolled, health = NONE, NONE
        if look.deployment is not None:
            said = self.story.kubectl("rollout", "status", "deployment/web", "--watch=false")
            rolled = ENDS if "successfully rolled out" in said else WAITS
            health = argocd.health(look.deployment).status
        return Verdicts(
            of_rollout,
            ENDS if "condition met" in waited else WAITS,
            argocd.health(look.rollout).status,
            of_deployment,
            rolled,
            health,
        )

    # --- then

    def check_every_stored_rollout(self) -> set[str]:
        """Each state that the Rollout ever had must be judged as its phase says; their phases.

        Phases that last for a few milliseconds are judged by this alone.
        """
        seen = [Look(item, None) for item in self.story.rollouts_seen()]
        looks = [look for look in seen if look.phase]
        statuses = kstatus.statuses([look.rollout for look in looks])
        for look, status in zip(looks, statuses, strict=True):
            ready = ENDS if _ready(look.rollout)["status"] == "True" else WAITS
            said = (status, ready, argocd.health(look.rollout).status)
            unseen = look.rollout["status"]["observedGeneration"] != _generation(look.rollout)
            if unseen:
                assert (said[0], said[2]) == ("InProgress", "Progressing"), look
            else:
                assert said in table.of_phase(look.phase), f"{said} of {look}"
        return {look.phase for look in looks}

    def before_its_swap(self, version: str) -> list[Json]:
        """Each state of the Deployment from the change to this version's template until it owned
        the version's ReplicaSet, in the order of the store: what anybody could have seen.
        """
        swaps = (
            _order(change)
            for change in self.story.replicaset_changes()
            if version_of(change.object) == version and _owned_by_deployment(change.object)
        )
        swapped = next(swaps, None)
        states = list(self._states_of(version))
        return [c.object for c in states if swapped is None or _order(c) < swapped]

    def seconds_until_seen(self, version: str) -> float:
        """From the change to this version's template until the Rollout was no longer Ready."""
        changed = next(self._states_of(version))
        moments = [m for m in self.story.moments(since=changed.at) if not _is_ready(m.status)]
        return moments[0].at - changed.at if moments else time.time() - changed.at

    def _states_of(self, version: str) -> Iterator[Change]:
        return (
            change
            for change in self._deployments.changes()
            if change.kind != "DELETED"
            and change.object["metadata"]["name"] == "web"
            and version_of(change.object) == version
        )


def _order(change: Change) -> int:
    """All kinds are numbered by the one store."""
    return int(change.object["metadata"]["resourceVersion"])


def _generation(item: Json) -> int:
    return int(item["metadata"]["generation"])


def _ready(rollout: Json) -> Json:
    conditions: list[Json] = rollout.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})


def _is_ready(status: Json) -> bool:
    return bool(_ready({"status": status}).get("status") == "True")


def _owned_by_deployment(item: Json) -> bool:
    owners = item["metadata"].get("ownerReferences", [])
    return any(owner["kind"] == "Deployment" for owner in owners)
