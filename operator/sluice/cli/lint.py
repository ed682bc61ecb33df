"""Rollouts in files, checked without a cluster: all problems at once, each with its line.

The rules are those of the API (`sluice.api`): what passes here is accepted by `kubectl apply`, but
for what only a cluster knows, such as a change of the immutable targetRef.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from sluice.api.convert import InvalidSpec, policy_of

Path = tuple[str | int, ...]

API_VERSION: Final = "sluice.dev/v1alpha1"
_GROUP: Final = "sluice.dev/"
_MAX_NAME: Final = 63
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_PATH: Final = re.compile(r"spec(?:\.[A-Za-z]\w*|\[\d+\])*")
_PIECE: Final = re.compile(r"\.?([A-Za-z]\w*)|\[(\d+)\]")
# Lists whose items are checked one by one: a check of the whole stops at ten problems, and at
# the first kind of problem in a list.
_LISTS: Final[tuple[Path, ...]] = (
    ("canary", "steps"),
    ("canary", "analysis", "metrics"),
    ("scaling", "metrics"),
    ("scaling", "behavior", "scaleUp", "policies"),
    ("scaling", "behavior", "scaleDown", "policies"),
    ("scaling", "schedules"),
)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A problem. Lines and columns count from 1."""

    line: int
    column: int
    rollout: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a file holds: problems in its order, how many Rollouts, how many other objects."""

    problems: tuple[Problem, ...]
    rollouts: int = 0
    others: int = 0


def lint(text: str) -> Report:
    """Checks every Rollout in a YAML text, with several documents and Lists."""
    problems: list[Problem] = []
    rollouts = others = 0
    try:
        for node in _objects(text):
            if _is_rollout(node):
                rollouts += 1
                problems += _check(node)
            else:
                others += 1
    except yaml.YAMLError as error:
        problems.append(_syntax(error))
    return Report(tuple(sorted(set(problems))), rollouts, others)


def _objects(text: str) -> Iterator[yaml.Node]:
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        if document.tag == "tag:yaml.org,2002:null":
            continue  # nothing between two ---
        kind = _scalar(_child(document, "kind"))
        items = _child(document, "items")
        if kind.endswith("List") and isinstance(items, yaml.SequenceNode):
            yield from items.value
        else:
            yield document


def _is_rollout(node: yaml.Node) -> bool:
    """Whether it is one of ours, of whatever version: other projects have Rollouts, too."""
    ours = _scalar(_child(node, "apiVersion")).startswith(_GROUP)
    return ours and _scalar(_child(node, "kind")) == "Rollout"


def _check(node: yaml.Node) -> list[Problem]:
    name = _scalar(_child(node, "metadata", "name"))
    return [
        Problem(place.start_mark.line + 1, place.start_mark.column + 1, name, sentence)
        for place, sentence in (
            *_repeated(node),
            *_head(node),
            *_unknown_fields(node),
            *_spec(node),
        )
    ]


def _head(node: yaml.Node) -> Iterator[tuple[yaml.Node, str]]:
    version = _child(node, "apiVersion")
    if version is not None and _scalar(version) != API_VERSION:
        yield version, f"apiVersion is {_scalar(version)}: write {API_VERSION}"
    metadata = _child(node, "metadata")
    place = _child(node, "metadata", "name")
    if place is None:
        if _child(node, "metadata", "generateName") is None:
            yield metadata or node, "metadata.name is missing: write it"
        return
    name = _scalar(place)
    if len(name) > _MAX_NAME:
        yield place, f"metadata.name has {len(name)} characters: write at most {_MAX_NAME}"
    if not _NAME.fullmatch(name):
        yield place, f"metadata.name is {name!r}: write lower case letters, digits, '-' and '.'"


def _spec(node: yaml.Node) -> Iterator[tuple[yaml.Node, str]]:
    place = _child(node, "spec")
    if place is None:
        yield node, "spec is missing: write it"
        return
    try:
        spec = _value(place)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error)
        yield place, f"spec cannot be read: {problem}"
        return
    for sentence in dict.fromkeys(_sentences(spec)):
        yield _place_of(node, _path_in(sentence)), sentence


def _sentences(spec: Any) -> Iterator[str]:
    yield from _problems(spec)
    for path in _LISTS:
        items = _at(spec, path)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            alone: Any = [item]
            for key in reversed(path):
                alone = {str(key): alone}
            alone["targetRef"] = {"name": "x"}
            before = f"spec.{'.'.join(map(str, path))}[0]"
            for sentence in _problems(alone):
                # What is said of anything else is said because the item stands alone.
                if sentence.startswith(before):
                    yield sentence.replace(before, f"{before[:-3]}[{index}]", 1)


def _problems(spec: Any) -> tuple[str, ...]:
    try:
        policy_of(spec)
    except InvalidSpec as invalid:
        return invalid.problems
    return ()


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _path_in(sentence: str) -> Path:
    """The path at the beginning of a sentence: `spec.canary.steps[1].weight is ...`."""
    found = _PATH.match(sentence)
    pieces = _PIECE.findall(found[0]) if found else []
    return tuple(int(index) if index else name for name, index in pieces)


def _place_of(node: yaml.Node, path: Path) -> yaml.Node:
    """The deepest node on the path that the file has; a key where its value is missing."""
    place = node
    for key in path:
        child = _child(place, key)
        if child is None:
            break
        place = child
    return place


def _unknown_fields(node: yaml.Node) -> Iterator[tuple[yaml.Node, str]]:
    from sluice.api.crd import crd  # noqa: PLC0415  (builds the whole schema)

    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    top = {"apiVersion": {}, "kind": {}, "metadata": {}, "status": {}, "spec": schema["spec"]}
    yield from _strangers(node, {"properties": top}, "")


def _strangers(
    node: yaml.Node, schema: Mapping[str, Any], path: str
) -> Iterator[tuple[yaml.Node, str]]:
    """The fields that the schema does not have; the API server would drop or refuse them."""
    fields = schema.get("properties")
    if isinstance(node, yaml.MappingNode) and fields:
        for key, value in node.value:
            name = _scalar(key)
            here = f"{path}.{name}" if path else name
            if name in fields:
                yield from _strangers(value, fields[name], here)
            elif name != "<<":
                yield key, _stranger(here, name, fields)
    if isinstance(node, yaml.SequenceNode) and "items" in schema:
        for index, item in enumerate(node.value):
            yield from _strangers(item, schema["items"], f"{path}[{index}]")


def _stranger(path: str, name: str, fields: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(fields), n=1)
    meant = f"did you mean {near[0]}?" if near else f"fields here: {', '.join(sorted(fields))}"
    return f"{path} is no field of a Rollout: {meant}"


def _repeated(node: yaml.Node) -> Iterator[tuple[yaml.Node, str]]:
    """Keys that stand twice in one mapping: YAML readers take one of them, silently."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = _scalar(key)
            if name in seen:
                yield key, f"{name} stands here twice, first in line {seen[name]}: remove one"
            seen.setdefault(name, key.start_mark.line + 1)
            yield from _repeated(value)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)


def _child(node: yaml.Node | None, *path: str | int) -> yaml.Node | None:
    for key in path:
        if isinstance(key, int) and isinstance(node, yaml.SequenceNode):
            node = node.value[key] if key < len(node.value) else None
        elif isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if _scalar(name) == key), None)
        else:
            return None
    return node


def _scalar(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _value(node: yaml.Node) -> Any:
    """The node as plain values, as the API server reads them (no dates: it has none)."""
    loader = _Plain("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Plain(yaml.SafeLoader):
    """JSON's types only: a date stays the text that stands there."""


_Plain.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def _syntax(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(line, column, "", f"this is no YAML: {' '.join(str(said).split())}")
