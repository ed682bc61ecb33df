"""Queries out of prometheus-adapter's configuration: what a HorizontalPodAutoscaler's metric names
stand for.

https://github.com/kubernetes-sigs/prometheus-adapter/blob/master/docs/config.md
The adapter looks which series there are; here there are only names, so a rule is used where its
name and the metric's tell the series.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from sluice.cli.errors import CliError
from sluice.cli.facts import Json, part, parts

_SERIES: Final = re.compile(r"\s*([A-Za-z_:][A-Za-z0-9_:]*)\s*(?:\{.*)?", re.DOTALL)
_NAMED: Final = re.compile(r"""__name__\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'[^']*')""")
# What Go's regexp.Expand replaces: the longest name after a $.
_GROUP: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_ONE_GROUP: Final = re.compile(r"\^?([\w:]*)\((?!\?)[^()]*\)([\w:]*)\$?", re.ASCII)
_FIELD: Final = re.compile(r"<<-?\s*\.(\w+)\s*-?>>")
_BY_NOTHING: Final = re.compile(r"\s*\bby\s*\(\s*\)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, or why it cannot be told."""

    query: str = ""
    why_not: str = ""


class Adapter:
    """A configuration. Queries are for the Rollout's own pods and namespace."""

    def __init__(self, config: Json) -> None:
        self._rules = parts(config, "rules")
        self._external = parts(config, "externalRules")

    def external(self, metric: str, selector: Json) -> Asked:
        """An External metric: the autoscaler adds up all series."""
        return _only(_query(rule, metric, selector, _no_resource) for rule in self._external)

    def pods(self, metric: str, selector: Json) -> Asked:
        """A Pods metric: the sum of the pods, whose average the autoscaler compares."""
        return _only(_query(rule, metric, selector, _of_pods) for rule in self._rules)

    def described(self, metric: str, selector: Json, kind: str, name: str) -> Asked:
        """An Object metric."""

        def resource(rule: Json) -> tuple[str, list[str]] | None:
            return _of_object(rule, kind, name)

        return _only(_query(rule, metric, selector, resource) for rule in self._rules)


_Resource = Callable[[Json], tuple[str, list[str]] | None]


def read(text: str) -> Adapter:
    """A configuration as the adapter reads it, or the ConfigMap with it. Raises CliError."""
    try:
        config = yaml.safe_load(text)
        if isinstance(config, Mapping) and config.get("kind") == "ConfigMap":
            values = part(dict(config), "data").values()
            config = next((found for found in map(yaml.safe_load, values) if _has_rules(found)), {})
    except yaml.YAMLError as error:
        raise CliError(f"the adapter's configuration is no YAML: {error}") from error
    if not _has_rules(config):
        raise CliError(
            "the adapter's configuration has neither rules nor externalRules: name the file that "
            "prometheus-adapter reads (--config), or its ConfigMap"
        )
    return Adapter(config)


def _has_rules(config: Any) -> bool:
    return isinstance(config, Mapping) and bool({"rules", "externalRules"} & set(config))


def _only(found: Iterable[tuple[str, bool] | None]) -> Asked:
    """The only query; what a rule says of a series by name goes before what others may mean."""
    told = [each for each in found if each is not None]
    by_name = [query for query, named in told if named]
    queries = list(dict.fromkeys(by_name or [query for query, _ in told]))
    if len(queries) == 1:
        return Asked(queries[0])
    if queries:
        choice = " or ".join(queries)
        return Asked(why_not=f"by the adapter's configuration it may be {choice}")
    return Asked(why_not="no rule of the adapter's configuration tells its query")


def _query(rule: Json, metric: str, selector: Json, resource: _Resource) -> tuple[str, bool] | None:
    """The query that a rule gives for a metric, and whether the rule names the series; None where
    it is not the metric's.
    """
    found, labels = _series(rule, metric), resource(rule)
    if found is None or labels is None:
        return None
    series, named = found
    group, matchers = labels
    matchers = matchers + list(_selected(selector))
    fields = {"Series": series, "LabelMatchers": ",".join(matchers), "GroupBy": group}
    template = str(rule.get("metricsQuery") or "")
    text = _FIELD.sub(lambda found: fields.get(found[1], found[0]), template)
    text = _BY_NOTHING.sub("", text).strip()
    if not text or "<<" in text:
        return None
    single = resource not in (_no_resource, _of_pods) or _is_sum(text)
    return (text if single else f"sum({text})"), named


def _is_sum(query: str) -> bool:
    """Whether the query is one `sum(...)` of everything, and so gives one value."""
    depth, opened = 0, re.match(r"sum\s*\(", query)
    for position, sign in enumerate(query):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and sign == ")":
            return opened is not None and position == len(query) - 1
    return False


# --- which series


def _series(rule: Json, metric: str) -> tuple[str, bool] | None:
    """The series that has this metric's name after the rule's renaming, and whether it is named."""
    query = str(rule.get("seriesQuery") or "")
    matchers = [(sign, text[1:-1]) for sign, text in _NAMED.findall(query)]
    plain = _SERIES.fullmatch(query)
    names = [plain[1]] if plain else [text for sign, text in matchers if sign == "="]
    candidate = names[0] if names else _before_renaming(rule, metric)
    if candidate is None or not all(_holds(*each, candidate) for each in matchers):
        return None
    if not _passes(rule, candidate) or _renamed(rule, candidate) != metric:
        return None
    return candidate, bool(names)


def _holds(sign: str, text: str, series: str) -> bool:
    """Whether a matcher of the name lets the series through."""
    same = _search(text, series, whole=True) is not None if "~" in sign else text == series
    return same is not sign.startswith("!")


def _naming(rule: Json) -> tuple[str, str]:
    """The rule's `name.matches` and `name.as`, with the adapter's defaults."""
    name = part(rule, "name")
    matches = str(name.get("matches") or ".*")
    compiled = _compiled(matches)
    one_group = compiled is not None and compiled.groups == 1
    return matches, str(name.get("as") or ("$1" if one_group else "$0"))


def _renamed(rule: Json, series: str) -> str | None:
    matches, form = _naming(rule)
    found = _search(matches, series)
    if found is None:
        return None

    def group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        try:
            return found[int(name) if name.isdecimal() else name] or ""
        except IndexError:
            return ""

    return _GROUP.sub(group, form)


def _before_renaming(rule: Json, metric: str) -> str | None:
    """The series' name, where the rule takes one part out of it and puts it elsewhere."""
    matches, form = _naming(rule)
    references = list(_GROUP.finditer(form))
    if len(references) != 1:
        return None
    before, after = form[: references[0].start()], form[references[0].end() :]
    if not (metric.startswith(before) and metric.endswith(after)):
        return None
    middle = metric[len(before) : len(metric) - len(after)]
    if (references[0][1] or references[0][2]) == "0":
        return middle
    around = _ONE_GROUP.fullmatch(matches)
    return f"{around[1]}{middle}{around[2]}" if around else None


def _passes(rule: Json, series: str) -> bool:
    """Whether the rule's filters let the series through."""
    for each in parts(rule, "seriesFilters"):
        if each.get("is") and not _search(str(each["is"]), series):
            return False
        if each.get("isNot") and _search(str(each["isNot"]), series):
            return False
    return True


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _search(pattern: str, text: str, *, whole: bool = False) -> re.Match[str] | None:
    compiled = _compiled(pattern)
    if compiled is None:
        return None
    return compiled.fullmatch(text) if whole else compiled.search(text)


# --- which labels


def _no_resource(rule: Json) -> tuple[str, list[str]] | None:
    """The namespace alone, unless the rule is without."""
    if part(rule, "resources").get("namespaced") is False:
        return "", []
    label = _label(rule, "namespace")
    return ("", [f'{label}="{{{{namespace}}}}"']) if label else None


def _of_pods(rule: Json) -> tuple[str, list[str]] | None:
    label, namespace = _label(rule, "pod"), _label(rule, "namespace")
    if not label or not namespace:
        return None
    return label, [f'{namespace}="{{{{namespace}}}}"', f'{label}=~"{{{{pods}}}}"']


def _of_object(rule: Json, kind: str, name: str) -> tuple[str, list[str]] | None:
    label, namespace = _label(rule, kind.lower()), _label(rule, "namespace")
    if not label or not namespace:
        return None
    if kind == "Namespace":
        return label, [f'{label}="{name}"']
    return label, [f'{namespace}="{{{{namespace}}}}"', f'{label}="{name}"']


def _label(rule: Json, resource: str) -> str | None:
    """The label that holds the name of such an object."""
    resources = part(rule, "resources")
    overrides = part(resources, "overrides")
    for override in overrides:
        named = part(overrides, override).get("resource")
        if named in (resource, f"{resource}s", f"{resource}es"):
            return override
    template = str(resources.get("template") or "")
    text = _FIELD.sub(lambda found: resource if found[1] == "Resource" else found[0], template)
    return text if text and "<<" not in text else None


def _selected(selector: Json) -> Iterable[str]:
    """A label selector as matchers."""
    for label, value in part(selector, "matchLabels").items():
        yield f'{label}="{_escaped(value)}"'
    for each in parts(selector, "matchExpressions"):
        key, values = each.get("key"), [_escaped(value) for value in each.get("values") or []]
        signs = {"In": ("=", "=~"), "NotIn": ("!=", "!~")}.get(str(each.get("operator")))
        if signs:
            yield f'{key}{signs[len(values) > 1]}"{"|".join(values)}"'
        else:
            yield f'{key}{"!=" if each.get("operator") == "Exists" else "="}""'


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"')
