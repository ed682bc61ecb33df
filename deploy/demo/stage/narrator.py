"""Tells the course of a release, or of scaling, in lines of at most 80 columns."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from typing import NamedTuple

from stage.cluster import Json
from stage.story import Moment, Story

WIDTH = 80


def say(text: str) -> None:
    """Print a sentence, wrapped."""
    print(textwrap.fill(text, WIDTH), flush=True)


def typed(*arguments: str) -> None:
    """Print a kubectl command as a user types it."""
    command = " ".join(("kubectl", *arguments))
    lines = textwrap.fill(f"$ {command}", WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    print(lines, flush=True)


class Narrator:
    """Prints a line whenever the Rollout scales, or its phase, weight or message changes."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._started = time.time()
        self._told = 0
        now = story.now()
        self._last = describe(now)
        self._scalings = set(scalings(now))

    def tell_news(self) -> None:
        """Print what changed since the last call."""
        moments = self._story.moments(since=self._started)
        for moment in moments[self._told :]:
            for scaling in scalings(moment):
                if scaling not in self._scalings:
                    self._print(moment, f"{scaling.what} {scaling.why}")
                    self._scalings.add(scaling)
            text = describe(moment)
            if text != self._last:
                self._print(moment, text)
            self._last = text
        self._told = len(moments)

    def tell_until(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Whether the condition came true in time; what happens meanwhile is told."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            self.tell_news()
            if condition():
                self.tell_news()
                return True
            time.sleep(0.2)
        return False

    def _print(self, moment: Moment, text: str) -> None:
        line = f"{moment.at - self._started:6.1f} s  {text}"
        print(textwrap.fill(line, WIDTH, subsequent_indent=" " * 10), flush=True)


class Scaling(NamedTuple):
    """A decision that changed the replicas."""

    at: str
    what: str
    why: str


def scalings(moment: Moment) -> list[Scaling]:
    """Those among the last decisions, oldest first."""
    decisions: list[Json] = moment.status.get("decisions", [])
    return [
        Scaling(each["at"], each["what"], each["why"])
        for each in decisions
        if each["what"].startswith("scaled ")
    ]


def describe(moment: Moment) -> str:
    """Phase, weight and message in one line; the message names the step."""
    release: Json = moment.status.get("release") or {}
    weight = f"{release['weight']:>3} %" if "weight" in release else " " * 5
    return f"{moment.phase:<11} {weight}  {moment.message}"
