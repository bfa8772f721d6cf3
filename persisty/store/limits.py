"""Limits of one call, on every engine and through every surface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.json import encode

from ..errors import BatchTooLarge, Fault, InvalidInput, InvalidQuery
from ..model.generators import Append
from ..model.meta import StoreMeta

DEFAULT_LIMIT = 25
MAX_LIMIT = 1_000
"""The most items of a page."""
MAX_PAGE_BYTES = 4_000_000
"""Bytes of text, bytes and JSON that the items of a page may have. A page ends at the item that exceeds them, with a cursor."""
COMPLETE_PAGE = DEFAULT_LIMIT
"""Items that a page has whatever their size: a page with at most this limit never ends early."""
MAX_LINKED_BYTES = 1 << 24
"""Bytes that the linked items of one link may have, of all items whose links are loaded together."""
MAX_BATCH = 100
"""The most keys or edits of a batch."""
MAX_BATCH_BYTES = MAX_BATCH * 400 * 1024
"""Bytes of text, bytes and JSON that the items of more than `COMPLETE_PAGE` keys may have together: those of the largest items of DynamoDB."""
MAX_GROWN = 400_000
"""Bytes of JSON that a list may have after an `append`. DynamoDB limits an item to slightly more."""


def grows_too_long(meta: StoreMeta[Any], item: Any, changes: Mapping[str, Any]) -> bool:
    """Return whether a list of the changed item is too long because of an `append`."""
    grown = (meta.attributes[name].get(item) for name, value in changes.items() if isinstance(value, Append))
    return any(len(encode(one)) > MAX_GROWN for one in grown)


def grown_too_long() -> InvalidInput:
    """Return the error of an `append` after which its list would be too long. Nothing is written."""
    message = f"A list has at most {MAX_GROWN} bytes of JSON after an append"
    return InvalidInput(message, faults=[Fault("", message)])


def check_limit(limit: Any) -> None:
    """Raise `InvalidQuery` unless the limit is a valid size of a page."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        fault = Fault("/limit", f"Expected 1 to {MAX_LIMIT}", f"1 to {MAX_LIMIT}", str(limit)[:32])
        raise InvalidQuery(faults=[fault])


def listed(batch: Any, path: str) -> list[Any]:
    """Return the keys or edits of a batch. Raise `InvalidInput` for a value that is not iterable."""
    if not isinstance(batch, Iterable):
        raise InvalidInput(faults=[Fault(path, "Expected a list", "a list", type(batch).__name__)])
    return list(batch)


def check_batch(batch: Sequence[Any]) -> None:
    """Raise `BatchTooLarge` for more keys or edits than a batch may have."""
    if len(batch) > MAX_BATCH:
        raise BatchTooLarge(f"A batch has at most {MAX_BATCH} keys or edits", limit=MAX_BATCH, found=len(batch))
