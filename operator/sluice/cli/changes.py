"""What differs between two pod templates, in a few words."""

from __future__ import annotations

from typing import Any, Final

from sluice.cli.facts import Json, part, parts

# Of a template's own labels and annotations these change without anybody's wish.
_OWN_LABELS: Final = frozenset({"pod-template-hash"})
_SHOWN: Final = 3
_LONGEST_VALUE: Final = 20


def changed(old: Json, new: Json) -> str:
    """`image`, `env VERSION=v2`, `resources`: what the newer template has otherwise."""
    words = [
        *_containers(old, new),
        *_fields(part(old, "spec"), part(new, "spec"), ("containers", "initContainers")),
        *_metadata(old, new),
    ]
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _containers(old: Json, new: Json) -> list[str]:
    words: list[str] = []
    for section in ("initContainers", "containers"):
        before = {c.get("name"): c for c in parts(old, "spec", section)}
        after = {c.get("name"): c for c in parts(new, "spec", section)}
        for name, container in after.items():
            if name not in before:
                words.append(f"container {name} added")
                continue
            was = before[name]
            prefix = f"{name}: " if len(after) > 1 else ""
            if container.get("image") != was.get("image"):
                words.append(f"{prefix}image")
            words += [f"{prefix}{word}" for word in _environment(was, container)]
            words += [f"{prefix}{word}" for word in _fields(was, container, ("image", "env"))]
        words += [f"container {name} removed" for name in before if name not in after]
    return words


def _environment(old: Json, new: Json) -> list[str]:
    """Changed variables; short plain values are shown, references and long ones are not."""
    before = {item.get("name"): item for item in parts(old, "env")}
    after = {item.get("name"): item for item in parts(new, "env")}
    words = []
    for name, item in after.items():
        if item != before.get(name):
            value = str(item.get("value") or "")
            secret = any(word in str(name).upper() for word in ("SECRET", "TOKEN", "PASS", "KEY"))
            short = value and not secret and len(value) <= _LONGEST_VALUE
            words.append(f"env {name}={value}" if short else f"env {name}")
    return [*words, *(f"env {name} removed" for name in before if name not in after)]


def _fields(old: Json, new: Json, known: tuple[str, ...]) -> list[str]:
    keys = sorted({*old, *new} - set(known))
    return [key for key in keys if _norm(old.get(key)) != _norm(new.get(key))]


def _metadata(old: Json, new: Json) -> list[str]:
    words = []
    for kind in ("labels", "annotations"):
        before, after = (part(side, "metadata", kind) for side in (old, new))
        differing = sorted(
            key
            for key in {*before, *after}
            if before.get(key) != after.get(key) and key not in _OWN_LABELS
        )
        words += ["restart" if key.endswith("/restartedAt") else key for key in differing]
    return words


def _norm(value: Any) -> Any:
    """Absent and empty are the same."""
    return value or None
