"""Read items by their keys: one GetItem, or a BatchGetItem for each hundred. Reads are always consistent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import sleep
from typing import Any, Generic, TypeVar

from ...aws.retries import AwsError, exhausted
from ...backoff import ATTEMPTS, backoff
from ...model.expressions import OrderBy
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.evaluation import matcher, sort_key
from ...query.filter_algebra import names_in
from .access_paths import over_values
from .codec import WireCodec
from .planner import KeyPlan
from .requests import Requests
from .result_streams import Fields, ResultStreams
from .unchanged_values import StoredItem
from .wire_answers import Sizes

T = TypeVar("T")
MAX_READ = 100
"""Most keys of a BatchGetItem."""


class Keyed(Generic[T]):
    def __init__(self, meta: StoreMeta[T], codec: WireCodec, requests: Requests, streams: ResultStreams[T]) -> None:
        self._meta, self._codec, self._requests, self._streams = meta, codec, requests, streams
        self._rank = sort_key(over_values(meta), tuple(OrderBy(name) for name in meta.key.attributes))

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        """Return the items of these keys, by position. A key may occur twice."""
        whole = self._streams.fields(None)
        if len(keys) == 1:
            return [self._one(keys[0], whole)]
        found: dict[KeyValues, T | None] = dict.fromkeys(keys)
        storable = [key for key in found if self._codec.storable(key)]
        key_values = self._meta.key_values
        for batch in self._batches(storable, whole, []):
            for item in batch:
                found[key_values(item)] = item
        return list(found.values()) if len(found) == len(keys) else [found[key] for key in keys]

    def read_stored(self, keys: Sequence[KeyValues]) -> list[StoredItem | None]:
        """Return the items of these keys with their rows, by position."""
        whole = Fields(None, self._codec.stored_item)
        if len(keys) == 1:
            return [self._one(keys[0], whole)]
        found: dict[KeyValues, StoredItem | None] = dict.fromkeys(keys)
        for batch in self._batches([key for key in found if self._codec.storable(key)], whole, []):
            for one in batch:
                found[self._meta.key_values(one.item)] = one
        return [found[key] for key in keys]

    def matches(
        self, plan: KeyPlan, names: Iterable[str] | None, sizes: Sizes, after: Mapping[str, Any] | None = None
    ) -> Iterator[list[T]]:
        """Yield the matches of a plan in the order of the keys, after the key `after`: a list for each request.

        `sizes` receives the size of each response of several items.
        """
        fields = self._streams.fields(None if names is None else {*names, *names_in(plan.rest)})
        is_match = matcher(self._meta, plan.rest)
        keys = [key for key in plan.keys if self._codec.storable(key)]
        if len(keys) == 1 and after is None:
            item = self._one(keys[0], fields)
            yield [] if item is None or not is_match(item) else [item]
            return
        places = {key: self._rank(dict(zip(self._meta.key.attributes, key, strict=True))) for key in keys}
        if after is not None:
            places = {key: place for key, place in places.items() if place > self._rank(after)}
        for batch in self._batches(sorted(places, key=places.__getitem__), fields, sizes):
            found = [item for item in batch if is_match(item)]
            yield sorted(found, key=lambda item: places[self._meta.key_values(item)])

    def _one(self, key: KeyValues, fields: Fields) -> Any:
        if not self._codec.storable(key):
            return None
        row = self._streams.call("GetItem", self._requests.read(key, fields.names), self._codec.got).Item
        return None if row is None else fields.item(row)

    def _batches(self, keys: Sequence[KeyValues], fields: Fields, sizes: Sizes) -> Iterator[list[Any]]:
        """Yield the items of distinct keys, a list for each request."""
        for start in range(0, len(keys), MAX_READ):
            yield list(self._some(keys[start : start + MAX_READ], fields, sizes))

    def _some(self, keys: Sequence[KeyValues], fields: Fields, sizes: Sizes) -> Iterator[Any]:
        """Send a BatchGetItem, and again for its unprocessed keys."""
        request: Any = self._requests.read_batch(keys, fields.names)
        attempt = 0
        while attempt < ATTEMPTS:
            answer = self._streams.call("BatchGetItem", {"RequestItems": request}, self._codec.batch)
            sizes.append(answer.size)
            found = answer.Responses.get(self._requests.table, ())
            yield from map(fields.item, found)
            if not answer.UnprocessedKeys:
                return
            before, request = _key_count(request), answer.UnprocessedKeys
            if not found:  # otherwise the items did not fit into 16 MB
                sleep(backoff(attempt))
            attempt = 0 if _key_count(request) < before else attempt + 1
        raise exhausted(AwsError("ThrottlingException", "keys stay unprocessed", {}))


def _key_count(request: Mapping[str, Any]) -> int:
    """Return the number of keys of a BatchGetItem."""
    return sum(len(one["Keys"]) for one in request.values())
