"""Publish changes to the GraphQL API on AWS. Each is a call of the mutation that triggers AppSync's subscriptions of its kind.

A subscriber receives only fields that the mutation selected, so every attribute that some caller may read is selected. `subscription_function.py`
decides at the start of a subscription which of them the subscriber receives. A request has one mutation, because a field with an alias does not reach the
subscriptions under its name. The item is sent as JSON in the form of its GraphQL types, so that the resolver returns it unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ....aws.credentials import Provider
from ....aws.http_connections import Answer
from ....aws.retries import THROTTLES, TRANSIENT, Retry, retrying
from ....aws.signed_requests import SKEW, SignedHost
from ....errors import BackendUnavailable, Fault, InvalidInput, PayloadTooLarge, PersistyError, Throttled
from ....model.meta import StoreMeta, meta_of, per_meta
from ....model.types import Kind, datetime_text
from ....store.change_feed import Change
from ..described_types import item_record
from ..subscriptions import Subscription
from ..types import Leaf, Record, within_lists
from ..values import item_answer

MOST_BYTES = 240 * 1000
"""The most bytes of an event. AppSync delivers none above 240 KB."""
OF_THE_API = frozenset({"Unauthorized", "UnauthorizedException", "AccessDeniedException", "ExecutionTimeout"})
"""Errors of a field that occur for every item until the deployment or AppSync changes."""
MOST_FAULTS = 20
"""The most faults of a rejected item that are reported."""


def published(item: Any) -> dict[str, Any]:
    """Return an item in the form of an event: as in a query, but datetimes have the same length, so that their texts sort by time."""
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
    """Return the mutation that publishes, with every attribute selected that some caller may read."""
    selected = selection_of(item_record(subscription.meta))
    return f"mutation($item: AWSJSON!) {{ {subscription.publisher}(item: $item) {selected} }}"


def selection_of(record: Record) -> str:
    """Return the selection of all fields that some caller may read, and of all fields of the objects in them."""
    inner = ((field.name, within_lists(field.ref)) for field in record.fields if field.readable is not False)
    fields = (name if isinstance(one, Leaf) else f"{name} {selection_of(one)}" for name, one in inner)
    return f"{{ {' '.join(fields)} }}"


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
        """Publish a change, if its store has a subscription of this kind.

        Raises `PayloadTooLarge` or `InvalidInput` for an item that AppSync never delivers: it is too large for an event, or the schema rejects its
        values. Raises `BackendUnavailable` or `Throttled` if AppSync fails or rejects every item, after bounded retries.
        """
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
        if isinstance(kind, InvalidInput):
            raise kind
        if kind in SKEW and self._host.correct_clock(answer.date):
            raise Retry(_error(kind), at_once=True)
        if kind in TRANSIENT or answer.status == 429 or answer.status >= 500:
            raise Retry(_error(kind))
        raise _error(kind)


def _error(kind: str) -> PersistyError:
    message = f"AppSync did not publish: {kind}"
    return Throttled(message) if kind in THROTTLES else BackendUnavailable(message)


def _refusal(answer: Answer) -> str | InvalidInput | None:
    """Return the kind of a failure, `InvalidInput` if AppSync rejects this item, None for a success.

    The response for a rejected item has `data`, and its errors are those of fields. Without `data`, the document, the caller or the API is at fault,
    which a deployment changes.
    """
    try:
        content = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return f"an answer of {answer.status} without JSON"
    found = content.get("errors") if isinstance(content, Mapping) else None
    errors = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    if not errors:
        return None if answer.status == 200 and not found else f"an answer of {answer.status}"
    kinds = [one.get("errorType") for one in errors]
    others = next((kind for kind in kinds if kind in TRANSIENT or kind in OF_THE_API), None)
    if others is None and answer.status == 200 and isinstance(content.get("data"), Mapping):
        return InvalidInput("AppSync rejects the item", faults=[_fault(one) for one in errors[:MOST_FAULTS]])
    return str(others or kinds[0] or errors[0].get("message") or "an error")[:200]


def _fault(error: Mapping[str, Any]) -> Fault:
    """Return the fault of a field's error: its path below the mutation. The message of AppSync may contain the value."""
    steps = error.get("path")
    path = "".join(f"/{step}" for step in steps[1:]) if isinstance(steps, list) else ""
    return Fault(path, str(error.get("message") or "Refused")[:500])
