"""`kubectl sluice import`: from other autoscalers' objects, in files and in the cluster, to
Rollouts.

SLUICE_GOLDEN=write writes the outputs anew; look at the difference before you commit it.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api.convert import policy_of
from sluice.cli import complete
from sluice.cli.lint import lint
from sluice.cli.moving.draft import UNWRITTEN_QUERY, Draft, Metric
from sluice.cli.moving.written import text_of
from sluice.core.scaling.policy import Mode
from unit.cli.conftest import Run
from unit.cli.fake_server import FakeServer

INPUTS: Final = Path(__file__).with_name("inputs")
OUTPUTS: Final = Path(__file__).with_name("outputs")
ADAPTER: Final = str(INPUTS / "adapter.yaml")
# The files, and with which options they are read.
GOLDEN: Final[dict[str, tuple[str, ...]]] = {
    "hpa-external": (),
    "hpa-cpu-only": ("-n", "blue"),
    "hpa-of-pods-and-objects": ("--adapter-config", ADAPTER, "--source", "thanos"),
    "keda-checkout": (),
    "keda-every-kind": (),
}


def loaded(text: str) -> Any:
    return yaml.safe_load(text)


def source(name: str) -> str:
    return str(INPUTS / f"{name}.yaml")


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_printed(run: Run, name: str) -> None:
    done = run("import", source(name), *GOLDEN[name])

    for ending, text in (("yaml", done.out), ("err", done.err)):
        file = OUTPUTS / f"{name}.{ending}"
        if os.environ.get("SLUICE_GOLDEN") == "write":
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GOLDEN)
def test_the_api_refuses_what_is_left_to_be_written_and_nothing_else(name: str) -> None:
    text = (OUTPUTS / f"{name}.yaml").read_text(encoding="utf-8")
    report = lint(text)
    left = [line for line in text.splitlines() if "{{write-" in line or ": write-" in line]

    assert report.rollouts == text.count("kind: Rollout")
    assert len(report.problems) == len(left)
    for problem in report.problems:
        assert "write-" in text.splitlines()[problem.line - 1]


def test_a_whole_import_is_taken_as_it_is(run: Run) -> None:
    done = run("import", source("keda-checkout"))

    assert (done.code, done.err) == (0, "")
    scaling = policy_of(loaded(done.out)["spec"]).scaling
    assert scaling is not None
    assert (scaling.mode, scaling.min_replicas, scaling.max_replicas) == (Mode.RECOMMEND, 1, 20)
    assert scaling.schedules[0].duration_seconds == 36_000


def test_behavior_is_word_for_word(run: Run) -> None:
    done = run("import", source("hpa-external"))
    before = loaded(Path(source("hpa-external")).read_text(encoding="utf-8"))

    assert loaded(done.out)["spec"]["scaling"]["behavior"] == before["spec"]["behavior"]


def test_an_input_is_read_and_several_documents_are_too(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [Path(source(name)).read_text("utf-8") for name in ("hpa-cpu-only", "keda-checkout")]
    monkeypatch.setattr(sys, "stdin", io.StringIO("---\n".join(texts) + "---\nnot an object\n"))

    done = run("import", "-")

    assert done.code == 0
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(done.out)]
    assert names == ["web", "checkout"]


# --- the cluster


def in_cluster(server: FakeServer, path: str, name: str) -> None:
    raw = loaded(Path(source(name)).read_text(encoding="utf-8"))
    # An object by itself has no kind in some answers.
    del raw["kind"]
    server.objects[path] = raw
    server.lists[path.rpartition("/")[0]] = [raw]


HPA_PATH: Final = "/apis/autoscaling/v2/namespaces/demo/horizontalpodautoscalers/worker"
SCALED_PATH: Final = "/apis/keda.sh/v1alpha1/namespaces/demo/scaledobjects/checkout"


@pytest.mark.parametrize("word", ["hpa", "HPA", "horizontalpodautoscaler.autoscaling"])
def test_an_autoscaler_in_the_cluster(run: Run, server: FakeServer, word: str) -> None:
    in_cluster(server, HPA_PATH, "hpa-external")

    done = run("import", f"{word}/worker")

    assert done.code == 0
    assert done.out == (OUTPUTS / "hpa-external.yaml").read_text(encoding="utf-8")
    assert [method for method, _, _ in server.requests] == ["GET"], "nothing is written"


def test_a_scaled_object_in_the_cluster(run: Run, server: FakeServer) -> None:
    in_cluster(server, SCALED_PATH.replace("/demo/", "/shop/"), "keda-checkout")

    done = run("import", "so/checkout", "-n", "shop")

    assert done.code == 0
    assert done.out == (OUTPUTS / "keda-checkout.yaml").read_text(encoding="utf-8")


def test_what_is_not_in_the_cluster_is_not_found(run: Run, server: FakeServer) -> None:
    in_cluster(server, HPA_PATH, "hpa-external")
    server.missing.add("/apis/keda.sh/v1alpha1/")

    other = run("import", "hpa/other")
    assert (other.code, other.out) == (6, "")
    assert "there is no HorizontalPodAutoscaler other in namespace demo" in other.err
    keda = run("import", "scaledobject/web")
    assert keda.code == 6
    assert "does not know scaledobjects.keda.sh: is KEDA installed there" in keda.err


def test_who_may_not_read_it_is_told_the_verb(run: Run, server: FakeServer) -> None:
    in_cluster(server, HPA_PATH, "hpa-external")
    server.forbidden.add(("get", "horizontalpodautoscalers"))

    done = run("import", "hpa/worker")

    assert done.code == 1
    assert 'lacks the verb "get" on the resource "horizontalpodautoscalers"' in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["import", "hp"], {"hpa/worker"}),
        (["import", ""], {"hpa/worker", "scaledobject/checkout"}),
        (["import", "scaledobject/c"], {"scaledobject/checkout"}),
        (["import", "web.y"], set()),
    ],
)
def test_completion(run: Run, server: FakeServer, words: list[str], expected: set[str]) -> None:
    in_cluster(server, HPA_PATH, "hpa-external")
    in_cluster(server, SCALED_PATH, "keda-checkout")
    for raw in (server.objects[HPA_PATH], server.objects[SCALED_PATH]):
        raw["metadata"]["namespace"] = "demo"

    assert {value for value, _ in complete.candidates(words)} == expected


def test_files_are_completed_where_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-sluice", "import", "web.y"])

    assert complete.main() == 0
    assert capsys.readouterr().out == ":0\n"


# --- what cannot be


def of(kind: str = "HorizontalPodAutoscaler", version: str = "autoscaling/v2", **spec: Any) -> str:
    target = {"kind": "Deployment", "apiVersion": "apps/v1", "name": "web"}
    return yaml.safe_dump({
        "apiVersion": version, "kind": kind, "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 9, **spec},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (of(version="autoscaling/v1"), "it is written as autoscaling/v1"),
        (of(maxReplicas=None), "spec.maxReplicas is missing"),
        (of(maxReplicas="many"), "'many' is no whole number"),
        (of(scaleTargetRef={"kind": "Deployment"}), "spec.scaleTargetRef.name is missing"),
        (of(scaleTargetRef={"kind": "Rollout", "name": "x"}), "it scales Rollout x"),
        (of("ScaledObject", maxReplicaCount=0), "it allows at most 0 replicas"),
        (of("ScaledObject", fallback={"replicas": "?"}), "spec.fallback.replicas: '?'"),
        (of("ScaledJob"), "has no HorizontalPodAutoscaler and no ScaledObject"),
        ("", "has no HorizontalPodAutoscaler and no ScaledObject"),
        ("a: [", "is no YAML"),
    ],
)
def test_what_no_rollout_can_be_made_of(run: Run, tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "in.yaml"
    file.write_text(text, encoding="utf-8")

    done = run("import", str(file))

    assert (done.code, done.out) == (1, "")
    assert sentence in done.err


def test_the_others_are_printed_all_the_same(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "in.yaml"
    file.write_text(f"{of(maxReplicas=None)}---\n{of()}", encoding="utf-8")

    done = run("import", str(file))

    assert done.code == 1
    assert loaded(done.out)["spec"]["scaling"]["maxReplicas"] == 9


def test_a_file_that_is_not_there(run: Run) -> None:
    done = run("import", "hpas/nowhere.yaml")

    assert done.code == 1
    assert "hpas/nowhere.yaml cannot be read" in done.err


@pytest.mark.parametrize("text", ["", "a: [", "replicas: 3", "kind: ConfigMap"])
def test_a_configuration_that_is_not_the_adapters(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text(text, encoding="utf-8")

    done = run("import", source("hpa-external"), "--adapter-config", str(file))

    assert done.code == 1
    assert "the adapter's configuration" in done.err


# --- the text


texts = st.text(min_size=1, max_size=60).filter(str.strip)


@settings(deadline=None)
@given(texts, texts, texts)
def test_whatever_stands_in_it_is_read_back(query: str, target: str, comment: str) -> None:
    draft = Draft("HorizontalPodAutoscaler web", "", "web", 1, 2, lost=[comment])
    draft.add(Metric("rps", query, {"value": target}, to_do=comment))
    draft.add(Metric("rps", UNWRITTEN_QUERY, {"value": "1"}))

    scaling = loaded(text_of(draft, "default"))["spec"]["scaling"]

    assert scaling["metrics"] == [
        {"name": "rps", "query": query, "target": {"value": target}},
        {"name": "rps-2", "query": UNWRITTEN_QUERY, "target": {"value": "1"}},
    ]
