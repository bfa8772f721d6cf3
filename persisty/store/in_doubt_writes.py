"""Writes in doubt: an attempt whose response was lost may have succeeded, although a later attempt is rejected.

```
the item has values that only this call generates           done
the item cannot have these values: the attempt failed       the rejection is the result
neither is certain                                          `BackendUnavailable` with `in_doubt` in its details
```

Only this call generates its random UUIDs and its times to the microsecond, unless the caller gave them. Equal values of any other kind are
no proof, because two callers may write the same. A write whose response arrives costs nothing extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET

from ..model.generators import (
    CREATED,
    UPDATED,
    UUID4,
    UUID4_TEXT,
    UUID7,
    UUID7_TEXT,
    Add,
    Generator,
    UpdateOperator,
    now,
)
from ..model.meta import StoreMeta
from .backend import Outcome, Patch, Put, Write, WriteResult

LONG_AGO = timedelta(minutes=5)
"""An item last written before this age was not written by this call, even with the largest clock skew that AWS allows."""
UUIDS = (UUID4, UUID4_TEXT, UUID7, UUID7_TEXT)
TIMES = (CREATED, UPDATED)
"""The generators whose values only one call makes. Values of other generators do not identify the call, so the write stays in doubt."""


def repeatable(meta: StoreMeta[Any], write: Write) -> bool:
    """Return whether the write may be sent twice. A write with an update operator may not, except that a version may be incremented twice."""
    if not isinstance(write, Patch):
        return True
    return not any(
        isinstance(value, UpdateOperator) and not _counts_versions(meta, name, value)
        for name, value in write.changes.items()
    )


def _counts_versions(meta: StoreMeta[Any], name: str, change: UpdateOperator) -> bool:
    generator = meta.attributes[name].generator
    return isinstance(change, Add) and generator is not None and generator.update is not None


def settled(meta: StoreMeta[Any], write: Write, given: Any, result: WriteResult) -> WriteResult:
    """Return the result of a write in doubt, if the stored item proves one. `given`: the item or the changes of the caller."""
    if result.item is None or result.refusal is Outcome.MISSING:
        return result
    if isinstance(write, Put):
        return _put(meta, write, given, result)
    if isinstance(write, Patch):
        return _patch(meta, write, given, result)
    untouched = any(_old(value) for value in _values(meta, (CREATED,), result.item).values())
    return WriteResult(Outcome.FAILED, result.item) if untouched else result


def _put(meta: StoreMeta[Any], write: Put, given: Any, result: WriteResult) -> WriteResult:
    made = {name: value for name, value in _values(meta, (*UUIDS, *TIMES), write.item).items() if _lacks(given, name)}
    found = {name: meta.attributes[name].get(result.item) for name in made}
    constant = [name for name in made if meta.attributes[name].generator is CREATED]
    if any(found[name] != made[name] for name in constant) or any(map(_old, found.values())):
        return WriteResult(Outcome.EXISTS)
    is_own = any(found[name] == made[name] for name in made)
    return WriteResult(Outcome.DONE, write.item) if is_own else result


def _patch(meta: StoreMeta[Any], write: Patch, given: Any, result: WriteResult) -> WriteResult:
    made = [name for name in _values(meta, (UPDATED,), result.item) if _lacks(given, name)]
    if any(_old(meta.attributes[name].get(result.item)) for name in made) and result.refusal is not None:
        return WriteResult(result.refusal, result.item)
    set_names = [name for name, value in write.changes.items() if not isinstance(value, UpdateOperator)]
    is_own = made and all(meta.attributes[name].get(result.item) == write.changes[name] for name in set_names)
    return WriteResult(Outcome.DONE, result.item) if is_own else result


def _values(meta: StoreMeta[Any], generators: tuple[Generator, ...], item: Any) -> dict[str, Any]:
    """Return the values of the attributes with one of these generators."""
    found = ((name, one) for name, one in meta.attributes.items() if any(one.generator is each for each in generators))
    return {name: one.get(item) for name, one in found}


def _lacks(given: Any, name: str) -> bool:
    """Return whether the caller did not give this value, so that a generator made it."""
    return name not in given if isinstance(given, Mapping) else getattr(given, name, UNSET) is UNSET


def _old(value: Any) -> bool:
    """Return whether the value is a time well before the call."""
    return isinstance(value, datetime) and now() - value > LONG_AGO
