"""Sizes of a table and its indexes from DescribeTable, cached for minutes.

DynamoDB updates these numbers about every six hours: use them for plans, do not show them.
"""

from __future__ import annotations

from time import monotonic

from msgspec import Struct

from ...aws.retries import AwsError
from .costs import Size
from .transport import Transport, as_error

REMEMBERED = 300.0
"""Seconds."""


class _Table(Struct):
    ItemCount: int = 0
    TableSizeBytes: int = 0


class _Description(Struct):
    Table: _Table


class Statistics:
    """The size of one table, read when it is first needed. Safe to share between threads."""

    def __init__(self, table: str, transport: Transport) -> None:
        self._table, self._transport = table, transport
        self._cached: tuple[float, Size] | None = None

    def size(self) -> Size:
        cached, now = self._cached, monotonic()
        if cached is not None and now - cached[0] < REMEMBERED:
            return cached[1]
        try:
            answer: _Description = self._transport.call("DescribeTable", {"TableName": self._table}, _Description)
        except AwsError as error:
            raise as_error(error) from error
        size = Size(answer.Table.ItemCount, answer.Table.TableSizeBytes)
        self._cached = now, size
        return size
