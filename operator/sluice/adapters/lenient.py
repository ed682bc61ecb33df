"""Reading fields of JSON that may be absent, null, or of another type than they should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.core.objects import JsonMap


def map_of(raw: JsonMap, key: str) -> dict[str, Any]:
    """The object in that field; an empty one where there is none."""
    value = raw.get(key)
    return dict(value) if isinstance(value, Mapping) else {}


def maps_of(raw: JsonMap, key: str) -> list[dict[str, Any]]:
    """The objects in the list in that field."""
    value = raw.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def names_of(raw: JsonMap, key: str) -> tuple[str, ...]:
    """The texts in the list in that field."""
    value = raw.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def texts_of(raw: JsonMap, key: str) -> dict[str, str]:
    """The texts by name in that field: labels or annotations."""
    return {name: text for name, text in map_of(raw, key).items() if isinstance(text, str)}


def int_of(raw: JsonMap, key: str, default: int = 0) -> int:
    """The whole number in that field."""
    value = raw.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def text_of(raw: JsonMap, key: str, default: str = "") -> str:
    """The text in that field."""
    value = raw.get(key)
    return value if isinstance(value, str) else default
