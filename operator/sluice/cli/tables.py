"""The tables: all Rollouts, and the revisions of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.cli.changes import changed
from sluice.cli.facts import (
    Facts,
    Json,
    Side,
    annotations_of,
    created,
    images_of,
    part,
    parts,
    short_image,
    side,
)
from sluice.cli.text import (
    DIM,
    Line,
    Paper,
    Part,
    age,
    clock,
    columns,
    cut,
    hung,
    joined,
    length,
    sentence,
)
from sluice.cli.tree import PHASE_STYLES, headings
from sluice.core import keys, times

# Narrower than this, a message says nothing any more: it goes below its row.
_LEAST_MESSAGE = 24


def rollouts(
    found: Sequence[Json], now: datetime, paper: Paper, *, namespaces: bool, wide: bool = False
) -> list[Line]:
    """One row for each Rollout, the message last: in a terminal it is cut, in a pipe whole."""
    names = ["NAME", "PHASE", "STEP", "WEIGHT", "READY", "AGE"]
    names += ["IMAGES"] if wide else []
    names.append("MESSAGE")
    rows = [headings(["NAMESPACE", *names] if namespaces else names)]
    for raw in found:
        cells = _cells(Facts(raw), now, wide=wide)
        rows.append([(Facts(raw).namespace, ""), *cells] if namespaces else cells)
    lines = columns(rows)
    return lines if wide else [cut(line, paper.width) for line in lines]


def _cells(facts: Facts, now: datetime, *, wide: bool) -> list[Part]:
    status, release = facts.status, facts.release
    desired = status.get("desired")
    ready = f"{status.get('ready', 0)}/{desired}" if desired is not None else "-"
    weight = f"{release['weight']}%" if "weight" in release else "-"
    cells = [
        (facts.name, "name"),
        (facts.phase or "-", PHASE_STYLES.get(facts.phase, "wait")),
        (str(release.get("progress") or "-"), ""),
        (weight, ""),
        (ready, ""),
        (age(created(facts.rollout), now), DIM),
    ]
    if wide:
        cells.append((" ".join(release.get("images") or ()) or "-", ""))
    return [*cells, (sentence(facts.message), "")]


@dataclass(frozen=True, slots=True)
class Revision:
    """A version that was released, or is kept as a template only.

    `at` is when it became stable, was rejected or began; `why` why its release ended.
    """

    number: int
    role: str
    pod_hash: str
    images: tuple[str, ...]
    at: datetime | None
    why: str
    release: str = ""
    once_stable: bool = False
    changed: str = ""

    def wire(self) -> dict[str, Any]:
        """The revision for programs."""
        return {
            "revision": self.number or None,
            "role": self.role,
            "hash": self.pod_hash,
            "images": list(self.images),
            "at": times.stamp(self.at) if self.at else None,
            "why": self.why,
            "release": self.release or None,
            "rollbackTarget": self.once_stable and self.role == "retired",
            "changed": self.changed,
        }


def revisions(replica_sets: Sequence[Json], records: Iterable[Json]) -> list[Revision]:
    """All that is known of earlier releases, oldest first.

    ReplicaSets say most; a record tells of a template whose ReplicaSet is gone (clean-up).
    """
    kept = [raw for raw in records if part(raw, "data", "template")]
    by_hash = {str(annotations_of(raw).get(keys.POD_HASH, "")): raw for raw in kept}
    found: list[tuple[Revision, Json]] = []
    for raw in replica_sets:
        one = side(raw)
        found.append((_of_side(one, by_hash.pop(one.pod_hash, {})), raw))
    for pod_hash, raw in by_hash.items():
        found.append((_of_record(pod_hash, raw), {"spec": part(raw, "data")}))
    found.sort(key=lambda pair: (pair[0].number, pair[0].at.timestamp() if pair[0].at else 0.0))
    return [
        _with_change(revision, raw, found[index - 1][1] if index else None)
        for index, (revision, raw) in enumerate(found)
    ]


def _with_change(revision: Revision, raw: Json, before: Json | None) -> Revision:
    if before is None:
        return revision
    old, new = (part(item, "spec", "template") for item in (before, raw))
    values = {name: getattr(revision, name) for name in Revision.__slots__}
    return Revision(**{**values, "changed": changed(old, new)})


def _of_side(one: Side, record: Json) -> Revision:
    notes = {**annotations_of(record), **one.annotations}
    rejected = one.role == "rejected"
    when = (keys.REJECTED_AT,) if rejected else (keys.STABLE_AT, keys.RELEASE_STARTED)
    known = (times.parse(str(notes.get(key) or "")) for key in when)
    why = sentence(notes.get(keys.REASON)) if one.role in ("rejected", "retired") else ""
    if one.role in ("canary", "returning"):
        why = "on its way"
    return Revision(
        number=one.revision,
        role=one.role or "not met yet",
        pod_hash=one.pod_hash,
        images=one.images,
        at=next((at for at in known if at), one.born),
        why=why,
        release=str(notes.get(keys.RELEASE) or ""),
        once_stable=keys.STABLE_AT in one.annotations,
    )


def _of_record(pod_hash: str, raw: Json) -> Revision:
    notes = annotations_of(raw)
    rejected = notes.get(keys.REJECTED_AT)
    return Revision(
        number=0,
        role="rejected" if rejected else "template only",
        pod_hash=pod_hash,
        images=images_of({"spec": part(raw, "data")}),
        at=times.parse(str(rejected or notes.get(keys.STABLE_AT) or "")),
        why=sentence(notes.get(keys.REASON)) or "its ReplicaSet was cleaned up",
    )


_ROLE_STYLES = {"stable": "good", "rejected": "bad", "canary": "wait", "returning": "wait"}
_WIDE = 120


def history(
    name: str, found: Sequence[Revision], now: datetime, paper: Paper, *, wide: bool = False
) -> list[Line]:
    """One row for each revision, oldest first, and how to go back to one."""
    roomy = wide or (paper.width or _WIDE) >= _WIDE
    rows = [headings(["REVISION", "ROLE", "IMAGE", "CHANGED", "WHEN", "WHY IT ENDED"])]
    for item in found:
        images = item.images if wide else tuple(short_image(image) for image in item.images)
        at = clock(item.at, now) if item.at and roomy else age(item.at, now)
        rows.append(
            [
                (str(item.number or "-"), "name"),
                (item.role, _ROLE_STYLES.get(item.role, "")),
                (joined(images, " "), ""),
                (item.changed or "-", ""),
                (at or "-", DIM),
                (item.why or "-", ""),
            ]
        )
    lines = _with_reasons_below(columns(rows), paper)
    targets = [item for item in found if item.once_stable and item.role == "retired"]
    if targets:
        choice = " | ".join(str(item.number) for item in targets)
        hint = f"To go back: kubectl sluice rollback {name} --to {choice}"
        lines += [[], *hung([], hint, DIM, paper)]
    return lines


def _with_reasons_below(lines: list[Line], paper: Paper) -> list[Line]:
    """The reason behind each row, wrapped; below it where nothing of it would fit behind."""
    start = length(lines[0][:-1])
    if paper.width is None or paper.width - start >= _LEAST_MESSAGE:
        return [piece for line in lines for piece in hung(line[:-1], *line[-1], paper)]
    laid: list[Line] = [cut(lines[0][:-1], paper.width)]
    for line in lines[1:]:
        why, style = line[-1]
        laid.append(cut(line[:-1], paper.width))
        if why != "-":
            laid += hung([("    ", "")], why, style, paper, [("    ", "")])
    return laid


def conditions(facts: Facts) -> list[dict[str, Any]]:
    """The conditions that hold, without those of every Rollout and those of scaling, which has a
    place of its own.
    """
    usual = ("Ready", "Reconciling", "Stalled", "ScalingActive", "ScalingLimited")
    found = parts(facts.status, "conditions")
    return [c for c in found if c.get("status") == "True" and c.get("type") not in usual]
