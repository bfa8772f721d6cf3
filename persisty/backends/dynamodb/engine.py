"""DynamoDB engines by URL: `dynamodb://eu-west-1`, `dynamodb://?endpoint=http://localhost:8000&transport=boto3`.

Region and endpoint default to AWS's own variables; `transport` is `direct` (default) or `boto3`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from time import sleep
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from ... import settings
from ...errors import BackendUnavailable, Fault, InvalidDeclaration
from ...model.meta import StoreMeta
from ...naming import table_name
from .backend import DynamoDbBackend
from .codec import WireCodec
from .credentials import provider
from .direct import DirectTransport
from .transport import AwsError, Transport, as_error

T = TypeVar("T")
OPTIONS = ("endpoint", "transport")
TRANSPORTS = ("direct", "boto3")
CREATE_WAIT, CREATE_ATTEMPTS = 0.25, 240
"""Seconds between looks at a table that is being created, and how often to look."""


class DynamoDbEngine:
    embedded = False

    def __init__(self, transport: Transport, app: str, stage: str) -> None:
        self.transport = transport
        self._app, self._stage = app, stage

    def open(self, meta: StoreMeta[T]) -> DynamoDbBackend[T]:
        return DynamoDbBackend(meta, self._table(meta), self.transport)

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        created = [meta for meta in metas if self._create(meta)]
        for meta in created:
            self._wait(self._table(meta))

    def close(self) -> None:
        self.transport.close()

    def _table(self, meta: StoreMeta[Any]) -> str:
        return table_name(self._app, self._stage, meta.name)

    def _create(self, meta: StoreMeta[Any]) -> bool:
        codec = WireCodec(meta)
        used = {*codec.schema, *(name for index in meta.indexes for name in index.attributes)}
        payload: dict[str, Any] = {
            "TableName": self._table(meta),
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": codec.tag(name)} for name in sorted(used)
            ],
            "KeySchema": key_schema(codec.schema),
        }
        if meta.indexes:
            payload["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index.name,
                    "KeySchema": key_schema(index.attributes),
                    "Projection": {"ProjectionType": "ALL"},
                }
                for index in meta.indexes
            ]
        try:
            self.transport.call("CreateTable", payload)
        except AwsError as error:
            if error.kind == "ResourceInUseException":
                return False
            raise as_error(error) from error
        return True

    def _wait(self, table: str) -> None:
        for _ in range(CREATE_ATTEMPTS):
            try:
                answer = self.transport.call("DescribeTable", {"TableName": table})
            except AwsError as error:
                raise as_error(error) from error
            if answer["Table"]["TableStatus"] == "ACTIVE":
                return
            sleep(CREATE_WAIT)
        raise BackendUnavailable(f"The table {table} did not become active")


def key_schema(names: Sequence[str]) -> list[dict[str, str]]:
    """A table's or index's key: the first attribute is the partition key, the others sort."""
    return [{"AttributeName": name, "KeyType": "RANGE" if position else "HASH"} for position, name in enumerate(names)]


def connect(url: str, *, app: str, stage: str) -> DynamoDbEngine:
    """The engine of a `dynamodb:` URL. `InvalidDeclaration` for an unknown option or without a region."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    environment = settings.aws()
    region = parts.netloc or environment.region
    transport = options.get("transport", "direct")
    faults = [
        Fault(f"/url/{name}", "Unknown option", "one of " + ", ".join(OPTIONS)) for name in options.keys() - {*OPTIONS}
    ]
    if not region:
        faults.append(Fault("/url", "No region, neither here nor in AWS_REGION", "dynamodb://eu-west-1"))
    if transport not in TRANSPORTS:
        faults.append(Fault("/url/transport", "Unknown transport", "one of " + ", ".join(TRANSPORTS), transport))
    if faults or not region:
        raise InvalidDeclaration("No engine for this URL", faults=faults)
    endpoint = options.get("endpoint") or environment.endpoint
    if transport == "boto3":
        client: Transport = import_module("persisty.backends.dynamodb.boto3_client").Boto3Transport(endpoint, region)
        return DynamoDbEngine(client, app, stage)
    direct = DirectTransport(endpoint or f"https://dynamodb.{region}.amazonaws.com", region, provider(environment))
    return DynamoDbEngine(direct, app, stage)
