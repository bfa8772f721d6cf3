"""The memory engine: engines are independent of each other, and stored values cannot be changed from outside."""

from __future__ import annotations

from typing import Any

from persisty import App, Attr, stored


@stored
class Box:
    id: str
    content: dict[str, Any] = Attr(factory=dict)


def test_each_engine_starts_empty_and_drops_its_items_when_closed() -> None:
    one, two = (App("boxes", items=[Box], url="memory://") for _ in range(2))
    one.store(Box).create(Box(id="a"))
    assert (one.store(Box).count(), two.store(Box).count()) == (1, 0)
    one.close()
    assert one.store(Box).count() == 0


def test_nested_values_are_copied_in_and_out() -> None:
    store = App("boxes", items=[Box], url="memory://").store(Box)
    content: dict[str, Any] = {"list": [1]}
    made = store.create(Box(id="a", content=content))
    content["list"].append(2)
    made.content["list"].append(3)
    for found in (store.read("a"), *store.search(), *store.read_batch(["a"])):
        assert found is not None
        assert found.content == {"list": [1]}
        found.content["list"].append(4)
    changed = store.update("a", {"content": content})
    assert changed is not None
    changed.content["list"].append(5)
    assert store.read("a").content == {"list": [1, 2]}
