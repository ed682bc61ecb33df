"""When two pod templates are the same: semantically, as the API server's own comparison has it.

Only stored objects are compared, never manifests: the API server has filled in all defaults there.
What may still differ is spelling: `1Gi` and `1073741824`, an absent and an empty list or map.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from sluice.core.keys import HASH_LABEL

# Goes into the hash: a change of the rules below must not make old hashes look like new ones.
VERSION: Final = 1
# Kubernetes' own alphabet for generated names: no vowels, so no words.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_LENGTH: Final = 10

# Maps and embedded structs of the pod template, where {} and absent mean the same. Elsewhere {} is
# a pointer to an empty struct and says something (`emptyDir: {}`).
_QUANTITY_MAPS: Final = frozenset({"limits", "requests", "overhead"})
_MAPS: Final = _QUANTITY_MAPS | {
    "annotations",
    "labels",
    "nodeSelector",
    "matchLabels",
    "resources",
    "metadata",
}
_QUANTITIES: Final = frozenset({("emptyDir", "sizeLimit"), ("resourceFieldRef", "divisor")})
_FACTORS: Final = {
    **{s: Decimal(1024) ** i for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
    **{s: Decimal(1000) ** i for i, s in enumerate(("k", "M", "G", "T", "P", "E"), start=1)},
    "m": Decimal("1e-3"),
    "u": Decimal("1e-6"),
    "n": Decimal("1e-9"),
}


def normalise(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template in one spelling, without the label that a ReplicaSet adds to it."""
    plain: dict[str, Any] = _normal(template, "", "")
    metadata = _mapping(plain.get("metadata"))
    labels = {k: v for k, v in _mapping(metadata.get("labels")).items() if k != HASH_LABEL}
    metadata = {k: v for k, v in metadata.items() if k not in ("labels", "creationTimestamp")}
    if labels:
        metadata["labels"] = labels
    plain.pop("metadata", None)
    return {**plain, "metadata": metadata} if metadata else plain


def _mapping(value: Any) -> dict[str, Any]:
    """The value, or an empty mapping where it is none: what is read may be odd."""
    return value if isinstance(value, dict) else {}


def without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template as a Deployment has it: without the label that ReplicaSets add."""
    metadata = dict(template.get("metadata") or {})
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}


def template_hash(template: Mapping[str, Any]) -> str:
    """Ten characters, the same for semantically equal templates and fit for a label and a name."""
    text = json.dumps(normalise(template), sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.sha256(f"v{VERSION}:{text}".encode()).digest(), "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def canonical_quantity(text: str) -> str:
    """One spelling for a Kubernetes quantity; text that is none is returned as it is."""
    for suffix in (text[-2:], text[-1:]):
        if suffix in _FACTORS and len(text) > len(suffix):
            number, factor = text[: -len(suffix)], _FACTORS[suffix]
            break
    else:
        number, factor = text, Decimal(1)
    try:
        return format((Decimal(number) * factor).normalize(), "f")
    except ArithmeticError:
        return text


def _normal(value: Any, key: str, parent: str) -> Any:
    match value:
        case Mapping():
            fields = {k: _normal(v, k, key) for k, v in value.items()}
            return {k: v for k, v in fields.items() if not _is_absent(k, v)}
        case list() | tuple():
            return [_normal(item, "", key) for item in value]
        case str() | int() if (parent, key) in _QUANTITIES or parent in _QUANTITY_MAPS:
            return canonical_quantity(str(value))
        case _:
            return value


def _is_absent(key: str, value: Any) -> bool:
    return value is None or value == [] or (value == {} and key in _MAPS)
