"""The DynamoDB backend: one table, read by `Reads` and written by `Writes`."""

from __future__ import annotations

from typing import Generic, TypeVar

from ...model.meta import StoreMeta
from ...store.backend import Capabilities
from .codec import WireCodec
from .reads import Reads
from .requests import Requests
from .transport import Transport
from .writes import MAX_ATOMIC, Writes

T = TypeVar("T")


class DynamoDbBackend(Generic[T]):
    def __init__(self, meta: StoreMeta[T], table: str, transport: Transport) -> None:
        self.meta = meta
        self.capabilities = Capabilities(embedded=False, max_atomic=MAX_ATOMIC)
        codec = WireCodec(meta)
        requests = Requests(meta, codec, table)
        reads = Reads(meta, codec, requests, transport)
        writes = Writes(meta, codec, requests, transport, reads)
        self.read, self.query, self.count = reads.read, reads.query, reads.count
        self.aggregate = reads.aggregate
        self.write = writes.write
