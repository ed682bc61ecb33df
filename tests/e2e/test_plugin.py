"""What a person does with `kubectl sluice`: look, wait, steer, and read what became of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stage.cluster import CONTEXT
from stage.manifests import step
from stage.story import Story

# The whole start of the program, in seconds of CPU: how long that takes is up to the machine.
MAX_START_CPU_SECONDS = 0.6


@dataclass
class Typed:
    """What a command wrote and how it ended."""

    code: int
    out: str
    err: str


def plugin(story: Story, *words: str, timeout: float = 60) -> Typed:
    """`kubectl sluice ...` in the story's namespace, through kubectl itself."""
    folder = Path(sys.executable).parent
    program = shutil.which("kubectl")
    assert program is not None
    done = subprocess.run(
        [program, "sluice", *words, "-n", story.namespace, "--context", CONTEXT],
        env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Typed(done.returncode, done.stdout, done.stderr)


def test_a_release_is_followed_and_approved_with_the_plugin(
    new_story: Callable[..., Story],
) -> None:
    # Given an adopted Deployment
    story = new_story("e2e-plugin", replicas=1)
    story.adopt(steps=[step(50, "1s", approval="Required")])
    at_rest = plugin(story, "status", "web", "--wait", "--timeout=20s")
    assert at_rest.code == 0, at_rest

    # When its template changes, a wait does not fall for the state before, and ends at the approval
    story.set_env(VERSION="v2")
    paused = plugin(story, "status", "web", "--wait", "--timeout=40s")
    assert paused.code == 4, f"{paused}\n{story.tell()}"

    # Then the tree has both versions with their pods, and says what is waited for
    shown = plugin(story, "get", "web").out
    assert "\x1b" not in shown
    for version in ("v1", "v2"):
        assert {pod["metadata"]["name"] in shown for pod in story.pods(version)} == {True}
    assert "kubectl sluice promote web" in shown

    # When a command makes no sense, nothing is done and the exit code says so
    refused = plugin(story, "rollback", "web", "--to", "77")
    assert refused.code == 1, refused
    assert "nothing done" in refused.err
    assert plugin(story, "abort", "web", "--dry-run=server").code == 0
    assert story.now().phase == "Paused"

    # When the step is approved, the release goes through
    promoted = plugin(story, "promote", "web")
    assert promoted.code == 0, promoted
    healthy = plugin(story, "status", "web", "--wait", "--timeout=40s")
    assert healthy.code == 0, f"{healthy}\n{story.tell()}"
    assert story.stable_version() == "v2"


def test_a_rollback_with_the_plugin_leads_back_and_the_history_tells_of_it(
    new_story: Callable[..., Story],
) -> None:
    # Given v2, promoted
    story = new_story("e2e-plugin-back", replicas=1)
    story.adopt(steps=[step(50)])
    story.set_env(VERSION="v2")
    story.until_now("Healthy", "v2")

    # When it is rolled back with the plugin
    ordered = plugin(story, "rollback", "web")
    assert ordered.code == 0, ordered

    # Then a wait for that ends well, with v1 stable
    back = plugin(story, "status", "web", "--wait", "--for=rolledback", "--timeout=40s")
    assert back.code == 0, f"{back}\n{story.tell()}"
    assert story.stable_version() == "v1"

    # And the history tells of both, and why v2 ended
    revisions = json.loads(plugin(story, "history", "web", "-o", "json").out)
    assert [item["role"] for item in revisions] == ["rejected", "stable"]
    assert "rollback" in revisions[0]["why"]


def test_who_may_only_read_sees_everything_and_is_told_what_is_missing(
    new_story: Callable[..., Story],
) -> None:
    # Given a user who may get and list, and nothing else
    story = new_story("e2e-reader", replicas=1)
    story.adopt(steps=[step(50)])
    resources = "rollouts.sluice.dev,replicasets.apps,pods,deployments.apps"
    story.kubectl("create", "role", "reader", "--verb=get,list", f"--resource={resources}")
    story.kubectl("create", "rolebinding", "reader", "--role=reader", "--user=reader")

    # Then everything is shown, and a wait polls where it may not watch
    assert story.pods()[0]["metadata"]["name"] in plugin(story, "get", "--as=reader").out
    assert plugin(story, "status", "web", "--wait", "--as=reader", "--timeout=20s").code == 0

    # And an order says which permission is missing
    denied = plugin(story, "abort", "web", "--as=reader")
    assert denied.code == 1
    assert 'lacks the verb "patch" on the resource "rollouts.sluice.dev"' in denied.err

    # And what does not exist has its own exit code
    assert plugin(story, "get", "nothing").code == 6


def test_it_starts_quickly() -> None:
    program = str(Path(sys.executable).with_name("kubectl-sluice"))

    def cpu_seconds() -> float:
        before = os.times()
        subprocess.run([program, "--help"], check=True, capture_output=True, timeout=60)
        after = os.times()
        return (after.children_user - before.children_user) + (
            after.children_system - before.children_system
        )

    started = time.monotonic()
    least = min(cpu_seconds() for _ in range(3))
    assert least < MAX_START_CPU_SECONDS, f"{time.monotonic() - started:.1f} s in all"
