"""Every behaviour that has a script, played on the real cluster.

The same script is played in the model first; at each of its rests the cluster must come to the very
state in which the model is. What the model cannot play yet is held to what the script says alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.local_operator import LocalOperator
from scripts import in_model, on_cluster
from scripts.catalogue import SCRIPTS
from scripts.script import Script
from stage.cluster import Cluster, kubectl
from stage.story import Story


def played(script: Script) -> Any:
    lacks = pytest.mark.xfail(
        bool(script.core_lacks), reason=script.core_lacks, raises=AssertionError, strict=True
    )
    return pytest.param(script, id=script.name, marks=lacks)


@pytest.fixture
def new_place(
    cluster: Cluster,
    new_namespace: Callable[[str], str],
    new_operator: Callable[..., LocalOperator],
) -> Iterator[Callable[[Script], Story]]:
    """Makes empty namespaces, each with an operator of its own that starts to run."""
    made: list[Story] = []

    def new(script: Script) -> Story:
        namespace = new_namespace(f"solo-{script.slug[:40].strip('-')}")
        kubectl("create", "namespace", namespace)
        made.append(Story(cluster, namespace, rollout=script.given.name))
        new_operator(made[-1]).start()
        return made[-1]

    yield new
    for story in made:
        story.close()


@pytest.mark.parametrize("script", [played(script) for script in SCRIPTS])
def test_on_the_cluster_as_in_the_model(
    new_place: Callable[[Script], Story], script: Script
) -> None:
    rests = None if script.model_lacks else in_model.play(script).rests
    stage = on_cluster.play(script, new_place(script), rests)
    assert script.then.problems(stage.state()) == []
    assert stage.fewest_ready >= script.never_below
