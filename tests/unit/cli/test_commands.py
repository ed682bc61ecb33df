"""The program as a whole, against an API server in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from sluice.cli import complete, ordering
from sluice.cli.main import options_last
from unit.cli import objects
from unit.cli.conftest import Run
from unit.cli.fake_server import FakeServer
from unit.cli.objects import Json


def fill(server: FakeServer, story: tuple[Json, list[Json], list[Json]]) -> Json:
    found, sets, pods = story
    server.put("rollouts", found)
    server.put("replicasets", *sets)
    server.put("pods", *pods)
    return found


def paths(server: FakeServer) -> list[tuple[str, str]]:
    return [(method, path.split("/")[-1]) for method, path, _ in server.requests]


# --- looking


def test_list_asks_once_and_shows_a_row_each(run: Run, server: FakeServer) -> None:
    fill(server, objects.rolled_back())

    ran = run("list")

    assert ran.code == 0
    assert ran.out.splitlines()[1].split()[:2] == ["web", "RolledBack"]
    assert paths(server) == [("GET", "rollouts")]
    assert server.headers[0]["Authorization"] == "Bearer secret"


def test_a_pipe_gets_no_escapes_and_nothing_is_cut(run: Run, server: FakeServer) -> None:
    found = fill(server, objects.crash_in_step_1())

    for command in ("list", "get", "explain"):
        ran = run(command)
        assert "\x1b" not in ran.out
        assert found["status"]["message"] in ran.out


def test_nothing_there_is_no_error(run: Run) -> None:
    ran = run("list", "-A")

    assert (ran.code, ran.out) == (0, "")
    assert "any namespace" in ran.err


def test_get_asks_for_the_pods_of_sides_with_pods_only(run: Run, server: FakeServer) -> None:
    fill(server, objects.rolled_back())

    ran = run("get", "slr/web")

    assert "web-aaa-p1" in ran.out
    queries = [query for _, path, query in server.requests if path.endswith("/pods")]
    assert [query["labelSelector"] for query in queries] == ["pod-template-hash in (aaa)"]
    assert len(server.requests) == 3


def test_forms_for_programs(run: Run, server: FakeServer) -> None:
    fill(server, objects.at_rest())

    one = json.loads(run("get", "web", "-o", "json").out)
    many = yaml.safe_load(run("list", "-o", "yaml").out)

    assert one["kind"] == many["items"][0]["kind"] == "Rollout"
    assert "managedFields" not in one["metadata"]
    assert run("get", "web", "-o", "name").out == "rollout.sluice.dev/web\n"
    assert run("list", "-o", "name").out == "rollout.sluice.dev/web\n"
    history = json.loads(run("history", "web", "-o", "json").out)
    assert [item["revision"] for item in history] == [1]
    explained = json.loads(run("explain", "web", "-o", "json").out)
    assert explained["phase"] == "Healthy"


def test_without_a_name_the_only_one_is_meant(run: Run, server: FakeServer) -> None:
    fill(server, objects.at_rest())
    assert run("get", "-o", "name").code == 0

    server.put("rollouts", objects.rollout(name="other"))
    ran = run("get")

    assert ran.code == 1
    assert "web, other" in ran.err


def test_a_rollout_that_does_not_exist_is_exit_code_6(run: Run) -> None:
    ran = run("get", "nothing")

    assert ran.code == 6
    assert ran.err == "error: there is no Rollout nothing in namespace demo\n"


def test_a_cluster_without_sluice_is_told(run: Run, server: FakeServer) -> None:
    server._answer = lambda *_: (404, {"message": "not found"})  # type: ignore[method-assign]

    ran = run("list")

    assert ran.code == 6
    assert "is Sluice installed there" in ran.err


def test_who_may_not_read_pods_sees_the_rest(run: Run, server: FakeServer) -> None:
    fill(server, objects.at_rest())
    server.forbidden.add(("list", "pods"))

    ran = run("get")

    assert ran.code == 0
    assert "web-aaa" in ran.out
    assert 'your role lacks the verb "list" on the resource "pods"' in ran.out


def test_no_server_is_a_sentence(run: Run, server: FakeServer) -> None:
    server.close()

    ran = run("list")

    assert ran.code == 1
    assert f"no answer from the API server {server.address}" in ran.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-n x list", "list -n x"),
        ("--context=c -A list -o json", "list --context=c -A -o json"),
        ("list -n x", "list -n x"),
        ("--help", "--help"),
        ("", ""),
    ],
)
def test_options_may_stand_before_the_command(typed: str, meant: str) -> None:
    assert options_last(typed.split()) == meant.split()


# --- orders


def answering(result: str, *, done: bool = True) -> Any:
    """An operator that takes a command up at once."""

    def operator(raw: Json) -> None:
        verb = raw["metadata"]["annotations"].pop("sluice.dev/command")
        accepted = {"id": "u/8", "verb": verb, "done": done, "result": result}
        raw["metadata"]["annotations"]["sluice.dev/accepted"] = json.dumps(accepted)
        shown = result if done else "under way"
        raw["status"]["lastCommand"] = {"id": "u/8", "verb": verb, "result": shown}

    return operator


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["abort"], "abort"),
        (["retry"], "retry"),
        (["restart"], "restart"),
        (["rollback"], "rollback"),
        (["rollback", "--to", "3"], "rollback=3"),
        (["promote"], "promote=2-bbbbb-1/2"),
        (["promote", "--full"], "promote-full"),
    ],
)
def test_a_command_is_one_guarded_annotation(
    run: Run, server: FakeServer, words: list[str], verb: str
) -> None:
    fill(server, objects.approval_in_step_2())
    server.operator = answering("done so")

    ran = run(words[0], "web", *words[1:])

    assert ran.code == 0
    assert ran.out == f"rollout.sluice.dev/web {verb}: done so\n"
    assert server.patches == [
        {"metadata": {"annotations": {"sluice.dev/command": verb}, "resourceVersion": "7"}}
    ]


def test_a_command_that_goes_on_says_how_to_follow_it(run: Run, server: FakeServer) -> None:
    fill(server, objects.at_rest())
    server.operator = answering("", done=False)

    ran = run("rollback", "web")

    assert ran.code == 0
    assert "under way; to follow it: kubectl sluice watch web" in ran.out


def test_what_the_operator_refuses_is_exit_code_1(run: Run, server: FakeServer) -> None:
    fill(server, objects.at_rest())
    server.operator = answering('nothing done: unknown command "retry"; known are promote')

    ran = run("retry", "web")

    assert ran.code == 1
    assert 'nothing done: unknown command "retry"' in ran.err


def test_an_operator_that_does_not_answer_is_exit_code_5(
    run: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(server, objects.at_rest())
    answer = ordering.command_answer
    monkeypatch.setattr(ordering, "command_answer", lambda *words: answer(*words, seconds=0.3))

    ran = run("abort", "web")

    assert ran.code == 5
    assert "is it running?" in ran.err
    assert "slr/web sluice.dev/command-" in ran.err


def test_a_command_for_a_release_that_is_over_is_not_given(run: Run, server: FakeServer) -> None:
    found = fill(server, objects.approval_in_step_2())
    patch = server._patch

    def moved(path: str, query: dict[str, str], body: Json) -> tuple[int, Json]:
        found["metadata"]["resourceVersion"] = "8"
        found["status"]["release"] = objects.release(3, 50)
        return patch(path, query, body)

    server._patch = moved  # type: ignore[method-assign]

    ran = run("promote", "web")

    assert ran.code == 1
    assert "has moved on meanwhile (now Paused at step 3): nothing done" in ran.err
    assert server.patches == []


def test_a_change_of_the_status_alone_does_not_stop_a_command(run: Run, server: FakeServer) -> None:
    found = fill(server, objects.approval_in_step_2())
    server.operator = answering("done so")
    patch = server._patch

    def counted(path: str, query: dict[str, str], body: Json) -> tuple[int, Json]:
        found["metadata"]["resourceVersion"] = "8"
        return patch(path, query, body)

    server._patch = counted  # type: ignore[method-assign]

    assert run("promote", "web").code == 0


def test_pause_and_resume_change_the_spec(run: Run, server: FakeServer) -> None:
    def operator(raw: Json) -> None:
        raw["status"]["observedGeneration"] = raw["metadata"]["generation"]

    fill(server, objects.at_rest())
    server.operator = operator

    ran = run("pause", "web")

    assert ran.code == 0
    assert ran.out.startswith("rollout.sluice.dev/web paused; Healthy: ")
    assert server.patches[0]["spec"] == {"paused": True}
    assert run("resume", "web").code == 0
    assert server.patches[1]["spec"] == {"paused": False}


def test_a_dry_run_writes_nothing(run: Run, server: FakeServer) -> None:
    found = fill(server, objects.at_rest())

    ran = run("abort", "web", "--dry-run=server")

    assert ran.code == 0
    assert "nothing was written" in ran.out
    assert server.requests[-1][2]["dryRun"] == "All"
    assert "sluice.dev/command" not in found["metadata"]["annotations"]


def test_who_may_only_read_is_told_what_is_missing(run: Run, server: FakeServer) -> None:
    fill(server, objects.at_rest())
    server.forbidden.add(("patch", "rollouts"))

    ran = run("abort", "web")

    assert ran.code == 1
    assert "you may not patch rollouts.sluice.dev in namespace demo" in ran.err
    assert 'lacks the verb "patch" on the resource "rollouts.sluice.dev"' in ran.err


# --- waiting


@pytest.mark.parametrize(
    ("story", "deployed", "words", "code"),
    [
        (objects.at_rest, "v1", [], 0),
        (objects.at_rest, "v1", ["--wait"], 0),
        (objects.at_rest, "v1", ["--wait", "--for=rolledback"], 8),
        # The Deployment was changed a moment ago: the status tells of the time before.
        (objects.at_rest, "v9", [], 9),
        (objects.at_rest, "v9", ["--wait", "--timeout=300ms"], 5),
        (objects.rolled_back, "v2", ["--wait"], 3),
        (objects.rolled_back, "v2", ["--wait", "--for=rolledback"], 0),
        (objects.approval_in_step_2, "v2", ["--wait"], 4),
        (objects.approval_in_step_2, "v2", ["--wait", "--for=paused"], 0),
        (objects.crash_in_step_1, "v2", [], 9),
        (objects.crash_in_step_1, "v2", ["--wait", "--timeout=300ms"], 5),
    ],
)
def test_exit_codes_of_status(  # noqa: PLR0917
    run: Run, server: FakeServer, story: Any, deployed: str, words: list[str], code: int
) -> None:
    fill(server, story())
    server.put("deployments", objects.deployment(deployed))

    assert run("status", "web", *words).code == code


def test_wait_follows_the_watch_to_the_end(run: Run, server: FakeServer) -> None:
    fill(server, objects.crash_in_step_1())
    server.put("deployments", objects.deployment("v1"))
    server.events = [{"type": "MODIFIED", "object": objects.at_rest()[0]}]

    ran = run("status", "web", "--wait", "--timeout=10s")

    assert ran.code == 0
    assert "Healthy" in ran.out.splitlines()[-1]


def test_wait_ends_when_the_rollout_is_deleted(run: Run, server: FakeServer) -> None:
    fill(server, objects.crash_in_step_1())
    server.events = [{"type": "DELETED", "object": objects.at_rest()[0]}]

    ran = run("status", "web", "--wait", "--timeout=10s")

    assert ran.code == 6
    assert "was deleted" in ran.err


def test_watch_in_a_pipe_tells_each_change_and_ends_with_the_release(
    run: Run, server: FakeServer
) -> None:
    fill(server, objects.crash_in_step_1())
    server.put("deployments", objects.deployment("v2"))
    server.put("replicasets", objects.rolled_back()[1][1])
    server.events = [{"type": "MODIFIED", "object": objects.rolled_back()[0]}]

    ran = run("watch", "web", "--timeout=10s")

    assert ran.code == 3
    assert "RolledBack" in ran.out.splitlines()[-1]


def test_a_bad_state_or_timeout_is_a_usage_error(run: Run, server: FakeServer) -> None:
    fill(server, objects.at_rest())

    assert run("status", "web", "--for=nice").code == 2
    assert run("status", "web", "--timeout=soon").code == 2


# --- completion and start


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["hi"], {"history"}),
        (["get", "w"], {"web"}),
        (["get", "web", ""], set()),
        (["get", "--conte"], {"--context"}),
        (["get", "--context", ""], {"here"}),
        (["list", "-n", "de"], {"demo"}),
        (["list", "-o", "j"], {"json"}),
    ],
)
def test_completion(run: Run, server: FakeServer, words: list[str], expected: set[str]) -> None:
    fill(server, objects.at_rest())
    server.put("namespaces", {"metadata": {"name": "demo"}})

    assert {value for value, _ in complete.candidates(words)} == expected


@pytest.mark.parametrize("words", [["--help"], ["list", "--help"], ["get", "--help"]])
def test_slow_libraries_are_not_loaded_where_they_are_not_needed(words: list[str]) -> None:
    """Half a second each: the whole program may take less than that."""
    script = (
        "import sys\n"
        f"sys.argv[1:] = {words!r}\n"
        "from sluice.cli.main import main\n"
        "main()\n"
        "slow = {'kubernetes', 'aiohttp', 'kopf', 'requests', 'rich', 'asyncio'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stderr == "[]\n"
    assert done.stdout.startswith("Usage: kubectl sluice")
