"""The configuration file is followed; what cannot be used is refused and told."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from faults.stub_prometheus import Stub
from sluice.adapters.metric_sources.following import ConfigFollower
from sluice.adapters.prometheus import PrometheusSources
from sluice.api import config
from sluice.api.config import Config, Source
from sluice.core.plan import Query
from sluice.core.readings import Known, Reason, Unknown

REFUSED = "The configuration stays as it was, the new one is refused: "


class Sources:
    def __init__(self) -> None:
        self.taken: list[set[str]] = []

    def replace(self, sources: Mapping[str, Source], /) -> None:
        self.taken.append(set(sources))


def mounted(folder: Path, text: str) -> Path:
    """The file as the kubelet mounts a ConfigMap: a change swaps the symlink `..data`."""
    version = folder / f"..{len(list(folder.iterdir()))}"
    version.mkdir()
    (version / "config.yaml").write_text(text, encoding="utf-8")
    fresh = folder / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.replace(folder / "..data")
    path = folder / "config.yaml"
    if not path.is_symlink():
        path.symlink_to("..data/config.yaml")
    return path


def text(*names: str, **more: str) -> str:
    lines = [f"  {name}: {{url: 'http://{name}'}}" for name in names]
    return "\n".join(["sources:", *lines, *(f"  {name}: {rest}" for name, rest in more.items())])


class Following:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = mounted(folder, text("a"))
        self.sources = Sources()
        self.follower = ConfigFollower(self.path, config.load(self.path), self.sources)

    def look(self, new: str | None = None) -> bool:
        """Change the file, have it looked at; whether it is in force."""
        if new is not None:
            mounted(self.folder, new)
        self.follower.look()
        return self.follower.last_reload_successful


@pytest.fixture
def following(tmp_path: Path) -> Following:
    return Following(tmp_path)


def test_what_is_the_same_is_not_taken_again(following: Following) -> None:
    assert following.look()
    assert following.look(text("a") + "\n# a comment")
    assert not following.sources.taken


def test_a_change_is_taken_once(following: Following, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert following.look(text("a", "b"))
    assert following.look()
    assert following.sources.taken == [{"a", "b"}]
    assert caplog.messages == ["The configuration was read anew; sources: a, b."]


def test_a_file_that_is_written_in_place_is_seen(following: Following) -> None:
    assert following.look()
    (following.folder / "..data" / "config.yaml").write_text(text("bb"), encoding="utf-8")
    assert following.look()
    assert following.sources.taken == [{"bb"}]


def test_a_mistake_is_refused_told_once_and_forgotten_when_it_is_mended(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert not following.look(text("a", b="{}"))
    assert not following.look()
    assert following.look(text("a"))
    assert not following.sources.taken
    assert caplog.messages == [
        f"{REFUSED}{following.path}: sources.b.url is missing: write it",
        "The configuration file says again what is in force.",
    ]


def test_a_file_that_is_gone_is_a_mistake(following: Following) -> None:
    assert following.look()
    (following.folder / "..data").unlink()
    assert not following.look()
    assert following.look(text("c"))
    assert following.sources.taken == [{"c"}]


async def test_a_file_of_a_secret_may_come_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    folder = tmp_path / "config"
    folder.mkdir()
    async with Stub() as stub:
        path = mounted(folder, f"sources: {{a: {{url: '{stub.url}'}}}}")
        in_force = config.load(path)
        sources = PrometheusSources(in_force.sources)
        follower = ConfigFollower(path, in_force, sources)
        mounted(folder, f"sources: {{b: {{url: '{stub.url}', bearerTokenFile: '{token}'}}}}")
        follower.look()
        refused = not follower.last_reload_successful
        assert refused
        missing = f"{token} cannot be read: No such file or directory"
        assert caplog.messages == [f"{REFUSED}sources.b.bearerTokenFile: {missing}"]
        assert await sources.ask("a", [Query("m", "up")], 2.0) == (("m", Known(1.0)),)
        token.write_text("t")
        follower.look()
        assert follower.last_reload_successful
        assert await sources.ask("b", [Query("m", "up")], 2.0) == (("m", Known(1.0)),)
        [(_, gone)] = await sources.ask("a", [Query("m", "up")], 2.0)
        assert isinstance(gone, Unknown)
        assert gone.reason is Reason.NO_SOURCE
        await sources.close()
    assert [one.headers.get("authorization") for one in stub.requests] == [None, "Bearer t"]


async def test_it_looks_now_and_then(following: Following) -> None:
    taken = asyncio.Event()
    following.sources.replace = lambda _: taken.set()  # type: ignore[method-assign]
    running = asyncio.create_task(following.follower.run(every_seconds=0.01))
    mounted(following.folder, text("d"))
    await asyncio.wait_for(taken.wait(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()


def test_an_empty_configuration_is_one(following: Following) -> None:
    assert following.look("")
    assert following.sources.taken == [set()]
    assert config.load(following.path) == Config()
