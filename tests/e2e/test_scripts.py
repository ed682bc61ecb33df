"""Every behaviour that has a script, played on the real cluster.

The same script is played in the model first; at each of its rests the cluster must come to the very
state in which the model is. What the model cannot play yet is held to what the script says alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.script_places import Places
from scripts import in_model, on_cluster
from scripts.catalogue import SCRIPTS
from scripts.script import Script
from stage.cluster import Cluster


@pytest.fixture(scope="module")
def places(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Places]:
    folder: Path = tmp_path_factory.mktemp("scripts")
    found = Places(cluster, folder, keep=bool(request.config.getoption("--keep")))
    yield found
    found.close()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_on_the_cluster_as_in_the_model(places: Places, script: Script) -> None:
    rests = None if script.model_lacks else in_model.play(script).rests
    with places.story(script.given.name) as story:
        stage = on_cluster.play(script, story, rests)
        assert script.then.problems(stage.state()) == []
        assert stage.fewest_ready >= script.never_below
