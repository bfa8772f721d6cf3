"""The error of a value that is too long for a key or an index of PostgreSQL.

The server compresses the values of an index first, so only it knows whether they fit. Its error has the name of the index. If they are far too long,
it has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import errors

from ....errors import Fault, InvalidInput
from ....model.meta import StoreMeta
from ....model.msgspec_faults import pointer
from ....store.backend import Delete, Patch, Put, Write
from ..columns import index_name

MOST = 2_700
"""Bytes of all values of an index for one item, after compression. Source: the constant BTMaxItemSize of the server, 2,704."""
MESSAGE = f"Too long for a key or an index: PostgreSQL takes about {MOST:,} bytes of an item there"
EXPECTED = f"at most about {MOST} bytes"


def named(meta: StoreMeta[Any], error: InvalidInput, write: Write | Mapping[str, Any] | None) -> InvalidInput:
    """Return the error of a write with the attribute whose value is too long. Any other error, and one of stored values, is returned as it is. `write`: may
    also be the changes of a bulk write."""
    cause = error.__cause__
    if not isinstance(cause, errors.ProgramLimitExceeded) or write is None or isinstance(write, Delete):
        return error
    values: Mapping[str, Any]
    if isinstance(write, Put):
        values = {name: one.get(write.item) for name, one in meta.attributes.items()}
    else:
        values = write.changes if isinstance(write, Patch) else write
    sizes = {name: _size(values.get(name)) for name in _names(meta, cause.diag.constraint_name)}
    longest = max(sizes, key=sizes.__getitem__)
    if not sizes[longest]:
        return error
    found = InvalidInput(MESSAGE, faults=[Fault(pointer(longest), MESSAGE, EXPECTED, f"{sizes[longest]} bytes")])
    found.__cause__ = cause
    return found


def _names(meta: StoreMeta[Any], index: str | None) -> tuple[str, ...]:
    """Return the attributes of an index, or those of all indexes and of the key if the index is unknown."""
    named = [one.attributes for one in meta.indexes if index_name(meta, one) == index]
    groups = named or [one.attributes for one in meta.indexes]
    return tuple(dict.fromkeys(name for group in (*groups, meta.key.attributes) for name in group))


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, bytes) else 0
