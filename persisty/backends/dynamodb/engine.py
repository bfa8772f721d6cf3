"""DynamoDB engines by URL: `dynamodb://eu-west-1`, `dynamodb://?endpoint=http://localhost:8000&transport=boto3`.

Region and endpoint default to AWS's own variables; `transport` is `direct` (default) or `boto3`. `max_scan`: items that a table may have to
be scanned without `allow_scan`. `index_attributes`: attributes that the engine allows in an index, 8 on AWS, 2 on DynamoDB Local; longer
indexes use their first ones. `partiql`: 1 writes batches as PartiQL statements, the default of `direct`; 0 writes the items in parallel, the
default of `boto3`, because moto does not support such statements. `streams`: 1 copies a table with the help of its stream; 0 compares the tables
only, the default with `partiql=0`, because a table of moto accepts no write after its stream was turned off.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import count
from time import sleep
from typing import Any, TypeVar

from ... import settings
from ...aws.retries import AwsError
from ...deferred import deferred
from ...errors import BackendUnavailable, Fault, InvalidDeclaration, InvalidInput, SchemaMismatch, Unsupported
from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.stored_names import stored_index, stored_names_of
from ...naming import system_table_name, table_name
from ...store.backend import AbsentNulls, Backend, Write, WriteResult
from ...store.engine_urls import is_origin, read_url
from ...store.migration import Migrator, Report
from ...store.write_results import relocated
from .backend import USUAL, DynamoDbBackend, Options
from .codec import WireCodec
from .index_completion import complete, complete_late
from .system_table import definition
from .table_checks import key_faults, names_to_find, scan_of_names, table_faults, values_found
from .table_definitions import definitions, expire, gsi, index_names, key_schema
from .transport import CONDITION_FAILED, Transport, as_error
from .transport_opening import STREAMS, TABLES, open_transport

T = TypeVar("T")
log = logging.getLogger("persisty")
DENIED = frozenset({"AccessDeniedException", "AccessDenied"})
NUMBERS = {"max_scan": range(2**53), "index_attributes": range(1, 9), "partiql": range(2), "streams": range(2)}
"""Options that are numbers, with their allowed values: the fields of `Options`."""
REGION = re.compile("[a-z0-9-]+")
OPTIONS = ("endpoint", "transport", *NUMBERS)
TRANSPORTS = ("direct", "boto3")
CREATE_WAIT, CREATE_ATTEMPTS = 0.25, 240
"""Seconds between checks of a table that is being created, and the number of checks."""
LONG_WAIT = 10.0
"""Seconds between checks of an index that takes longer."""


class DynamoDbEngine:
    embedded, deployed = False, True

    def __init__(
        self,
        transport: Transport,
        app: str,
        stage: str,
        options: Options = USUAL,
        streams: Callable[[], Transport] | None = None,
    ) -> None:
        self.transport, self.options = transport, options
        self._open_streams = streams or (lambda: transport)
        self._streams: Transport | None = None
        self._app, self._stage = app, stage
        self._system = system_table_name(app, stage)
        self._completed: set[tuple[str, str]] = set()
        self._incomplete: Callable[[StoreMeta[Any]], Collection[Index]] = lambda meta: ()
        self._nulls: Callable[[], AbsentNulls | None] = lambda: None

    def open(self, meta: StoreMeta[T]) -> DynamoDbBackend[T]:
        def incomplete() -> Collection[str]:
            return [stored_index(meta, index) for index in self._incomplete(meta)]

        return DynamoDbBackend(meta, self._table, self._system, self.transport, self.options, incomplete)

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        for meta in metas:
            self._create(meta)
        if any(meta.uniques or meta.sequences for meta in metas):
            self._create_table(definition(self._system))
            self._wait(self._system)
        tables = [(meta, self._wait(self._table(meta))) for meta in metas]
        if faults := [fault for meta, table in tables for fault in key_faults(meta.name, self._payload(meta), table)]:
            raise SchemaMismatch("The tables do not fit the declarations", faults=faults)
        for meta, table in tables:
            self._add_indexes(meta, table)
            if meta.expires is not None:
                expire(self._call, self._table(meta), stored_names_of(meta)[meta.expires])

    def table(self, name: str) -> None:
        """Return None: a DynamoDB table has no columns."""

    def is_empty(self, name: str) -> bool:
        payload = {"TableName": table_name(self._app, self._stage, name), "Limit": 1}
        try:
            return not self.transport.call("Scan", payload)["Items"]
        except AwsError as error:
            if error.kind == "ResourceNotFoundException":
                return True
            raise as_error(error) from error

    def verify(self, metas: Sequence[StoreMeta[Any]]) -> None:
        payloads = [(meta.name, self._payload(meta)) for meta in metas]
        if any(meta.uniques or meta.sequences for meta in metas):
            payloads.append(("system", definition(self._system)))
        try:
            found = [self._described(payload["TableName"]) for _, payload in payloads]
        except AwsError as error:
            if error.kind not in DENIED:
                raise as_error(error) from error
            log.warning("tables are not verified: DescribeTable is not allowed (%s)", error.kind)
            return
        checked = zip(payloads, found, strict=True)
        if faults := [fault for (name, payload), table in checked for fault in table_faults(name, payload, table)]:
            raise SchemaMismatch("The tables do not fit the declarations", faults=faults)

    def named_anew(self, meta: StoreMeta[Any]) -> Sequence[str]:
        names = names_to_find(meta)
        if not names:
            return ()
        try:
            found = self.transport.call("Scan", scan_of_names(self._table(meta), names))["Items"]
        except AwsError as error:
            if error.kind not in DENIED:
                raise as_error(error) from error
            log.warning("renamed attributes are not checked: Scan is not allowed (%s)", error.kind)
            return ()
        return values_found(meta, names, found)

    def _described(self, name: str) -> Mapping[str, Any] | None:
        """Return the description of a table, None if it does not exist."""
        try:
            table: Mapping[str, Any] = self.transport.call("DescribeTable", {"TableName": name})["Table"]
        except AwsError as error:
            if error.kind == "ResourceNotFoundException":
                return None
            raise
        return table

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        """One TransactWriteItems. A unique value counts as a write more."""
        own_writes: list[tuple[DynamoDbBackend[Any], Write]] = writes  # type: ignore[assignment]  # this engine's own
        faults: list[Fault] = []
        for position, (backend, write) in enumerate(own_writes):
            try:
                backend.writes.limits.check((write,), atomic=False)
            except InvalidInput as error:
                faults += relocated(error, (position,)).faults
        if faults:
            raise InvalidInput(faults=faults)
        [(first, _), *_] = own_writes
        return first.writes.transactions.run([(backend.writes.part, write) for backend, write in own_writes])

    def transaction(self) -> AbstractContextManager[None]:
        """A transaction of DynamoDB is one request: several calls cannot be one."""
        raise Unsupported("DynamoDB has no transactions over several calls: use an atomic batch")

    def check_writes(self) -> None:
        """Do nothing: no fault is known before a write."""

    def close(self) -> None:
        self.transport.close()
        if self._streams is not None:
            self._streams.close()

    def _table(self, meta: StoreMeta[Any]) -> str:
        return table_name(self._app, self._stage, meta.table)

    def _create(self, meta: StoreMeta[Any]) -> None:
        self._create_table(self._payload(meta))

    def _payload(self, meta: StoreMeta[Any]) -> dict[str, Any]:
        codec = WireCodec(meta)
        payload: dict[str, Any] = {
            "TableName": self._table(meta),
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": definitions(meta, codec, self.options),
            "KeySchema": key_schema(codec.stored_key),
        }
        if meta.indexes:
            payload["GlobalSecondaryIndexes"] = [gsi(meta, index, self.options) for index in meta.indexes]
        return payload

    def _create_table(self, payload: dict[str, Any]) -> None:
        try:
            self.transport.call("CreateTable", payload)
        except AwsError as error:
            if error.kind != "ResourceInUseException":  # else it exists, or another process is creating it
                raise as_error(error) from error

    def _add_indexes(self, meta: StoreMeta[Any], table: Mapping[str, Any]) -> None:
        """Create the indexes that an existing table lacks, one at a time, as DynamoDB requires. Its items are completed first."""
        existing = index_names(table)
        for index in meta.indexes:
            if stored_index(meta, index) not in existing:
                table = self._add_index(meta, index, table)

    def _add_index(
        self, meta: StoreMeta[Any], index: Index, table: Mapping[str, Any], report: Report | None = None
    ) -> Mapping[str, Any]:
        """Complete the items for an index and create it. Wait until it is active, without a limit, and return the description of the table."""
        self._complete(meta, index, table, report)
        payload = {
            "TableName": self._table(meta),
            "AttributeDefinitions": definitions(meta, WireCodec(meta), self.options),
            "GlobalSecondaryIndexUpdates": [{"Create": gsi(meta, index, self.options)}],
        }
        self._call("UpdateTable", payload)
        return self._wait(self._table(meta), patient=True)

    def migrator(self) -> Migrator:
        """Return the migrator of the stage's tables."""
        found: Migrator = deferred("persisty.backends.dynamodb.migrator").DynamoDbMigrator(self)
        return found

    def described(self, table: str) -> Mapping[str, Any] | None:
        """Return the description of a table, None if it does not exist."""
        try:
            return self._described(table_name(self._app, self._stage, table))
        except AwsError as error:
            raise as_error(error) from error

    def add_index(self, meta: StoreMeta[Any], name: str, report: Report) -> None:
        """Complete the items for an index. Create it if it does not exist, and wait until it is active."""
        table = self._wait(self._table(meta), patient=True)
        index = next(one for one in meta.indexes if one.name == name)
        if stored_index(meta, index) not in index_names(table):
            self._add_index(meta, index, table, report)
        else:  # a deployment has created it
            self._complete(meta, index, table, report)

    def _complete(self, meta: StoreMeta[Any], index: Index, table: Mapping[str, Any], report: Report | None) -> None:
        complete(self.send, table, meta, index, self._nulls(), report)
        self._completed.add((meta.name, index.name))

    def check_indexes_with(
        self, incomplete: Callable[[StoreMeta[Any]], Collection[Index]], nulls: Callable[[], AbsentNulls | None]
    ) -> None:
        """Do not query an index that `incomplete` returns, unless no match can lack an attribute of the index. `nulls`: knows the nulls that are absent."""
        self._incomplete, self._nulls = incomplete, nulls

    def remove_index(self, table: str, name: str) -> None:
        """Delete an index, and wait until it is deleted."""
        if name in index_names(self._wait(table_name(self._app, self._stage, table), patient=True)):
            self.alter(table, {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]})

    def alter(self, table: str, changes: dict[str, Any]) -> None:
        """Change a table, and wait until it is active again."""
        name = table_name(self._app, self._stage, table)
        self._call("UpdateTable", {"TableName": name, **changes})
        self._wait(name, patient=True)

    def call_streams(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call an operation of DynamoDB Streams."""
        self._streams = self._streams or self._open_streams()
        return self._call(operation, payload, self._streams)

    def create(self, meta: StoreMeta[Any], settings: Mapping[str, Any]) -> None:
        """Create the table of an item with its indexes and these settings if it does not exist."""
        self._create_table({**self._payload(meta), **settings})
        self.prepare([meta])

    def guard_table(self) -> str:
        """Create the system table if it does not exist, and return its name."""
        self._create_table(definition(self._system))
        self._wait(self._system)
        return self._system

    def complete_indexes(self, meta: StoreMeta[Any], indexes: Sequence[Index]) -> None:
        late = [one for one in indexes if (meta.name, one.name) not in self._completed]
        complete_late(
            self.send, lambda: self._wait(self._table(meta)), meta, late, self.options.max_scan, self._nulls()
        )

    def send(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call an operation with a condition. Return an empty response if the condition is false."""
        try:
            answer: dict[str, Any] = self.transport.call(operation, payload)
            return answer
        except AwsError as error:
            if error.kind != CONDITION_FAILED:
                raise as_error(error) from error
            return {}

    def decided(self, operation: str, payload: dict[str, Any]) -> bool:
        """Call an operation, and return whether its condition was true."""
        try:
            self.transport.call(operation, payload)
        except AwsError as error:
            if error.kind != CONDITION_FAILED:
                raise as_error(error) from error
            return False
        return True

    def _wait(self, name: str, *, patient: bool = False) -> Mapping[str, Any]:
        """Wait until a table and its indexes are active, and return its description. `patient`: wait without a limit; an index may take hours."""
        for attempt in count() if patient else range(CREATE_ATTEMPTS):
            table: Mapping[str, Any] = self._call("DescribeTable", {"TableName": name})["Table"]
            states = [
                table["TableStatus"],
                *(one.get("IndexStatus", "ACTIVE") for one in table.get("GlobalSecondaryIndexes", ())),
            ]
            if set(states) == {"ACTIVE"}:
                return table
            sleep(CREATE_WAIT if attempt < CREATE_ATTEMPTS else LONG_WAIT)
        raise BackendUnavailable(f"The table {name} did not become active")

    def _call(self, operation: str, payload: dict[str, Any], transport: Transport | None = None) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = (transport or self.transport).call(operation, payload)
            return answer
        except AwsError as error:
            raise as_error(error) from error


def connect(url: str, *, app: str, stage: str) -> DynamoDbEngine:
    """Return the engine of a `dynamodb:` URL. Raise `InvalidDeclaration` for an unknown option or without a region."""
    parts = read_url(url, options=OPTIONS, host="dynamodb://eu-west-1")
    options = parts.options
    environment = settings.aws()
    region = parts.host or environment.region
    transport = options.get("transport", "direct")
    faults = []
    if not region:
        faults.append(Fault("/url", "No region: give one here or in AWS_REGION", "dynamodb://eu-west-1"))
    elif not REGION.fullmatch(region):
        faults.append(Fault("/url", "Not a region", "dynamodb://eu-west-1", region[:64]))
    if transport not in TRANSPORTS:
        faults.append(Fault("/url/transport", "Unknown transport", "one of " + ", ".join(TRANSPORTS), transport))
    endpoint = options.get("endpoint", environment.endpoint)
    if endpoint is not None and not is_origin(endpoint):
        faults.append(Fault("/url/endpoint", "Not an endpoint", "http://localhost:8000", endpoint[:64]))
    numbers = {
        name: int(value) for name, value in options.items() if name in NUMBERS and re.fullmatch("[0-9]{1,16}", value)
    }
    faults += [
        Fault(f"/url/{name}", "Not an allowed number", f"{allowed[0]} to {allowed[-1]}", options[name][:64])
        for name, allowed in NUMBERS.items()
        if name in options and numbers.get(name, -1) not in allowed
    ]
    if faults or not region:
        raise InvalidDeclaration("No engine for this URL", faults=faults)
    if transport == "boto3":
        numbers.setdefault("partiql", 0)
    numbers.setdefault("streams", numbers.get("partiql", 1))
    opened = partial(open_transport, transport, endpoint, region)
    return DynamoDbEngine(opened(TABLES), app, stage, Options(**numbers), partial(opened, STREAMS))
