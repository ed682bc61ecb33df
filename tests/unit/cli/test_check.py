"""`kubectl sluice check`: what it asks for, how it asks, and what it shows.

In the place of kubectl, and of the program that asks the sources, stands a script that gives a
report which was written before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from sluice.cli import asking, verdicts
from sluice.cli.text import Paper
from sluice.core.checking.report import wire
from unit.cli import objects
from unit.cli.conftest import Run
from unit.cli.fake_server import FakeServer
from unit.cli.objects import Json
from unit.cli.reports import MISSING, REPORTS
from unit.cli.stand_in import Kubectl
from unit.cli.test_pictures import PAPERS, compare


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("name", REPORTS)
def test_the_report(name: str, paper: str) -> None:
    by = "pod sluice-7d4b9-x2x4z in sluice-system"
    compare(f"check-{name}-{paper}", verdicts.lines(REPORTS[name], by, PAPERS[paper]))


def test_nothing_is_cut_in_a_pipe() -> None:
    text = "".join(part for line in verdicts.lines(MISSING, "x", Paper()) for part, _ in line)

    for metric in MISSING.metrics:
        assert metric.says in text
        for finding in metric.findings:
            assert finding.sentence in text
    assert "asked: request_total{" in text
    assert "min(up)" not in text, "what is well is not shown in full"


# --- the command


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Kubectl(folder)


@pytest.fixture(autouse=True)
def cluster(server: FakeServer) -> FakeServer:
    """A Rollout at rest, its Deployment, and an operator."""
    found, sets, pods = objects.at_rest()
    owner = {"uid": "uid-deployment", "controller": True}
    for raw in sets:
        raw["metadata"]["ownerReferences"] = [owner]
    for number, raw in enumerate(pods):
        raw["status"]["startTime"] = objects.at(1, number)
    deployment = objects.deployment("v1")
    deployment["metadata"]["uid"] = "uid-deployment"
    deployment["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    server.put("rollouts", found)
    server.put("replicasets", *sets)
    server.put("pods", *pods)
    server.put("deployments", deployment)
    add_operator(server)
    return server


def add_operator(
    server: FakeServer, namespace: str = "sluice-system", *, ready: bool = True
) -> None:
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    pod = {"metadata": {"name": "sluice-7d4b9-x2x4z", "namespace": namespace}, "status": status}
    server.lists[f"/api/v1/namespaces/{namespace}/pods"] = [pod]


def test_the_operator_asks_in_its_own_pod(run: Run, kubectl: Kubectl) -> None:
    ran = run("check", "web")

    assert (ran.code, ran.err) == (0, "")
    assert "asked by pod sluice-7d4b9-x2x4z in sluice-system" in ran.out
    assert ran.out.splitlines()[-1] == "Nothing is missing"
    assert kubectl.words == [
        *("--namespace", "sluice-system"),
        *("exec", "-i", "sluice-7d4b9-x2x4z", "--container", "sluice"),
        *("--", "python3", "-m", "sluice.check"),
    ]


def test_the_request_has_the_stable_pods(run: Run, kubectl: Kubectl, server: FakeServer) -> None:
    canary = objects.replica_set("bbb", "canary", 2, 2, 1)
    server.put("replicasets", canary)
    server.put("pods", objects.pod("bbb", "q1"), objects.pod("bbb", "q2", objects.crashing()))

    assert run("check", "slr/web").code == 0

    request = kubectl.request
    assert request.pop("spec") == server.lists["/apis/sluice.dev/v1alpha1/rollouts"][0]["spec"]
    assert request == {
        "namespace": "demo",
        "replicaSet": "web-aaa",
        "replicas": 3,
        "otherPods": 1,
        "pods": [{"name": f"web-aaa-p{n}", "startedAt": objects.at(1, n - 1)} for n in (1, 2, 3)],
    }
    queries = [query for _, path, query in server.requests if path.endswith("demo/pods")]
    assert [query["labelSelector"] for query in queries] == ["app=web"]


def test_a_deployment_without_a_rollout_is_asked_by_its_own_pods(
    run: Run, kubectl: Kubectl, server: FakeServer, tmp_path: Path
) -> None:
    for raw in server.lists["/apis/apps/v1/replicasets"]:
        raw["metadata"]["annotations"].pop("sluice.dev/role")
    stranger = objects.replica_set("ccc", "", 9, 9, 9)
    server.put("replicasets", stranger)

    assert run("check", str(file_of(tmp_path, "web"))).code == 0
    assert kubectl.request["replicaSet"] == "web-aaa"


def test_the_same_connection_is_given_to_kubectl(
    run: Run, kubectl: Kubectl, server: FakeServer
) -> None:
    add_operator(server, "ops")

    ran = run("check", "--context", "here", "--as", "joe", "--operator-namespace", "ops")

    assert ran.code == 0
    assert kubectl.words[:6] == ["--context", "here", "--as", "joe", "--namespace", "ops"]


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("short-step", 0), ("missing", 7)])
def test_the_exit_code_is_7_where_something_is_missing(
    run: Run, kubectl: Kubectl, name: str, code: int
) -> None:
    kubectl.answers(wire(REPORTS[name]))

    assert run("check", "web").code == code
    assert run("check", "web", "-o", "json").code == code


def test_the_form_for_programs(run: Run, kubectl: Kubectl) -> None:
    kubectl.answers(wire(MISSING))

    assert json.loads(run("check", "web", "-o", "json").out) == wire(MISSING)
    assert yaml.safe_load(run("check", "web", "-o", "yaml").out) == wire(MISSING)


FORBIDDEN: Final = (
    'Error from server (Forbidden): pods "sluice-7d4b9-x2x4z" is forbidden: User "joe" cannot '
    'create resource "pods/exec" in API group "" in the namespace "sluice-system"'
)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"err": FORBIDDEN, "code": 1},
            [
                (
                    'your role lacks the verb "create" on the resource "pods/exec" in namespace '
                    "sluice-system"
                ),
                "write --url http://localhost:9090",
            ],
        ),
        (
            {"err": "/usr/bin/python3: No module named sluice.check", "code": 1},
            ["the operator in sluice-system is older than this plugin: it has no check"],
        ),
        ({"out": {"error": "no metric source 'x'"}, "code": 1}, ["error: no metric source 'x'"]),
        (
            {"err": "warning\nerror: unable to upgrade connection\n", "code": 1},
            ["the check gave no report: error: unable to upgrade connection"],
        ),
        ({"out": "Killed", "code": 137}, ["the check gave no report: exit code 137"]),
        ({"out": "[]", "code": 0}, ["the check gave no report"]),
        ({"out": {"metrics": []}, "code": 0}, ["the check gave no report"]),
    ],
)
def test_what_may_go_wrong_is_a_sentence(
    run: Run, kubectl: Kubectl, answer: dict[str, Any], said: list[str]
) -> None:
    kubectl.answers(**answer)

    ran = run("check", "web")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    for sentence in said:
        assert sentence in ran.err


def test_without_kubectl_there_is_another_way(run: Run, kubectl: Kubectl) -> None:
    kubectl.file.unlink()

    ran = run("check", "web")

    assert ran.code == 1
    assert "kubectl is not on the PATH" in ran.err
    assert "write --url" in ran.err


def test_a_report_that_does_not_come(
    run: Run, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl.file.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(asking, "_TIMEOUT_SECONDS", 0.2)

    ran = run("check", "web")

    assert ran.code == 1
    assert ran.err == "error: no report within 0.2 s\n"


@pytest.mark.parametrize("there", [True, False])
def test_without_an_operator_there_is_nobody_to_ask(
    run: Run, kubectl: Kubectl, server: FakeServer, there: bool
) -> None:
    add_operator(server, ready=False)
    if not there:
        server.lists["/api/v1/namespaces/sluice-system/pods"] = []

    ran = run("check", "web")

    assert ran.code == 1
    assert "no ready pod of the operator (app=sluice) in namespace sluice-system" in ran.err
    assert "--operator-namespace" in ran.err
    assert not kubectl.ran


def test_without_ready_pods_there_is_nobody_to_ask_for(
    run: Run, kubectl: Kubectl, server: FakeServer
) -> None:
    server.lists["/api/v1/namespaces/demo/pods"] = [objects.pod("aaa", "p1", objects.crashing())]

    ran = run("check", "web")

    assert ran.code == 1
    assert "Deployment web in namespace demo has no ready pods" in ran.err
    assert not kubectl.ran


def test_a_deployment_that_does_not_exist(run: Run, kubectl: Kubectl, server: FakeServer) -> None:
    del server.objects["/apis/apps/v1/namespaces/demo/deployments/web"]

    ran = run("check", "web")

    assert ran.code == 6
    assert "web" in ran.err


def test_who_may_not_read_pods_is_told(run: Run, kubectl: Kubectl, server: FakeServer) -> None:
    server.forbidden.add(("list", "pods"))

    ran = run("check", "web")

    assert ran.code == 1
    assert 'lacks the verb "list" on the resource "pods"' in ran.err


def test_a_stored_rollout_that_breaks_a_rule(
    run: Run, kubectl: Kubectl, server: FakeServer
) -> None:
    found = server.lists["/apis/sluice.dev/v1alpha1/rollouts"][0]
    metric = {"name": "errors", "query": "up", "max": "much"}
    found["spec"]["canary"]["analysis"]["metrics"] = [metric]

    ran = run("check", "web")

    assert ran.code == 1
    assert ran.err.startswith("error: Rollout web: ")
    assert not kubectl.ran


# --- --url


def test_a_url_is_asked_from_here(
    run: Run, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    monkeypatch.setattr(sys, "executable", str(kubectl.file))

    ran = run("check", "web", "--url", "http://localhost:9090")

    assert ran.code == 0
    assert "asked by http://localhost:9090" in ran.out
    assert kubectl.words == ["-m", "sluice.check", "--url", "http://localhost:9090"]
    assert not [path for _, path, _ in server.requests if "sluice-system" in path]


def test_the_program_itself_refuses_what_is_no_url(run: Run) -> None:
    ran = run("check", "web", "--url", "localhost")

    assert ran.code == 1
    assert ran.err == "error: --url: write a URL such as http://localhost:9090\n"


# --- FILE


def file_of(folder: Path, *names: str, change: Callable[[Json], None] = lambda _: None) -> Path:
    documents = []
    for name in names:
        found = objects.rollout(name=name)
        found = {"apiVersion": "sluice.dev/v1alpha1", "kind": "Rollout", **found}
        found.pop("status")
        found["metadata"] = {"name": name}
        found["spec"]["targetRef"]["name"] = "web"
        change(found)
        documents.append(found)
    file = folder / "rollout.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return file


def test_a_rollout_in_a_file_needs_none_in_the_cluster(
    run: Run, kubectl: Kubectl, server: FakeServer, tmp_path: Path
) -> None:
    file = file_of(tmp_path, "new")

    assert run("check", str(file)).code == 0
    assert not [path for _, path, _ in server.requests if "rollouts" in path]
    assert kubectl.request["namespace"] == "demo"


def test_a_file_with_several_needs_a_name(run: Run, kubectl: Kubectl, tmp_path: Path) -> None:
    file = file_of(tmp_path, "one", "two")

    ran = run("check", str(file))
    assert ran.code == 1
    assert "--rollout one|two" in ran.err
    assert run("check", str(file), "--rollout", "two").code == 0
    assert "no Rollout three" in run("check", str(file), "--rollout", "three").err


def test_the_problems_of_a_file_come_first(run: Run, kubectl: Kubectl, tmp_path: Path) -> None:
    def misspell(raw: Json) -> None:
        raw["spec"]["canary"]["stepps"] = []

    ran = run("check", str(file_of(tmp_path, "web", change=misspell)))

    assert ran.code == 1
    assert "spec.canary.stepps is no field of a Rollout" in ran.out
    assert not kubectl.ran


@pytest.mark.parametrize("file", ["nothing.yaml", "nothing.json"])
def test_a_file_that_is_not_there(run: Run, kubectl: Kubectl, tmp_path: Path, file: str) -> None:
    ran = run("check", str(tmp_path / file))

    assert ran.code == 1
    assert f"{file} cannot be read" in ran.err


def test_a_file_without_a_rollout(run: Run, kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")

    ran = run("check", str(tmp_path / "other.yaml"))

    assert ran.code == 1
    assert "has no Rollout of sluice.dev" in ran.err
