"""The store keeps the newest, whatever order the news come in."""

from dataclasses import dataclass
from itertools import permutations

import pytest

from sluice.runtime import store
from sluice.runtime.store import Store


@dataclass(frozen=True)
class Thing:
    version: int
    name: str = "web"
    uid: str = "u1"
    index: str = "shop"
    namespace: str = "ns"


def test_only_news_is_kept() -> None:
    things: Store[Thing] = Store()
    assert things.put(Thing(5))
    assert not things.put(Thing(5))
    assert not things.put(Thing(4))
    assert things.put(Thing(6))
    assert things.get("ns", "web") == Thing(6)


def test_versions_are_numbers() -> None:
    things: Store[Thing] = Store()
    things.put(Thing(9))
    assert things.put(Thing(10))


def test_what_is_gone_is_not_brought_back_by_a_slow_reader() -> None:
    things: Store[Thing] = Store()
    things.put(Thing(5))
    assert things.drop(Thing(7))
    assert not things.put(Thing(6))
    assert things.get("ns", "web") is None


def test_what_left_the_selector_comes_back_with_a_later_version() -> None:
    things: Store[Thing] = Store()
    things.put(Thing(5))
    things.drop(Thing(7))
    assert things.put(Thing(8))
    assert things.get("ns", "web") == Thing(8)


def test_a_late_deletion_does_not_take_what_is_newer() -> None:
    things: Store[Thing] = Store()
    things.put(Thing(8))
    assert not things.drop(Thing(7))
    assert things.get("ns", "web") == Thing(8)


def test_another_object_of_the_same_name_is_another_object() -> None:
    things: Store[Thing] = Store()
    things.put(Thing(5))
    things.put(Thing(9, uid="u2"))
    assert not things.drop(Thing(7, uid="u1"))
    assert not things.put(Thing(6, uid="u1"))
    assert things.get("ns", "web") == Thing(9, uid="u2")


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_any_order_of_the_same_news_ends_the_same(order: tuple[int, ...]) -> None:
    things: Store[Thing] = Store()
    news = [
        lambda: things.put(Thing(1)),
        lambda: things.put(Thing(3, index="bar")),
        lambda: things.drop(Thing(4)),
        lambda: things.put(Thing(6, uid="u2")),
    ]
    for number in order:
        news[number]()
    assert list(things) == [Thing(6, uid="u2")]
    assert things.find("ns", "shop") == [Thing(6, uid="u2")]
    assert things.find("ns", "bar") == []


def test_the_index_follows_the_label() -> None:
    things: Store[Thing] = Store()
    things.put(Thing(1, name="a"))
    things.put(Thing(2, name="b"))
    things.put(Thing(3, name="a", index="other"))
    assert things.find("ns", "shop") == [Thing(2, name="b")]
    assert things.find("ns", "other") == [Thing(3, name="a", index="other")]
    assert things.find("elsewhere", "shop") == []


def test_the_memory_of_the_dead_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "GRAVES", 10)
    things: Store[Thing] = Store()
    for number in range(100):
        things.drop(Thing(number, uid=f"u{number}"))
    assert len(things._gone_at) == 10
    assert not things.put(Thing(50, uid="u99"))


def test_clearing_keeps_the_memory_of_the_dead() -> None:
    things: Store[Thing] = Store()
    things.put(Thing(5))
    things.drop(Thing(5))
    things.clear()
    assert not things.put(Thing(5))
    assert len(things) == 0
