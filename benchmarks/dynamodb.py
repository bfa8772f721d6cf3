"""Client CPU of a verb on DynamoDB: persisty against boto3's low-level client and PynamoDB, all doing the same call."""

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

from examples.messenger.app import Message, app

from . import echo
from .measure import Row, cpu, row

TARGET = 0.15
CALLS = {"create": 300, "read": 300, "update": 300, "search": 100}
TABLE, INDEX = "messenger-dev-message", "by-author_id-created_at"


def rows() -> Iterator[Row]:
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    with echo.running() as url:
        subjects = {"persisty": _persisty(url), "boto3": _boto3(url), "PynamoDB": _pynamodb(url)}
        for verb, calls in CALLS.items():
            found = cpu({name: verbs[verb] for name, verbs in subjects.items()}, calls)
            for peer in ("boto3", "PynamoDB"):
                yield row(f"DynamoDB {verb}, client CPU", peer, found["persisty"], found[peer], most=TARGET)


def _persisty(url: str) -> dict[str, Callable[[], object]]:
    app.use(f"dynamodb://us-east-1?endpoint={url}")
    store = app.store(Message)
    author = UUID(echo.ID)
    return {
        "create": lambda: store.create(Message(text="hello", author_id=author)),
        "read": lambda: store.read(echo.ID),
        "update": lambda: store.update(echo.ID, {"text": "new"}, when=Message.version == 1),
        "search": lambda: store.search(Message.author_id == author, order=Message.created_at.desc(), limit=echo.PAGE),
    }


def _boto3(url: str) -> dict[str, Callable[[], object]]:
    client: Any = boto3.client("dynamodb", endpoint_url=url, region_name="us-east-1")

    def create() -> object:
        now = datetime.now(UTC).isoformat()
        values = {"id": str(uuid4()), "text": "hello", "author_id": echo.ID, "created_at": now, "updated_at": now}
        item: dict[str, Any] = {name: {"S": value} for name, value in values.items()}
        item["version"] = {"N": "1"}
        names = {"#k": "id"}
        condition = "attribute_not_exists(#k)"
        return client.put_item(
            TableName=TABLE, Item=item, ConditionExpression=condition, ExpressionAttributeNames=names
        )

    def update() -> object:
        return client.update_item(
            TableName=TABLE,
            Key={"id": {"S": echo.ID}},
            UpdateExpression="SET #t = :t, #u = :u, #v = #v + :n",
            ConditionExpression="attribute_exists(#k) AND (#v = :v)",
            ExpressionAttributeNames={"#k": "id", "#t": "text", "#u": "updated_at", "#v": "version"},
            ExpressionAttributeValues={
                ":t": {"S": "new"},
                ":u": {"S": datetime.now(UTC).isoformat()},
                ":v": {"N": "1"},
                ":n": {"N": "1"},
            },
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def search() -> object:
        return client.query(
            TableName=TABLE,
            IndexName=INDEX,
            KeyConditionExpression="#a = :a",
            ExpressionAttributeNames={"#a": "author_id"},
            ExpressionAttributeValues={":a": {"S": echo.ID}},
            ScanIndexForward=False,
            Limit=echo.PAGE + 2,
        )

    def read() -> object:
        return client.get_item(TableName=TABLE, Key={"id": {"S": echo.ID}}, ConsistentRead=True)

    return {"create": create, "read": read, "update": update, "search": search}


def _pynamodb(url: str) -> dict[str, Callable[[], object]]:
    class ByAuthor(GlobalSecondaryIndex):  # type: ignore[misc]
        class Meta:
            index_name = INDEX
            projection = AllProjection()

        author_id = UnicodeAttribute(hash_key=True)
        created_at = UTCDateTimeAttribute(range_key=True)

    class Note(Model):  # type: ignore[misc]
        class Meta:
            table_name = TABLE
            host = url
            region = "us-east-1"

        id = UnicodeAttribute(hash_key=True)
        text = UnicodeAttribute()
        author_id = UnicodeAttribute()
        version = NumberAttribute(default=1)
        created_at = UnicodeAttribute()
        updated_at = UnicodeAttribute()
        by_author = ByAuthor()

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
        "search": lambda: list(Note.by_author.query(echo.ID, scan_index_forward=False, limit=echo.PAGE)),
    }
