"""A program that uses the Python client of the shop. It is type checked, and run against a server. Lines that a checker must reject are marked.

Run `python use_shop.py URL STAFF ANN` with a token of a member of staff and one of another user.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import assert_type
from uuid import UUID, uuid4

import httpx
from shop_client import (
    UNSET,
    ApiError,
    Article,
    ArticlePartial,
    AsyncShopClient,
    EditResult,
    ErrorCode,
    Maker,
    NetworkError,
    Note,
    Origin,
    Page,
    Shelf,
    ShopClient,
    Slot,
    Tagged,
    Total,
)


def refused(code: ErrorCode, error: ApiError | None) -> ApiError:
    if error is None or error.code != code:
        raise AssertionError(f"{code}, not {error!r}")
    return error


def one_item(staff: ShopClient) -> UUID:
    made = staff.article.create(
        {
            "code": "a&b=c d",
            "price": Decimal("12.50"),
            "tags": ["x"],
            "origin": Origin(country="NL"),
            "since": date(2026, 1, 31),
            "picture": b"\x00\xff",
            "size": "large",
        }
    )
    assert_type(made, ArticlePartial)
    assert isinstance(made.id, UUID)
    read = staff.article.read(made.id)
    assert_type(read, Article | None)
    assert read is not None
    assert (read.price, read.since, read.picture) == (Decimal("12.5"), date(2026, 1, 31), b"\x00\xff")
    assert read.origin == Origin(country="NL", altitude=None)
    assert isinstance(read.created_at, datetime)
    assert read.created_at.tzinfo is UTC
    assert read.maker is UNSET
    changed = staff.article.update(read.id, {"stock": {"add": 2}, "tags": {"append": ["y", "z"]}, "weight": 1.5})
    assert changed is not None
    assert (changed.stock, changed.tags, changed.weight, changed.version) == (2, ["x", "y", "z"], 1.5, 2)
    emptied = staff.article.update(read.id, {"weight": None}, when={"version": {"eq": 2}, "weight": {"gt": 1.0}})
    assert emptied is not None
    assert (emptied.weight, emptied.stock) == (None, 2)
    return read.id


def conditions(staff: ShopClient, key: UUID) -> None:
    refusal: ApiError | None = None
    try:
        staff.article.update(key, {"stock": 9}, when={"version": {"eq": 1}})
    except ApiError as error:
        refusal = error
    refusal = refused("precondition_failed", refusal)
    assert refusal.status == 412
    assert refusal.document["item"]["version"] == 3
    tagged = staff.article.read_tagged(key)
    assert_type(tagged, Tagged[Article] | None)
    assert tagged is not None
    assert staff.article.update(key, {"stock": 3}, if_match=tagged.etag) is not None
    try:
        staff.article.delete(key, if_match=tagged.etag)
    except ApiError as error:
        refusal = error
    assert refused("precondition_failed", refusal).status == 412
    note = staff.note.create({"text": "mine"})
    assert isinstance(note.id, UUID)
    try:
        staff.note.update(note.id, {"text": "still mine"})  # type: ignore[call-overload]  # on no condition
    except ApiError as error:
        refusal = error
    assert refused("precondition_required", refusal).status == 428
    assert staff.note.update(note.id, {"text": "mine"}, if_match="*") is not None
    assert staff.note.delete(note.id, when={"text": {"eq": "mine"}})


def searching(staff: ShopClient) -> None:
    maker = staff.maker.create({"name": "Mel, & co"})
    made = staff.article.edit_batch(
        [{"create": {"code": f"b{number}", "price": Decimal(number), "maker_id": maker.id}} for number in range(7)]
    )
    assert_type(made, list[EditResult[ArticlePartial]])
    assert [one.code for one in made] == ["ok"] * 7
    page = staff.article.search({"maker": {"name": {"startswith": "Mel,"}}}, order="-price", limit=3)
    assert_type(page, Page[Article])
    assert [one.code for one in page.items] == ["b6", "b5", "b4"]
    following = staff.article.search(
        {"maker": {"name": {"startswith": "Mel,"}}}, order="-price", limit=3, cursor=page.cursor
    )
    assert [one.code for one in following.items] == ["b3", "b2", "b1"]
    every = staff.article.search_all(
        {"price": {"lt": Decimal(7)}, "code": {"ne": "b3"}}, order=["price", "-id"], limit=2
    )
    assert [one.code for one in every] == ["b0", "b1", "b2", "b4", "b5", "b6"]
    exported = staff.article.export({"code": {"oneof": ["b1", "b2"]}}, order="code", fields=["code", "maker.name"])
    shown = [(one.code, one.maker.name if one.maker else None, one.price) for one in exported]
    assert shown == [("b1", "Mel, & co", UNSET), ("b2", "Mel, & co", UNSET)]
    assert staff.article.count({"code": {"oneof": []}}) == 0
    assert staff.article.count({"origin": {"country": {"eq": "NL"}, "altitude": {"null": True}}}) == 1
    assert staff.article.count({"hidden": {"eq": False}, "size": {"eq": "small"}}, query="b1") == 1
    assert isinstance(maker.id, UUID)
    found = staff.maker.read(maker.id, include=["articles", "articles.maker", "article_count"])
    assert found is not None
    assert isinstance(found.articles, Page)
    assert found.article_count == len(found.articles.items) == 7
    assert found.articles.items[0].maker
    assert found.articles.items[0].maker.name == "Mel, & co"
    missing = uuid4()
    batch = staff.article.read_batch([found.articles.items[0].id, missing], fields=["code"])
    assert_type(batch, list[ArticlePartial | None])
    assert batch[0] is not None
    assert batch[1] is None
    assert batch[0].code is not UNSET
    results = staff.article.edit_batch(
        [
            {"update": {"key": missing, "changes": {"stock": 1}}},
            {"delete": {"key": found.articles.items[0].id, "when": {"or": [{"price": {"lt": Decimal(9)}}]}}},
        ]
    )
    assert [(one.code, one.ok) for one in results] == [("not_found", False), ("ok", True)]
    several = staff.edit_batch(
        [
            {"maker": {"create": {"name": "Both"}}},
            {"slot": {"create": {"shelf": "both", "place": 1}}},
            {"maker": {"update": {"key": missing, "changes": {"name": "X"}}}},
        ]
    )
    assert_type(several, list[EditResult[ArticlePartial | Maker | Slot | Note | Shelf]])
    assert [one.code for one in several] == ["ok", "ok", "not_found"]
    assert isinstance(several[0].item, Maker)
    assert isinstance(several[1].item, Slot)
    failed: ApiError | None = None
    try:
        staff.edit_batch(
            [{"slot": {"delete": {"key": ("both", 1)}}}, {"slot": {"delete": {"key": ("both", 9)}}}], atomic=True
        )
    except ApiError as error:
        failed = error
    assert [one["code"] for one in refused("not_found", failed).document["results"]] == ["aborted", "not_found"]
    assert staff.slot.delete(("both", 1))


def keys_and_what_is_not_there(staff: ShopClient) -> None:
    made = staff.slot.create({"shelf": "a/b~c%", "place": 7})
    assert (made.shelf, made.place) == ("a/b~c%", 7)
    slot = staff.slot.read(("a/b~c%", 7))
    assert slot is not None
    assert slot.place == 7
    assert staff.slot.update(("nowhere", 1), {"article_id": None}) is None
    assert staff.slot.delete(("a/b~c%", 7)) is True
    assert staff.slot.delete(("a/b~c%", 7)) is False
    assert staff.slot.read("nowhere~1") is None


def actions(staff: ShopClient) -> None:
    total = staff.actions.total(at_least=1)
    assert_type(total, Total)
    assert (total.articles, total.value) == (1, Decimal("12.5"))
    assert staff.actions.greet(name="Ann", times=2) == "Hello, Ann, Ann"


def refusals(url: str, ann: str) -> None:
    refusal: ApiError | None = None
    with ShopClient(url, token=lambda: ann) as client:
        try:
            client.article.create({"code": "far too long a code", "price": Decimal(1), "stock": -1})
        except ApiError as error:
            refusal = error
        refusal = refused("invalid_input", refusal)
        assert refusal.status == 422
        assert {(one.path, one.expected) for one in refusal.faults} == {
            ("/code", "str of length <= 12"),
            ("/stock", "int >= 0"),
        }
        try:
            client.maker.create({"name": "not for Ann"})
        except ApiError as error:
            refusal = error
        assert refused("forbidden", refusal).status == 403
        assert client.article.search(limit=1).items[0].cost is UNSET
    with ShopClient(url, token="nobody's") as client:
        try:
            client.article.search()
        except ApiError as error:
            refusal = error
        assert refused("unauthenticated", refusal).status == 401
    with ShopClient(url + "/elsewhere") as client:
        try:
            client.maker.search()
        except ApiError as error:
            refusal = error
        assert refused("not_found", refusal).status == 404
    with ShopClient("http://127.0.0.1:9", retries=0) as client:
        try:
            client.maker.search()
            raise AssertionError
        except NetworkError:
            pass


class Cut(httpx.HTTPTransport):
    """Answers are lost on their way, the first time."""

    lost = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if not self.lost:
            self.lost = True
            answer.read()
            raise httpx.ReadError("cut")
        return answer


def an_answer_is_lost(url: str, staff: str) -> None:
    with ShopClient(url, token=staff, transport=Cut()) as client:
        made = client.article.create({"code": "once", "price": Decimal(1)})
        assert [one.id for one in client.article.search_all({"code": {"eq": "once"}})] == [made.id]


async def asynchronously(url: str, staff: str) -> None:
    async with AsyncShopClient(url, token=staff) as client:
        made = await client.article.create({"code": "async", "price": Decimal(1)})
        assert isinstance(made.id, UUID)
        searched = [one.code async for one in client.article.search_all({"code": {"eq": "async"}}, limit=1)]
        exported = [one.code async for one in client.article.export({"code": {"eq": "async"}})]
        assert searched == exported == ["async"]
        read = await client.article.read(made.id, fields=["code"])
        assert_type(read, ArticlePartial | None)
        assert read is not None
        assert (read.code, read.price) == ("async", UNSET)
        assert await client.actions.greet(name="you") == "Hello, you"
        assert await client.article.delete(made.id)
        assert await client.article.read_batch([made.id]) == [None]


def wrong(client: ShopClient, async_client: AsyncShopClient) -> None:
    """Never called."""
    client.article.create({"code": "a"})  # type: ignore[typeddict-item]  # no price
    client.article.create({"code": "a", "price": 1.5})  # type: ignore[typeddict-item]
    client.article.create({"code": "a", "price": Decimal(1), "colour": "red"})  # type: ignore[typeddict-unknown-key]
    client.article.create({"code": "a", "price": Decimal(1), "hidden": True})  # type: ignore[typeddict-unknown-key]
    client.article.create({"code": "a", "price": Decimal(1), "size": "medium"})  # type: ignore[typeddict-item]
    client.article.update("key", {"version": 1})  # type: ignore[typeddict-unknown-key]
    client.article.update("key", {"code": None})  # type: ignore[typeddict-item]
    client.article.update("key", {"weight": {"add": 1}})  # type: ignore[typeddict-item]
    client.article.search({"price": {"contains": Decimal(1)}})  # type: ignore[call-overload]
    client.article.search({"hidden": {"gt": True}})  # type: ignore[call-overload]
    client.article.search({"maker": {"nam": {"eq": "x"}}})  # type: ignore[call-overload]
    client.article.search(order="tags")  # type: ignore[arg-type]
    client.article.search(fields=["codes"])  # type: ignore[list-item]
    client.article.read("key", include=["makers"])  # type: ignore[list-item]
    client.slot.read(("a", "b"))  # type: ignore[arg-type]
    client.article.edit_batch([{"remove": {"key": "k"}}])  # type: ignore[list-item]
    client.edit_batch([{"articles": {"delete": {"key": "k"}}}])  # type: ignore[list-item]
    client.edit_batch([{"article": {"remove": {"key": "k"}}}])  # type: ignore[typeddict-item]
    client.note.edit_batch([{"delete": {"key": "k"}}])  # type: ignore[typeddict-item]
    client.actions.greet()  # type: ignore[call-arg]
    client.actions.greet(name=1)  # type: ignore[arg-type]
    item = client.article.read("key")
    _ = item.code  # type: ignore[union-attr]
    assert item is not None
    _ = item.colour  # type: ignore[attr-defined]
    _ = item.maker.name  # type: ignore[union-attr]
    try:
        client.article.count()
    except ApiError as error:
        if error.code == "precondition_faild":  # type: ignore[comparison-overlap]
            raise
    _ = async_client.article.read("key").code  # type: ignore[attr-defined]


if __name__ == "__main__":
    url, staff_token, ann_token = sys.argv[1:]
    with ShopClient(url, token=staff_token) as staff_client:
        key = one_item(staff_client)
        conditions(staff_client, key)
        actions(staff_client)
        searching(staff_client)
        keys_and_what_is_not_there(staff_client)
        refusals(url, ann_token)
        assert staff_client.article.delete(key, when={"stock": {"ge": 3}})
    an_answer_is_lost(url, staff_token)
    asyncio.run(asynchronously(url, staff_token))
    print("done")
