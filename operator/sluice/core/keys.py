"""The names that Sluice writes on objects.

Keys on the Deployment differ from those on ReplicaSets: the Deployment controller copies the
Deployment's annotations onto the ReplicaSet it owns.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "sluice.dev"
FIELD_MANAGER: Final = "sluice"

# --- on everything that belongs to a Rollout
ROLLOUT_LABEL: Final = f"{PREFIX}/rollout"

# --- on the Rollout
FINALIZER: Final = f"{PREFIX}/restore"
COMMAND: Final = f"{PREFIX}/command"
ACCEPTED: Final = f"{PREFIX}/accepted"
UNGATED: Final = f"{PREFIX}/ungated"

# --- on the Deployment
FORMER_DEADLINE: Final = f"{PREFIX}/former-progress-deadline-seconds"
# kstatus calls a paused Deployment with this deadline Current at rest (design, section 1).
ENDLESS_DEADLINE_SECONDS: Final = 2147483647

# The leaf that `kubectl rollout restart` writes into a template, too.
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"

# --- on ReplicaSets
ROLE: Final = f"{PREFIX}/role"
STABLE_AT: Final = f"{PREFIX}/stable-at"
REJECTED_AT: Final = f"{PREFIX}/rejected-at"
RELEASE: Final = f"{PREFIX}/release"
RELEASE_STARTED: Final = f"{PREFIX}/release-started"
RELEASE_DATA: Final = f"{PREFIX}/release-data"
STEP: Final = f"{PREFIX}/step"
STEP_WEIGHT: Final = f"{PREFIX}/step-weight"
# The pods that the step began with: an autoscaler's N does not make the canary larger.
STEP_SIZE: Final = f"{PREFIX}/step-size"
GROW_STARTED: Final = f"{PREFIX}/grow-started"
LOST_AT: Final = f"{PREFIX}/lost-at"
LOST_SECONDS: Final = f"{PREFIX}/lost-seconds"
STEP_STARTED: Final = f"{PREFIX}/step-started"
RAISE_STARTED: Final = f"{PREFIX}/raise-started"
REASON: Final = f"{PREFIX}/reason"
SWAP: Final = f"{PREFIX}/swap"
REVISION: Final = "deployment.kubernetes.io/revision"
HASH_LABEL: Final = "pod-template-hash"

# --- on the anchor
DEPLOYMENT_UID: Final = f"{PREFIX}/deployment-uid"
ADOPTED: Final = f"{PREFIX}/adopted"
# Written just before the gate is opened for good: from then on the Deployment is the user's.
GIVEN_BACK: Final = f"{PREFIX}/given-back"
# --- on a template's ControllerRevision
TEMPLATE_LABEL: Final = f"{PREFIX}/template"
POD_HASH: Final = f"{PREFIX}/pod-hash"
TRIES: Final = f"{PREFIX}/tries"


def anchor_name(rollout: str) -> str:
    """The name of the ControllerRevision that owns what belongs to the Rollout."""
    return f"sluice-{rollout}"


def record_name(rollout: str, template_hash: str) -> str:
    """The name of the ControllerRevision that keeps one template."""
    return f"sluice-{rollout}-{template_hash}"
