"""Why a selector gives no series: asked bit by bit, since each answer is only a number.

How many series are there with the name alone, with each matcher alone, with each label at all? The
first that has none is what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sluice.core.checking.subject import Sought, Subject
from sluice.core.plan import Query
from sluice.core.readings import Answer, Known, Reason, Unknown
from sluice.core.selectors import Selector

# What else these labels are called by usual ways of scraping: a label of the application's own
# that collides is kept as exported_..., and older scrape configurations have longer names.
_POD_LABELS: Final = ("exported_pod", "pod_name", "kubernetes_pod_name", "k8s_pod_name")
_NAMESPACE_LABELS: Final = (
    "exported_namespace",
    "kubernetes_namespace",
    "k8s_namespace_name",
)
_ENDINGS: Final = ("_total", "_bucket", "_seconds_bucket", "_count")

_Matcher = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Bit:
    """A part of a selector that is counted by itself; `name` tells it among the others."""

    name: str
    selector: Selector


def questions(sought: Sought, subject: Subject) -> Iterator[Query]:
    """What to ask about a selector that gives nothing."""
    for bit in _bits(sought.selector, subject):
        yield Query(f"{sought.part}/{bit.name}", f"count({_text(bit.selector)})")


def _bits(whole: Selector, subject: Subject) -> Iterator[_Bit]:
    yield _Bit("all", whole)
    if whole.name:
        yield _Bit("name", Selector(whole.name))
        for other in _other_names(whole.name):
            yield _Bit(f"called/{other}", Selector(other))
    called = tuple(matcher for matcher in whole.matchers if _is_name(matcher))
    if not (whole.name or called):
        return  # a matcher alone would be counted over all that the source has
    for index, matcher in enumerate(whole.matchers):
        if matcher in called:
            continue
        yield _Bit(f"matcher/{index}", Selector(whole.name, (*called, matcher)))
        anything = (matcher[0], "!=", '""')
        yield _Bit(f"label/{index}", Selector(whole.name, (*called, anything)))
        for other in _other_labels(matcher, subject):
            named = (other, *matcher[1:])
            yield _Bit(f"labelled/{index}/{other}", Selector(whole.name, (*called, named)))


def _is_name(matcher: _Matcher) -> bool:
    """Whether it is a metric's name: in quotes alone, or as a label."""
    return not matcher[2] or matcher[0].strip("\"'`") == "__name__"


def _text(selector: Selector) -> str:
    return selector.text({}) if selector.matchers else selector.name


def _other_names(name: str) -> list[str]:
    stem = name
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    return [other for other in (stem, *(f"{stem}{end}" for end in _ENDINGS)) if other != name]


def _other_labels(matcher: _Matcher, subject: Subject) -> tuple[str, ...]:
    """Where the matcher is for the pods or the namespace: other names that the label may have."""
    label, _, value = matcher
    if subject.expression in value:
        candidates: tuple[str, ...] = (subject.labels.pod, *_POD_LABELS)
    elif value[1:-1] == subject.namespace:
        candidates = (subject.labels.namespace, *_NAMESPACE_LABELS)
    else:
        candidates = ()
    return tuple(other for other in candidates if other != label)


class Missing(Enum):
    """What there is not: a metric of that name, a label at all, such values of it, such series of
    the stable pods, or all of it in one series.
    """

    NAME = auto()
    LABEL = auto()
    VALUE = auto()
    PODS = auto()
    WHOLE = auto()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a selector gives nothing."""

    missing: Missing
    sentence: str


def cause(sought: Sought, subject: Subject, answers: Mapping[str, Answer]) -> Cause | None:
    """Why it gives nothing; None where it gives something, or that cannot be told."""
    heard = _Heard(sought.part, answers)
    whole = sought.selector
    if not heard.none("all"):
        return None
    if heard.none("name"):
        near = [other for other in _other_names(whole.name) if heard.some(f"called/{other}")]
        hint = f"; there is {near[0]}" if near else ""
        return Cause(Missing.NAME, f"there are no series called {whole.name}{hint}")
    found = (_of_matcher(index, whole, subject, heard) for index in range(len(whole.matchers)))
    together = f"no series is as all of {_text(whole)} says, though there are some for each part"
    return next(filter(None, found), Cause(Missing.WHOLE, together))


@dataclass(frozen=True, slots=True)
class _Heard:
    """The answers about one selector."""

    part: str
    answers: Mapping[str, Answer]

    def none(self, bit: str) -> bool:
        """Whether there is no such series."""
        answer = self.answers.get(f"{self.part}/{bit}")
        return isinstance(answer, Unknown) and answer.reason is Reason.EMPTY

    def some(self, bit: str) -> bool:
        """Whether there is one."""
        return isinstance(self.answers.get(f"{self.part}/{bit}"), Known)


def _of_matcher(index: int, whole: Selector, subject: Subject, heard: _Heard) -> Cause | None:
    matcher = whole.matchers[index]
    label, said = matcher[0].strip("\"'`"), "".join(matcher)
    named = whole.name or "this metric"
    others = _other_labels(matcher, subject)
    hint = _hint(label, [o for o in others if heard.some(f"labelled/{index}/{o}")])
    if heard.none(f"label/{index}"):
        return Cause(Missing.LABEL, f'no series of {named} has a label "{label}"{hint}')
    if not heard.none(f"matcher/{index}"):
        return None
    if subject.expression in matcher[2] and not hint:
        pods = f"the {len(subject.pods)} stable pods ({said})"
        return Cause(Missing.PODS, f"no series of {named} is of {pods}: are they scraped?")
    return Cause(Missing.VALUE, f"no series of {named} has {said}{hint}")


def _hint(label: str, others: list[str]) -> str:
    if not others:
        return ""
    return (
        f'; by the label "{others[0]}" they are found: in a query write that instead of "{label}", '
        "for comparisons name it in the source's `labels` (the operator's configuration)"
    )
