"""Sizes of items, and links whose items are too large together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from msgspec import Meta

from persisty import App, Attr, BelongsTo, HasMany, Index, link, stored
from persisty.backends.memory import engine as memory
from persisty.backends.sql import reads
from persisty.errors import AnswerTooLarge
from persisty.model.meta import meta_of
from persisty.store import link_loading
from persisty.store.page_bytes import Total, enough_for_page, fitting, item_size


@stored
class Shelf:
    id: Attr[str]
    code: Attr[Annotated[str, Meta(max_length=40)]] = Attr(default="")
    blob: Attr[bytes | None] = Attr(default=None)
    words: Attr[list[str]] = Attr(factory=list)
    volumes: HasMany[Volume] = link()


@stored(indexes=[Index("shelf_id")])
class Volume:
    id: Attr[str]
    shelf_id: Attr[str | None] = Attr(default=None)
    text: Attr[str] = Attr(default="")
    shelf: BelongsTo[Shelf] = link()


def test_the_size_of_an_item_counts_text_bytes_and_json_but_no_short_text() -> None:
    size = item_size(meta_of(Shelf))
    assert size(Shelf(id="a", code="x" * 40)) == len("a") + len("[]")
    assert size(Shelf(id="ab", blob=b"123", words=["x", "y"])) == 2 + 3 + len('["x","y"]')


def test_a_page_has_25_items_and_ends_at_the_one_that_exceeds_the_bytes() -> None:
    assert fitting(range(1, 100), lambda one: 10, 1) == 25
    assert fitting(range(1, 100), lambda one: 10, 300) == 31
    assert fitting(range(1, 100), lambda one: 10, None) == 99
    assert list(enough_for_page(range(100), lambda one: 10, 300)) == list(range(32))


def test_a_total_measures_items_only_if_their_upper_bounds_exceed_it_together() -> None:
    total, measured = Total(100), list[int]()

    def of(size: int) -> Callable[[], int]:
        return lambda: measured.append(size) or size

    total.add_at_most(60, of(10))
    assert measured == []
    total.add_at_most(60, of(20))
    assert (measured, total.bytes) == ([10, 20], 30)
    total.add_at_most(70, of(50))
    assert measured == [10, 20]
    with pytest.raises(AnswerTooLarge):
        total.add_at_most(70, of(50))
    assert measured == [10, 20, 50, 50]


@pytest.fixture(params=["memory://", "sqlite://"])
def library(request: Any) -> App:
    app = App("library", items=[Shelf, Volume], url=request.param)
    app.prepare()
    for number in range(130):
        app.store(Shelf).create(Shelf(id=f"s{number}", blob=b"x" * 1_000))
        app.store(Volume).create(Volume(id=f"v{number}", shelf_id=f"s{number}", text="x" * 1_000))
    return app


@pytest.mark.parametrize(("item", "name"), [(Shelf, "volumes"), (Volume, "shelf")])
def test_linked_items_that_are_too_large_together_raise_an_error_that_names_the_link(
    library: App, item: type[Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = library.store(item)
    page = store.search(limit=130)
    assert len(store.links(page, name).items) == 130
    monkeypatch.setattr(link_loading, "MAX_LINKED_BYTES", 100_000)
    with pytest.raises(AnswerTooLarge) as raised:
        store.links(page, name)
    assert raised.value.details == {"limit": 100_000}
    assert [fault.path for fault in raised.value.faults] == [f"/{name}"]
    assert len(store.links(store.search(limit=50), name).items) == 50
    monkeypatch.setattr(link_loading, "MAX_LINKED_BYTES", 40_000)
    with pytest.raises(AnswerTooLarge):
        store.links(store.search(limit=50), name)


def test_the_items_of_more_than_25_keys_have_a_bound_together(library: App, monkeypatch: pytest.MonkeyPatch) -> None:
    shelves = library.store(Shelf)
    keys = [f"s{number}" for number in range(98)]
    assert len(shelves.read_batch([*keys, "none", "s0"])) == 100
    for module in (memory, reads):
        monkeypatch.setattr(module, "MAX_BATCH_BYTES", 50_000)
    with pytest.raises(AnswerTooLarge) as raised:
        shelves.read_batch(keys)
    assert raised.value.details == {"limit": 50_000}
    assert len(shelves.read_batch(keys[:40])) == 40
    monkeypatch.setattr(memory, "MAX_BATCH_BYTES", 1)
    assert len(shelves.read_batch(keys[:25])) == 25
