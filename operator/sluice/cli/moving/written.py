"""A draft as YAML, with a comment for all that a person has to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from sluice.api.models import Canary
from sluice.cli.facts import Json
from sluice.cli.moving.draft import Draft, Metric, named

# Mappings up to this length stand in one line.
_IN_ONE_LINE: Final = 60


@dataclass(frozen=True, slots=True)
class _Comment:
    """A key that is a comment, for what comes after it."""

    text: str


def text_of(draft: Draft, source: str) -> str:
    """The Rollout as a YAML document; `source` is the metric source that its queries go to."""
    steps = ", ".join(f"{step.weight}% for {step.duration}" for step in Canary().steps)
    head = [
        f"From {draft.origin}. How to move, step by step: docs/moving-in.md.",
        *(f"Not carried over: {line}." for line in draft.lost),
        *(f"Other than before: {line}." for line in draft.changed),
    ]
    metadata = {"name": named(draft.deployment, "web")}
    document: dict[Any, Any] = {
        **{_Comment(line): None for line in head},
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata | ({"namespace": draft.namespace} if draft.namespace else {}),
        "spec": {
            "targetRef": {"name": draft.deployment},
            _Comment(
                f"Releases go by the default steps ({steps}), and no metric judges them: write "
                "canary.steps and canary.analysis.metrics."
            ): None,
            "scaling": _scaling(draft, source),
        },
    }
    return "\n".join(_lines(document)) + "\n"


def _scaling(draft: Draft, source: str) -> dict[Any, Any]:
    optional: Json = {
        "behavior": draft.behavior,
        "fallback": draft.fallback,
        "schedules": draft.schedules,
    }
    return {
        _Comment(f"Recommend decides and shows. Write Active once {draft.origin} is gone."): None,
        "mode": "Recommend",
        "minReplicas": draft.min_replicas,
        "maxReplicas": draft.max_replicas,
        **({"interval": draft.interval} if draft.interval else {}),
        "source": source,
        "metrics": [_metric(metric) for metric in draft.metrics],
        **{key: value for key, value in optional.items() if value},
    }


def _metric(metric: Metric) -> dict[Any, Any]:
    to_do = {_Comment(f"To do: {metric.to_do}."): None} if metric.to_do else {}
    return {"name": metric.name, **to_do, "query": metric.query, "target": dict(metric.target)}


def _lines(value: Mapping[Any, Any], indent: str = "") -> Iterator[str]:
    for key, item in value.items():
        if isinstance(key, _Comment):
            words = "".join(each if each.isprintable() else " " for each in key.text).split()
            yield f"{indent}# {' '.join(words)}"
            continue
        start = f"{indent}{_flow(key)}:"
        if isinstance(item, str) and "\n" in item and _is_plain(item):
            yield f"{start} |-"
            yield from (f"{indent}  {line}".rstrip() for line in item.splitlines())
        elif _fits(item):
            yield f"{start} {_flow(item)}"
        elif isinstance(item, Mapping):
            yield start
            yield from _lines(item, indent + "  ")
        else:
            yield start
            yield from _items(item, indent + "  ")


def _is_plain(text: str) -> bool:
    """Whether a block of lines says the same text again."""
    return text == text.strip() and all(line.isprintable() for line in text.splitlines())


def _fits(value: Any) -> bool:
    """Whether the value stands in one line."""
    if isinstance(value, Mapping):
        nested = any(isinstance(item, Mapping | list) for item in value.values())
        noted = any(isinstance(key, _Comment) for key in value)
        return not nested and not noted and len(_flow(value)) <= _IN_ONE_LINE
    return not isinstance(value, list) or not value or not isinstance(value[0], Mapping)


def _items(items: Sequence[Any], indent: str) -> Iterator[str]:
    for item in items:
        if _fits(item):
            yield f"{indent}- {_flow(item)}"
            continue
        first, *rest = _lines(item, indent + "  ")
        yield f"{indent}- {first.lstrip()}"
        yield from rest


def _flow(value: Any) -> str:
    """The value in one line, as it may stand within another one."""
    if isinstance(value, Mapping):
        pairs = (f"{_flow(key)}: {_flow(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    odd = isinstance(value, str) and not value.isprintable()
    options: Any = {"default_style": '"'} if odd else {"allow_unicode": True}
    text: str = yaml.safe_dump([value], default_flow_style=True, width=float("inf"), **options)
    text = text.strip()[1:-1]
    quoted_in_vain = text.startswith("'") and not set(str(value)) & set("\"'\\")
    return f'"{value}"' if quoted_in_vain else text
