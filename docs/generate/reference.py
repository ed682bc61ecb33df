"""Every field of a Rollout and of the operator's configuration, from the models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from docs.generate.blocks import code, table

from sluice.api import rules, scaling_rules
from sluice.api.config import Config
from sluice.api.crd import crd, structural

_RULES: Final = "x-kubernetes-validations"
_HEAD: Final = ("Field", "Type", "Default", "Allowed", "Meaning")
# The heading of the page under which `spec_rules` stands.
_SEE_RULES: Final = "[rules](#what-is-refused)"
# A bound, what says that it is not allowed itself, and the words for either.
_BOUNDS: Final = (
    ("minimum", "exclusiveMinimum", "at least", "more than"),
    ("maximum", "exclusiveMaximum", "at most", "less than"),
)

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a schema: where it stands, and the schema's node for it."""

    path: str
    node: Node
    required: bool

    @property
    def rules(self) -> tuple[Mapping[str, str], ...]:
        """Its rules in CEL, and those of its items as a whole."""
        return (*self.node.get(_RULES, ()), *self.node.get("items", {}).get(_RULES, ()))

    @property
    def kind(self) -> str:
        """Its type, as a user thinks of it."""
        known = {rule["rule"] for rule in self.rules}
        if rules.DURATION.cel in known:
            return "duration"
        if scaling_rules.QUANTITY.cel in known:
            return "quantity"
        if self.node.get("x-kubernetes-int-or-string"):
            return "number"
        name = str(self.node.get("type", ""))
        if name == "array":
            return f"list of {self.node['items'].get('type', '')}s"
        return "time" if self.node.get("format") == "date-time" else name

    @property
    def default(self) -> str:
        """Its default in JSON. An empty object is shown as none: its fields have theirs."""
        if self.required:
            return "required"
        value = self.node.get("default")
        return code(json.dumps(value)) if value not in (None, {}) else ""

    @property
    def allowed(self) -> str:
        """Values, bounds and lengths."""
        node = self.node
        said = [" ".join(map(code, node.get("enum", ())))]
        said += [
            f"{strictly if node.get(exclusive) else word} {node[bound]:g}"
            for bound, exclusive, word, strictly in _BOUNDS
            if bound in node
        ]
        if self.kind not in ("duration", "number", "quantity") and "maxLength" in node:
            said.append(f"at most {node['maxLength']} characters")
        if "maxItems" in node:
            said.append(f"at most {node['maxItems']}")
        if keys := node.get("x-kubernetes-list-map-keys"):
            said.append(f"each {' and '.join(map(code, keys))} once")
        if self.rules:
            said.append(_SEE_RULES)
        return "; ".join(text for text in said if text)

    @property
    def row(self) -> tuple[str, ...]:
        """Its line in a table."""
        meaning = str(self.node.get("description", "")).replace("<", "&lt;")
        return code(self.path), self.kind, self.default, self.allowed, meaning


def spec_fields() -> str:
    """All fields that a user writes."""
    return table(_HEAD, (field.row for field in _part("spec")))


def status_fields() -> str:
    """All fields that the operator writes."""
    return table(_HEAD, (field.row for field in _part("status")))


def spec_rules() -> str:
    """What is refused beyond types and bounds, with the sentence that `kubectl apply` shows."""
    found: dict[tuple[str, str], list[str]] = {}
    for field in _part("spec"):
        for rule in field.rules:
            found.setdefault((rule["message"], rule["rule"]), []).append(code(field.path))
    rows = ((sentence, ", ".join(paths), code(cel)) for (sentence, cel), paths in found.items())
    return table(("The refusal says", "Of", "Rule (CEL)"), rows)


def columns() -> str:
    """What `kubectl get slr` shows."""
    rows = (
        (column["name"].upper(), code(column["jsonPath"].removeprefix(".")))
        for column in _version()["additionalPrinterColumns"]
    )
    return table(("Column", "Field"), rows)


def configuration_fields() -> str:
    """The operator's own configuration file."""
    schema = structural(_open(Config.model_json_schema()))
    return table(_HEAD, (field.row for field in _walk(schema, "")))


def _part(name: str) -> Iterator[Field]:
    return _walk(_version()["schema"]["openAPIV3Schema"]["properties"][name], name)


def _version() -> Any:
    (version,) = crd()["spec"]["versions"]
    return version


def _walk(node: Node, path: str) -> Iterator[Field]:
    required = node.get("required", ())
    for name, child in node.get("properties", {}).items():
        below = f"{path}.{name}".removeprefix(".")
        yield Field(below, child, name in required)
        yield from _walk(child, below)
        yield from _walk(child.get("items", {}), f"{below}[]")
        yield from _walk(child.get("additionalProperties", {}), f"{below}.<name>")


def _open(value: Any) -> Any:
    """The schema without `additionalProperties: false`, which only says that a file is strict, and
    `true`, which says nothing.
    """
    match value:
        case dict():
            return {
                key: _open(item)
                for key, item in value.items()
                if not (key == "additionalProperties" and isinstance(item, bool))
            }
        case list():
            return [_open(item) for item in value]
        case _:
            return value
