"""Conditional writes: the `If-…` headers of a request become a condition of the write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec import UNSET, Struct

from ...errors import Conflict, PersistyError, PreconditionFailed
from ...model.expressions import ALL, NOTHING, And, Compare, Filter, Or
from ...model.meta import Attribute, StoreMeta
from ...model.types import INTEGER_MAX, Kind
from ...query.filter_algebra import combine
from ...store.store import Store
from ..http.cache_headers import tag_of_item, validators
from ..http.messages import Request, encode
from ..http.preconditions import ANY, WEAK, Preconditions, Tags, preconditions, strongly, weakly

SECOND = timedelta(seconds=1)


def taken(request: Request, meta: StoreMeta[Any], error: Conflict) -> PersistyError:
    """Return the error of a create whose key is taken: 412 instead of 409 for a client that sent `If-None-Match: *`."""
    conditions = preconditions(request.headers)
    if (
        conditions is None
        or conditions.none_match != ANY
        or error.details.get("attributes") != list(meta.key.attributes)
    ):
        return error
    return PreconditionFailed(error.message)


class Known(Struct, frozen=True):
    """The version of an item that the client has, from the headers of its write. A call with the store and the key returns the write's condition.

    For an item with a version attribute, the condition is the version in the ETag. Any other item is read first and its ETag is compared. The
    condition is then that the item is still the one that was read:

        this request:  read, compare the ETag ───────────────── write if unchanged → 412
        another one:                           write, DONE ──┘
    """

    conditions: Preconditions

    def names(self, meta: StoreMeta[Any]) -> bool:
        """Return whether the headers name the versions that may be overwritten, or all of them (`If-Match: *`), in a form that this item supports."""
        since = self.conditions.unmodified_since is not None and validators(meta).modified is not None
        return self.conditions.match is not None or since

    def __call__(self, store: Store[Any], key: str) -> Filter:
        return _condition(self.conditions, store, key)


def precondition(request: Request) -> Known | None:
    """Return the precondition in the request's headers, or None. For a missing item the response is 404 with any precondition."""
    conditions = preconditions(request.headers)
    return None if conditions is None else Known(conditions)


def _condition(sent: Preconditions, store: Store[Any], key: str) -> Filter:
    found = validators(store.meta)
    conditions: list[Filter] = []
    if sent.match is None and sent.unmodified_since is not None and found.modified is not None:
        until = Compare(found.modified.name, "lt", sent.unmodified_since + SECOND)
        conditions.append(Or((until, Compare(found.modified.name, "null", True))) if found.modified.optional else until)
    if found.version is not None and sent.none_match != ANY:
        name = found.version.name
        if sent.match not in (None, ANY):
            known = _versions(tuple(one for one in sent.match or () if not one.startswith(WEAK)))
            conditions.append(Compare(name, "oneof", known) if known else NOTHING)
        conditions += [Compare(name, "ne", one) for one in _versions(sent.none_match)]
    elif sent.match not in (None, ANY) or sent.none_match is not None:
        conditions.append(_same(sent, store, key))
    return combine(And, conditions)


def _versions(tags: Tags | None) -> tuple[int, ...]:
    """Return the versions in ETags."""
    parts = [one.removeprefix(WEAK).strip('"').partition(".") for one in tags or () if one != ANY]
    numbers = [
        int(number) for number, dot, _ in parts if dot and number.isascii() and number.isdigit() and len(number) < 20
    ]
    return tuple(dict.fromkeys(number for number in numbers if number <= INTEGER_MAX))


def _same(conditions: Preconditions, store: Store[Any], key: str) -> Filter:
    item = store.read(key)
    if item is None:
        return ALL
    tag = validators(store.meta).tag(encode(item), item)
    if conditions.match is not None and not strongly(tag, _of_item(conditions.match)):
        raise PreconditionFailed(item=item)
    if conditions.none_match is not None and weakly(tag, _of_item(conditions.none_match)):
        raise PreconditionFailed(item=item)
    return unchanged(store.meta, item)


def _of_item(tags: Tags) -> Tags:
    return tags if tags == ANY else tuple(map(tag_of_item, tags))


def unchanged(meta: StoreMeta[Any], item: Any) -> Filter:
    """Return the condition that an item has not changed since it was read.

    It compares the time that every update sets. Without such an attribute, it compares the attributes that the caller may read. A list or an object
    is compared only by whether it is null, and by its fields.
    """
    updated = validators(meta).updated
    if updated is not None and updated.get(item) is not None:
        return Compare(updated.name, "eq", updated.get(item))
    seen = [one for one in meta.attributes.values() if one.get(item) is not UNSET]
    within = [one for one in meta.nested.values() if any(whole.name == one.root for whole in seen)]
    return And(tuple(_is(one, one.get(item)) for one in (*seen, *within)))


def _is(attribute: Attribute, value: Any) -> Filter:
    if value is None or attribute.kind is Kind.JSON:
        return Compare(attribute.name, "null", value is None)
    return Compare(attribute.name, "eq", value)
