"""A text or bytes too long for an index: stored, or one fault that names the attribute, by every way to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

import pytest

from persisty import App, Attr, Create, Index, InvalidInput, Unique, Update, stored

STAGES = count()
RANDOM = Random(1)
LONG = "".join(map(chr, RANDOM.choices(range(0x4E00, 0x9FFF), k=3_000)))
"""9,000 bytes that cannot be compressed."""


@stored(indexes=[Index("shelf", "title"), Unique("code")])
class Volume:
    id: Attr[str]
    shelf: Attr[str] = Attr(default="a")
    title: Attr[str] = Attr(default="")
    code: Attr[bytes | None] = Attr(default=None)
    text: Attr[str] = Attr(default="")


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    app = App("shelves", items=[Volume], url=engine_url, stage=f"v{next(STAGES)}", idempotency=None)
    app.prepare()
    app.store(Volume).create(Volume(id="a"))
    yield app
    app.close()


Way = Callable[[Any, str, Any], Any]
WAYS: dict[str, tuple[Way, str]] = {
    "create": (lambda store, name, value: store.create({"id": "b", name: value}), ""),
    "update": (lambda store, name, value: store.update("a", {name: value}), ""),
    "update_all": (lambda store, name, value: store.update_all({name: value}, allow_scan=True), ""),
    "batch": (
        lambda store, name, value: store.edit_batch([Create({"id": "c"}), Create({"id": "b", name: value})]),
        "/edits/1/item",
    ),
    "atomic": (
        lambda store, name, value: store.edit_batch([Create({"id": "c"}), Update("a", {name: value})], atomic=True),
        "/edits/1/changes",
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "value"), [("title", LONG[:1_300]), ("title", LONG), ("code", RANDOM.randbytes(5_000))], ids=["3900", "9000", "bytes"])  # fmt: skip
def test_a_value_too_long_for_an_index_is_stored_or_named(app: App, way: str, name: str, value: Any) -> None:
    store, (write, path) = app.store(Volume), WAYS[way]
    if app.url.startswith(("memory", "sqlite")):
        write(store, name, value)
        assert [one for one in store.search_all() if getattr(one, name) == value]
        return
    with pytest.raises(InvalidInput) as refused:
        write(store, name, value)
    [fault] = refused.value.faults
    assert fault.path == f"{path}/{name}"
    assert fault.message.startswith("Too long for a key or an index: ")
    assert (fault.expected or "").startswith("at most ")
    assert fault.found == f"{len(value.encode() if isinstance(value, str) else value)} bytes"
    assert [one.id for one in store.search_all()] == ["a"]
    assert store.create(Volume(id="d", text=LONG)).text == LONG
