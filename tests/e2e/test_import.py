"""From a HorizontalPodAutoscaler to `spec.scaling`, as docs/moving-in.md says; and that the API
server takes what `kubectl sluice import` prints, and refuses what is left to be written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import yaml

from e2e.scaling import condition, replicas, until_replicas
from e2e.test_plugin import plugin
from stage.cluster import Json, KubectlFailed, kubectl
from stage.story import Story

QUERY: Final = "vector(4)"
AUTOSCALER: Final[Json] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "rival"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        # Nothing serves its metric here: it keeps the replicas where they are.
        "minReplicas": 2,
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "External",
                "external": {
                    "metric": {"name": "wanted"},
                    "target": {"type": "AverageValue", "averageValue": "1"},
                },
            }
        ],
        "behavior": {
            "scaleUp": {"policies": [{"type": "Pods", "value": 9, "periodSeconds": 5}]},
            "scaleDown": {"selectPolicy": "Disabled"},
        },
    },
}
ADAPTER: Final[Json] = {
    "externalRules": [
        {
            "seriesQuery": "wanted",
            "metricsQuery": QUERY,
            "resources": {"overrides": {"namespace": {"resource": "namespace"}}},
        }
    ]
}
SCALED_OBJECT: Final[Json] = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"name": "web"},
        "maxReplicaCount": 5,
        "fallback": {"failureThreshold": 3, "replicas": 4},
        "triggers": [
            {
                "type": "prometheus",
                "metadata": {"serverAddress": "http://p", "query": QUERY, "threshold": "1"},
            },
            {
                "type": "cron",
                "metadata": {
                    "timezone": "Europe/Berlin",
                    "start": "0 8 * * 1-5",
                    "end": "0 18 * * 1-5",
                    "desiredReplicas": "3",
                },
            },
        ],
    },
}


def written(folder: Path, content: Json) -> str:
    file = folder / f"{content.get('kind', 'adapter')}.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(file)


def test_an_autoscaler_is_compared_and_taken_over_from(
    new_story: Callable[..., Story], tmp_path: Path
) -> None:
    # Given a Deployment that an autoscaler scales
    story = new_story("import", replicas=2)
    story.apply({**AUTOSCALER, "metadata": {"name": "rival", "namespace": story.namespace}})

    # When its Rollout is printed and applied
    config = written(tmp_path, ADAPTER)
    printed = plugin(story, "import", "hpa/rival", "--adapter-config", config)
    assert printed.code == 0, printed
    kubectl("apply", "-f", "-", stdin=printed.out)
    story.until("Healthy")

    # Then it recommends what its metric says, beside the autoscaler and without a conflict
    story.eventually(
        lambda: story.now().status.get("scaling", {}).get("desired") == 4, 60, "a recommendation"
    )
    assert condition(story, "Ready")["status"] == "True"
    assert not condition(story, "Conflict")
    assert replicas(story) == 2

    # When the autoscaler is deleted and the Rollout is set to Active, it scales
    story.kubectl("delete", "hpa/rival")
    active = '{"spec":{"scaling":{"mode":"Active"}}}'
    story.kubectl("patch", "slr/web", "--type=merge", "-p", active)
    until_replicas(story, 4)


def test_the_api_server_takes_what_is_whole_and_refuses_what_is_left_to_be_written(
    new_story: Callable[..., Story], tmp_path: Path
) -> None:
    story = new_story("import-file", replicas=1)
    whole = plugin(story, "import", written(tmp_path, SCALED_OBJECT))
    left = plugin(story, "import", written(tmp_path, AUTOSCALER))
    assert (whole.code, left.code) == (0, 0), (whole, left)

    dry = ("apply", "--dry-run=server", "-f", "-")
    assert "rollout.sluice.dev/web created" in kubectl(*dry, stdin=whole.out)
    with pytest.raises(KubectlFailed, match="unknown placeholder"):
        kubectl(*dry, stdin=left.out)
