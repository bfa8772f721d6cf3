"""Changes, published to the GraphQL API on AWS: each a call of the mutation that AppSync's subscriptions of its kind follow.

A subscriber gets of an event what the mutation selected, so all that anybody may read is selected; that no subscriber gets more than it
may see is decided when it subscribes (`subscribing.py`). One mutation a request: an aliased field does not reach the subscriptions
under its name. The item travels as JSON, each attribute spelled as its GraphQL type wants it, so that the resolver only hands it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ....aws.credentials import Provider
from ....aws.http_connections import Answer
from ....aws.retries import THROTTLES, TRANSIENT, Retry, retrying
from ....aws.signed_requests import SKEW, SignedHost
from ....errors import BackendUnavailable, PayloadTooLarge, PersistyError, Throttled
from ....model.meta import StoreMeta, meta_of, per_meta
from ....model.types import Kind, datetime_text
from ....store.change_feed import Change
from ..subscriptions import Subscription
from ..types import item_record
from ..values import item_answer

MOST_BYTES = 240 * 1000
"""Largest event in bytes: AppSync sends none above 240 KB."""


def published(item: Any) -> dict[str, Any]:
    """An item as an event has it: as a query answers it, datetimes at one width, so that their text has the order of time."""
    values = item_answer(item)
    for name, get in _datetimes(meta_of(item)):
        value = get(item)
        if name in values and value is not None:
            values[name] = datetime_text(value)
    return values


@per_meta
def _datetimes(meta: StoreMeta[Any]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((name, one.get) for name, one in meta.attributes.items() if one.kind is Kind.DATETIME)


def document(subscription: Subscription) -> str:
    """The mutation that publishes, with everything selected that an item has for anybody."""
    fields = [field.name for field in item_record(subscription.meta).fields if field.readable is not False]
    return f"mutation($item: AWSJSON!) {{ {subscription.publisher}(item: $item) {{ {' '.join(fields)} }} }}"


class Publisher:
    """Publishes changes to the GraphQL API at `url`. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        region: str,
        credentials: Provider,
        subscriptions: Iterable[Subscription],
        ca_bundle: str | None = None,
    ) -> None:
        self._host = SignedHost(
            url, region, credentials, ca_bundle, name="AppSync", service="appsync", content_type="application/json"
        )
        self._documents = {(one.meta.name, one.kind): document(one) for one in subscriptions}

    def __call__(self, change: Change) -> None:
        """Publish a change, if anybody can be subscribed to such. `PayloadTooLarge` for an item that AppSync sends to nobody; else a
        `PersistyError` where AppSync refuses or fails, after bounded retries where another attempt may succeed."""
        text = self._documents.get((change.store, change.kind))
        if text is None:
            return
        item = msgspec.json.encode(published(change.item))
        if len(item) > MOST_BYTES:
            raise PayloadTooLarge(f"{change.store} {change.key} has {len(item)} bytes, an event at most {MOST_BYTES}")
        body = msgspec.json.encode({"query": text, "variables": {"item": item.decode()}})
        retrying(lambda: self._attempt(body), writes=False)

    def close(self) -> None:
        self._host.close()

    def _attempt(self, body: bytes) -> None:
        answer = self._host.exchange(body)
        kind = _refusal(answer)
        if kind is None:
            return
        if kind in SKEW and self._host.correct_clock(answer.date):
            raise Retry(_error(kind), at_once=True)
        if kind in TRANSIENT or answer.status == 429 or answer.status >= 500:
            raise Retry(_error(kind))
        raise _error(kind)


def _error(kind: str) -> PersistyError:
    told = f"AppSync did not publish: {kind}"
    return Throttled(told) if kind in THROTTLES else BackendUnavailable(told)


def _refusal(answer: Answer) -> str | None:
    """The kind of what went wrong; None where nothing did."""
    try:
        told = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return f"an answer of {answer.status} without JSON"
    errors = told.get("errors") if isinstance(told, Mapping) else None
    if not errors:
        return None if answer.status == 200 else f"an answer of {answer.status}"
    return str(errors[0].get("errorType") or errors[0].get("message") or "an error")[:200]
