"""Client CPU on DynamoDB: persisty against boto3's low-level client and PynamoDB, all doing the same calls.

Each server answers with pages of one size. Where boto3 has no call, the peer makes the calls that its users write: a hundred
conditional writes are a hundred calls, because BatchWriteItem accepts no conditions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import boto3
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from benchmarks.messages import Message, app
from persisty import Create, Update

from . import echo
from .measure import Row, cpu, one_core, row

Verbs = dict[str, Callable[[], object]]
BATCH, SCAN, BULK = 100, 1_000, 500
WORKS: dict[int, dict[str, tuple[str, int]]] = {
    echo.PAGE: {
        "create": ("create", 300),
        "read": ("read", 300),
        "update": ("update", 300),
        "delete": ("delete", 300),
        "search": (f"search, a page of {echo.PAGE}", 100),
    },
    BATCH: {
        "search": (f"search, a page of {BATCH}", 40),
        "read_batch": (f"read_batch of {BATCH}", 40),
        "edit_batch": (f"edit_batch of {BATCH} creates", 5),
        "updates": (f"edit_batch of {BATCH} updates", 5),
    },
    SCAN: {"scan": (f"full scan of {SCAN:,}", 5)},
    BULK: {"update_all": (f"update_all of {BULK}", 1), "delete_all": (f"delete_all of {BULK}", 1)},
}
"""Items in a response → verb → (name of the row, calls in a round)."""
INDEX = "by-author_id-created_at"


def rows() -> Iterator[Row]:
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    for items, works in WORKS.items():
        with one_core(), echo.running(items) as url:
            subjects = {
                "persisty": _persisty(url, items),
                "boto3": _boto3(url, items),
                "PynamoDB": _pynamodb(url, items),
                "BatchWriteItem, no conditions": _batch_write(url),
            }
            for verb, (name, calls) in works.items():
                found = cpu({peer: verbs[verb] for peer, verbs in subjects.items() if verb in verbs}, calls)
                for peer in list(found)[1:]:
                    yield row(f"DynamoDB {name}, client CPU", peer, found["persisty"], found[peer])


def _ids(count: int) -> list[str]:
    return [echo.item(number)["id"]["S"] for number in range(count)]


def _persisty(url: str, items: int) -> Verbs:
    app.use(f"dynamodb://us-east-1?endpoint={url}")
    store = app.store(Message)
    author = UUID(echo.ID)
    keys = _ids(items)
    return {
        "create": lambda: store.create(Message(text="hello", author_id=author)),
        "read": lambda: store.read(echo.ID),
        "update": lambda: store.update(echo.ID, {"text": "new"}, when=Message.version == 1),
        "delete": lambda: store.delete(echo.ID),
        "search": lambda: store.search(Message.author_id == author, order=Message.created_at.desc(), limit=items),
        "read_batch": lambda: store.read_batch(keys),
        "edit_batch": lambda: store.edit_batch([Create(Message(text="hello", author_id=author)) for _ in keys]),
        "updates": lambda: store.edit_batch([Update(key, {"text": "new"}) for key in keys]),
        "scan": lambda: sum(1 for _ in store.search_all()),
        "update_all": lambda: store.update_all({"text": "new"}),
        "delete_all": store.delete_all,
    }


def _client(url: str) -> Any:
    return boto3.client("dynamodb", endpoint_url=url, region_name="us-east-1")


def _item() -> dict[str, Any]:
    """Return a new message in boto3's form."""
    now = datetime.now(UTC).isoformat()
    values = {"id": str(uuid4()), "text": "hello", "author_id": echo.ID, "created_at": now, "updated_at": now}
    return {name: {"S": value} for name, value in values.items()} | {"version": {"N": "1"}}


def _boto3(url: str, items: int) -> Verbs:
    client = _client(url)
    keys = [{"id": {"S": one}} for one in _ids(items)]

    def create() -> object:
        names = {"#k": "id"}
        condition = "attribute_not_exists(#k)"
        return client.put_item(
            TableName=echo.TABLE, Item=_item(), ConditionExpression=condition, ExpressionAttributeNames=names
        )

    def change(key: dict[str, Any], condition: str, **values: Any) -> object:
        return client.update_item(
            TableName=echo.TABLE,
            Key=key,
            UpdateExpression="SET #t = :t, #u = :u, #v = #v + :n",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#k": "id", "#t": "text", "#u": "updated_at", "#v": "version"},
            ExpressionAttributeValues={
                ":t": {"S": "new"},
                ":u": {"S": datetime.now(UTC).isoformat()},
                ":n": {"N": "1"},
                **values,
            },
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def delete(key: dict[str, Any]) -> object:
        return client.delete_item(
            TableName=echo.TABLE,
            Key=key,
            ConditionExpression="attribute_exists(#k)",
            ExpressionAttributeNames={"#k": "id"},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def search() -> object:
        return client.query(
            TableName=echo.TABLE,
            IndexName=INDEX,
            KeyConditionExpression="#a = :a",
            ExpressionAttributeNames={"#a": "author_id"},
            ExpressionAttributeValues={":a": {"S": echo.ID}},
            ScanIndexForward=False,
            Limit=items + 2,
        )

    def scan(**projection: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.scan(TableName=echo.TABLE, ConsistentRead=True, **projection)["Items"]
        return found

    def keys_of_all() -> list[dict[str, Any]]:
        return [{"id": one["id"]} for one in scan(ProjectionExpression="id")]

    existing = {"id": {"S": echo.ID}}
    return {
        "create": create,
        "read": lambda: client.get_item(TableName=echo.TABLE, Key=existing, ConsistentRead=True),
        "update": lambda: change(existing, "attribute_exists(#k) AND (#v = :v)", **{":v": {"N": "1"}}),
        "delete": lambda: delete(existing),
        "search": search,
        "read_batch": lambda: client.batch_get_item(RequestItems={echo.TABLE: {"Keys": keys, "ConsistentRead": True}}),
        "edit_batch": lambda: [create() for _ in keys],
        "updates": lambda: [change(key, "attribute_exists(#k)") for key in keys],
        "scan": scan,
        "update_all": lambda: [change(key, "attribute_exists(#k)") for key in keys_of_all()],
        "delete_all": lambda: [delete(key) for key in keys_of_all()],
    }


def _batch_write(url: str) -> Verbs:
    """Return the calls of BatchWriteItem. It overwrites existing items, so the work is not the same, but nothing is closer."""
    client = _client(url)

    def create() -> None:
        puts = [{"PutRequest": {"Item": _item()}} for _ in range(BATCH)]
        for start in range(0, BATCH, echo.STATEMENTS):
            client.batch_write_item(RequestItems={echo.TABLE: puts[start : start + echo.STATEMENTS]})

    return {"edit_batch": create, "updates": create}


def _pynamodb(url: str, items: int) -> Verbs:
    class ByAuthor(GlobalSecondaryIndex):  # type: ignore[misc]
        class Meta:
            index_name = INDEX
            projection = AllProjection()

        author_id = UnicodeAttribute(hash_key=True)
        created_at = UTCDateTimeAttribute(range_key=True)

    class Note(Model):  # type: ignore[misc]
        class Meta:
            table_name = echo.TABLE
            host = url
            region = "us-east-1"

        id = UnicodeAttribute(hash_key=True)
        text = UnicodeAttribute()
        author_id = UnicodeAttribute()
        version = NumberAttribute(default=1)
        created_at = UnicodeAttribute()
        updated_at = UnicodeAttribute()
        by_author = ByAuthor()

    keys = _ids(items)

    def create() -> object:
        now = datetime.now(UTC).isoformat()
        note = Note(str(uuid4()), text="hello", author_id=echo.ID, created_at=now, updated_at=now)
        return note.save(Note.id.does_not_exist())

    def update() -> object:
        note = Note(echo.ID)
        actions = [Note.text.set("new"), Note.updated_at.set(datetime.now(UTC).isoformat()), Note.version.add(1)]
        return note.update(actions=actions, condition=Note.version == 1)

    return {
        "create": create,
        "read": lambda: Note.get(echo.ID, consistent_read=True),
        "update": update,
        "delete": lambda: Note(echo.ID).delete(Note.id.exists()),
        "search": lambda: list(Note.by_author.query(echo.ID, scan_index_forward=False, limit=items)),
        "read_batch": lambda: list(Note.batch_get(keys, consistent_read=True)),
        "scan": lambda: list(Note.scan(consistent_read=True)),
    }
