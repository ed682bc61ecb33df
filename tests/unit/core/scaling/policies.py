"""Strategies: policies and readings of every kind."""

from __future__ import annotations

from hypothesis import strategies as st

from sluice.core.readings import Answer, Known, Reason, Unknown
from sluice.core.scaling.policy import (
    Behavior,
    Direction,
    Fallback,
    PolicyKind,
    RateLimit,
    Scaling,
    ScalingMetric,
    Select,
    TargetKind,
)

limits = st.builds(
    RateLimit, st.sampled_from(PolicyKind), st.integers(1, 150), st.sampled_from([15, 60, 120, 600])
)
directions = st.builds(
    Direction,
    st.lists(limits, min_size=1, max_size=3).map(tuple),
    st.sampled_from([0, 15, 60, 300]),
    st.sampled_from(Select),
    st.sampled_from([0.0, 0.05, 0.1, 0.5]),
)
behaviors = st.none() | st.builds(Behavior, directions, directions)


@st.composite
def policies(draw: st.DrawFn, *, fallback: bool = False) -> Scaling:
    """Up to three metrics, named a, b and c."""
    low, high = sorted(draw(st.tuples(st.integers(1, 60), st.integers(1, 60))))
    metrics = tuple(
        ScalingMetric(name, "q", draw(st.sampled_from(TargetKind)), draw(st.integers(1, 100_000)))
        for name in "abc"[: draw(st.integers(1, 3))]
    )
    return Scaling(
        low,
        high,
        metrics,
        behavior=draw(behaviors),
        fallback=Fallback(draw(st.integers(1, 60)), draw(st.sampled_from([15.0, 60.0])))
        if fallback and draw(st.booleans())
        else None,
    )


# Whole thousandths up to some two hundred times a target, and numbers of every kind.
usual_values = st.integers(-1_000, 1_500_000).map(lambda milli: milli / 1000)
any_values = usual_values | st.floats(allow_nan=False, allow_infinity=False)
unknowns = st.sampled_from(Reason).map(Unknown)
answers: st.SearchStrategy[Answer] = any_values.map(Known) | unknowns


def readings(scaling: Scaling) -> st.SearchStrategy[dict[str, Answer | float]]:
    """Answers to each of the metrics."""
    return st.fixed_dictionaries({metric.name: answers for metric in scaling.metrics})
