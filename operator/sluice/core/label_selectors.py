"""Label selectors as the API server wants them in a query."""

from __future__ import annotations

from typing import Final

from sluice.core.objects import JsonMap

_WORDS: Final = {"In": "in", "NotIn": "notin"}


def text_of(selector: JsonMap) -> str:
    """A metav1.LabelSelector as text: `app=web,tier in (a,b),!old`."""
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    parts += [_rule(rule) for rule in selector.get("matchExpressions") or ()]
    return ",".join(parts)


def _rule(rule: JsonMap) -> str:
    key, operator = rule["key"], rule["operator"]
    if operator == "Exists":
        return str(key)
    if operator == "DoesNotExist":
        return f"!{key}"
    return f"{key} {_WORDS[operator]} ({','.join(rule.get('values') or ())})"
