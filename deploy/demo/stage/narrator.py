"""Tells the course of a release in lines of at most 80 columns, one for each thing that changes."""

from __future__ import annotations

import textwrap
import time

from stage.cluster import Json
from stage.story import Moment, Story

WIDTH = 80


def say(text: str) -> None:
    """Print a sentence, wrapped."""
    print(textwrap.fill(text, WIDTH), flush=True)


def typed(*arguments: str) -> None:
    """Print a kubectl command as a user types it."""
    command = " ".join(("kubectl", *arguments))
    print(textwrap.fill(f"$ {command}", WIDTH, subsequent_indent="    "), flush=True)


class Narrator:
    """Prints a line whenever phase, weight or message of the story's Rollout changes."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._started = time.time()
        self._told = 0
        self._last = describe(story.now())

    def tell_news(self) -> None:
        """Print what changed since the last call."""
        moments = self._story.moments(since=self._started)
        for moment in moments[self._told :]:
            text = describe(moment)
            if text != self._last:
                line = f"{moment.at - self._started:6.1f} s  {text}"
                print(textwrap.fill(line, WIDTH, subsequent_indent=" " * 10), flush=True)
            self._last = text
        self._told = len(moments)


def describe(moment: Moment) -> str:
    """Phase, weight and message in one line; the message names the step."""
    release: Json = moment.status.get("release") or {}
    weight = f"{release['weight']:>3} %" if "weight" in release else " " * 5
    return f"{moment.phase:<11} {weight}  {moment.message}"
