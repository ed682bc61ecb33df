"""Reads a Rollout and what belongs to it, and no more than is shown."""

from __future__ import annotations

from sluice.cli.client import Api, Json
from sluice.cli.errors import CliError, Forbidden, NotFound
from sluice.cli.facts import Facts, Side, name_of, namespace_of, part, sides
from sluice.core import keys
from sluice.core.templates import template_hash

KINDS = ("slr", "rollout", "rollouts", "rollout.sluice.dev", "rollouts.sluice.dev")


def rollout(api: Api, namespace: str, name: str) -> Json:
    """The Rollout of that name; without a name the only one of the namespace. Raises CliError."""
    if name:
        return api.get("rollouts", namespace, name)
    found = api.list("rollouts", namespace)
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"there is no Rollout in namespace {namespace}")
    names = ", ".join(name_of(raw) for raw in found)
    raise CliError(f"namespace {namespace} has {len(found)} Rollouts: name one of {names}")


def bare_name(text: str) -> str:
    """`web` of `web`, `slr/web` or `rollout.sluice.dev/web`. CliError for another kind."""
    kind, slash, name = text.rpartition("/")
    if slash and kind.lower() not in KINDS:
        raise CliError(f'"{text}" is no Rollout: write its name, or slr/NAME')
    return name


def facts(api: Api, raw: Json, *, pods: bool = True) -> Facts:
    """The Rollout with its ReplicaSets, and the pods of those that have some."""
    namespace, notes = namespace_of(raw), []
    try:
        found = api.list("replicasets", namespace, _selector(raw))
    except Forbidden as denied:
        return Facts(raw, notes=(str(denied),))
    pod_list: list[Json] = []
    if pods:
        try:
            pod_list = _pods(api, namespace, found)
        except Forbidden as denied:
            notes.append(str(denied))
    return Facts(raw, sides(found, pod_list), tuple(notes))


def revisions(api: Api, raw: Json) -> tuple[list[Json], list[Json]]:
    """The ReplicaSets of the Rollout, and the records of its templates. Raises CliError."""
    namespace = namespace_of(raw)
    found = api.list("replicasets", namespace, _selector(raw))
    return found, api.list("controllerrevisions", namespace, _selector(raw))


def template_is_settled(api: Api, raw: Json, phase: str) -> bool:
    """Whether the phase speaks of the template that the Deployment has now.

    Right after a change of the Deployment the status still tells of the time before: Healthy must
    be with the stable template, RolledBack with one that is rejected. A user who may not read
    Deployments gets what the status says.
    """
    namespace = namespace_of(raw)
    target = str(part(raw, "spec", "targetRef").get("name", ""))
    try:
        deployment = api.get("deployments", namespace, target)
        found = api.list("replicasets", namespace, _selector(raw))
        wanted = _hash_of(deployment)
        roles = {
            str(part(rs, "metadata", "annotations").get(keys.ROLE, ""))
            for rs in found
            if _hash_of(rs) == wanted
        }
        if phase == "Healthy":
            return "stable" in roles
        return "rejected" in roles or (not roles and _rejected_record(api, raw, wanted))
    except Forbidden:
        return True
    except NotFound:
        return False


def _rejected_record(api: Api, raw: Json, wanted: str) -> bool:
    """Whether a rejection is only remembered by its record: the ReplicaSet was cleaned up."""
    selector = f"{_selector(raw)},{keys.TEMPLATE_LABEL}={wanted}"
    found = api.list("controllerrevisions", namespace_of(raw), selector)
    return any(keys.REJECTED_AT in part(item, "metadata", "annotations") for item in found)


def _hash_of(raw: Json) -> str:
    return template_hash(part(raw, "spec", "template"))


def _selector(raw: Json) -> str:
    return f"{keys.ROLLOUT_LABEL}={name_of(raw)}"


def _pods(api: Api, namespace: str, replica_sets: list[Json]) -> list[Json]:
    """The pods of all ReplicaSets that have some, in one request."""
    busy: list[Side] = [side for side in sides(replica_sets) if not side.idle and side.pod_hash]
    if not busy:
        return []
    hashes = ",".join(side.pod_hash for side in busy)
    return api.list("pods", namespace, f"{keys.HASH_LABEL} in ({hashes})")
