"""The regular expressions that tell the pods of both sides apart, in PromQL and here."""

from __future__ import annotations

from collections.abc import Iterable

from sluice.core import placeholders
from sluice.core.objects import Pod, ReplicaSet


def look_alike(rising: ReplicaSet | None, stable: ReplicaSet | None) -> bool:
    """Whether long names make the pods of both sides begin alike."""
    if rising is None or stable is None:
        return False
    return len({placeholders.pod_prefix(rs.ref.name) for rs in (rising, stable)}) == 1


def pods_of(side: ReplicaSet | None, *, alike: bool, seen: Iterable[Pod] | None) -> str:
    """An expression for the names of a side's pods, to be anchored at both ends. Where names do
    not tell, those that were seen; nothing matches before.
    """
    if side is None:
        return placeholders.names_expression(())
    if not alike:
        return placeholders.pods_expression(side.ref.name)
    return placeholders.names_expression(
        [p.name for p in seen or () if p.pod_hash == side.pod_hash]
    )
