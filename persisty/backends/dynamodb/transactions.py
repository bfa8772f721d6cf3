"""Transactions: atomic batches of one or several stores, and single writes that assign or release unique values.

```
1  read what the writes depend on and DynamoDB cannot decide: values of unique indexes, `endswith`, `icontains`
2  TransactWriteItems of all the writes and their guard rows, on the condition that what was read is unchanged
3  cancelled?  by another transaction → wait and retry · because an item has changed → retry with the current item
               by a condition, a key or a guard → the result of that write; nothing is written
```

A transaction does not return new items. Those of patches are read after it, unless the whole item before the change is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import sleep
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ...aws.retries import AwsError, exhausted
from ...backoff import ATTEMPTS, backoff
from ...errors import BatchTooLarge, InvalidInput, PersistyError
from ...model.expressions import ALL, NOTHING, And, Filter
from ...model.generators import VERSION
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...model.validation import changed
from ...query.evaluation import matcher
from ...query.filter_algebra import combine, names_in
from ...store.backend import Outcome, Patch, Put, Write, WriteResult
from .codec import WireCodec
from .expressions import split
from .guard_rows import Guards
from .requests import OPERATIONS, Requests
from .requirement_checks import RequirementChecks, TableOf, required_by
from .system_table import SystemTable
from .transport import TRANSACTION_CANCELED, Transport, as_error
from .unchanged_values import StoredItem, unchanged

T = TypeVar("T")
MAX_ATOMIC = 100
"""Most actions of a TransactWriteItems."""
NEVER = ""
"""No guard's name."""
FAILED_CHECK = "ConditionalCheckFailed"
CONFLICTS = frozenset({None, "None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons of a cancelled transaction that allow another attempt."""
DONE, MISSING, EXISTS, ABORTED = map(WriteResult, (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS, Outcome.ABORTED))


class Action(Struct, frozen=True):
    """One action of a transaction: the write at a position, or a guard that the write assigns or releases. `NEVER` is the guard
    of an action that always fails. An action that checks a required item has the writes that require it in `required`, by their positions,
    each with the attribute of the foreign key."""

    body: dict[str, Any]
    position: int
    guard: str | None = None
    required: Mapping[int, str] | None = None


class Part(Generic[T]):
    """One store of a transaction."""

    def __init__(
        self,
        meta: StoreMeta[T],
        codec: WireCodec,
        requests: Requests,
        read: Callable[[Sequence[KeyValues]], list[StoredItem | None]],
    ) -> None:
        self.meta, self.codec, self.requests, self.read = meta, codec, requests, read
        self.guards = Guards(meta, codec)
        self.versions = tuple(name for name, one in meta.attributes.items() if one.generator is VERSION)

    def key(self, write: Write) -> KeyValues:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key

    def depends(self, write: Write) -> bool:
        """Return whether the write has a condition that DynamoDB cannot decide."""
        if isinstance(write, Put) or not self.codec.storable(write.key):
            return False
        undecided = split(self.meta, write.when)[1] != ALL
        return undecided or self.guards.concern(write) or bool(self.codec.starts_from_null(write))

    def condition(self, write: Write, was_read: bool, stored: StoredItem | None) -> Filter:
        """Return the condition of a write for DynamoDB, or `NOTHING` if the item that was read rules the write out."""
        if isinstance(write, Put):
            return ALL
        native, local = split(self.meta, write.when)
        if not was_read:
            return native
        if stored is None or not matcher(self.meta, write.when)(stored.item):
            return NOTHING
        names = set(names_in(local))  # the write was decided on their values
        if self.guards.concern(write):
            names |= {*self.guards.attributes, *self.versions}
        same = [*unchanged(self.meta, stored, names), *self.codec.started(write, stored.item)[1]]
        return combine(And, [native, *same])

    def values(self, write: Write, item: T | None) -> tuple[dict[str, str], dict[str, str]]:
        """Return the guards of an item before and after a write, each with its index."""
        if not self.guards.concern(write):
            return {}, {}
        if isinstance(write, Put):
            return {}, self.guards.of(write.item)
        if item is None:
            return {}, {}
        after = self.guards.of(changed(self.meta, item, write.changes)) if isinstance(write, Patch) else {}
        return self.guards.of(item), after


Writes = Sequence[tuple[Part[Any], Write]]
"""Writes, each with its store."""


class Transactions:
    """Transactions over the tables of one engine."""

    def __init__(self, transport: Transport, system: SystemTable, table_of: TableOf) -> None:
        self._transport, self._system = transport, system
        self._required = RequirementChecks(table_of)

    def run(self, writes: Writes) -> list[WriteResult]:
        """Do all the writes or none. Return the results of an atomic `Backend.write`."""
        if len(writes) > MAX_ATOMIC:
            raise _too_large()
        items = _read_each(writes, [position for position, (part, write) in enumerate(writes) if part.depends(write)])
        for attempt in range(ATTEMPTS):
            failed, actions = self._plan(writes, items)
            if failed is not None:
                return failed
            if len(actions) > MAX_ATOMIC:
                raise _too_large()
            try:
                self._transport.call("TransactWriteItems", {"TransactItems": [one.body for one in actions]})
            except AwsError as error:
                if error.kind != TRANSACTION_CANCELED:
                    raise as_error(error) from error
                results = self._canceled(writes, items, actions, error)
                if results is not None:
                    return results
                sleep(backoff(attempt))
                continue
            return self._committed(writes, items)
        raise exhausted(AwsError("ThrottlingException", "the transaction kept conflicting with others", {}))

    def _plan(self, writes: Writes, items: Items) -> tuple[list[WriteResult] | None, list[Action]]:
        """Return the actions, or the results if they are known without a request.

        A write that is known to be refused is still sent, with a condition that is always false, so that every refused write of the
        batch is reported.
        """
        results = [ABORTED] * len(writes)
        refused: dict[int, WriteResult] = {}
        actions: list[Action] = []
        given_up: dict[str, int] = {}
        taken: set[str] = set()
        for position, (part, write) in enumerate(writes):
            if not isinstance(write, Put) and not part.codec.storable(write.key):
                results[position] = MISSING
                continue
            item = _item(items, position)
            when = part.condition(write, position in items, items.get(position))
            if position in items and when == NOTHING:
                refused[position] = MISSING if item is None else WriteResult(Outcome.FAILED, item)
                actions.append(Action({OPERATIONS[type(write)][1]: part.requests.write(write, NOTHING)}, position))
                continue
            started = part.codec.started(write, item)[0] if position in items else write
            actions.append(Action({OPERATIONS[type(write)][1]: part.requests.write(started, when)}, position))
            before, after = part.values(write, item)
            for guard in [one for one in before if one not in after]:
                if (
                    guard not in taken
                ):  # otherwise an earlier write would assign it first, and DynamoDB would refuse this one
                    given_up[guard] = position
                    actions.append(Action(self._system.release(guard), position, guard))
            for guard in [one for one in after if one not in before]:
                giver = given_up.pop(guard, None)
                if guard in taken and giver is None:  # a transaction takes no row twice, and this one cannot succeed
                    actions.append(Action(self._system.never(f"{position}/{after[guard]}"), position, NEVER))
                    continue
                holder = None if giver is None else _text(writes[giver])
                if holder is not None:  # released by an earlier write: one action assigns the row to the new item
                    release = self._system.release(guard)
                    actions = [one for one in actions if one.body != release]
                taken.add(guard)
                actions.append(Action(self._system.take(guard, _text((part, write)), holder), position, guard))
        if any(required_by(write) for _, write in writes):
            stored = [(part.meta, write) for part, write in writes]
            for check in self._required.checks(stored):
                position = min(check.required)
                body = check.body or self._system.never(f"{position}/{check.required[position]}")
                actions.append(Action(body, position, required=check.required))
        if any(one is not ABORTED for one in results) or len(refused) == len(writes):
            return [refused.get(position, one) for position, one in enumerate(results)], actions
        return None, actions

    def _canceled(
        self, writes: Writes, items: dict[int, StoredItem | None], actions: Sequence[Action], error: AwsError
    ) -> list[WriteResult] | None:
        """Return the result of each write of a cancelled transaction, or None if it may be tried again.

        A transaction is tried again if it met another one, or an item that has changed since it was read. `items` then has that item.
        """
        reasons: Sequence[Mapping[str, Any]] = error.body.get("CancellationReasons") or ()
        failed = [
            (action, reason.get("Item"))
            for action, reason in zip(actions, reasons, strict=False)
            if reason.get("Code") == FAILED_CHECK
        ]
        if not failed:
            if CONFLICTS.issuperset(reason.get("Code") for reason in reasons):
                return None
            at, first = next((at, one) for at, one in enumerate(reasons) if one.get("Code") not in CONFLICTS)
            refusal = as_error(AwsError("ValidationException", str(first.get("Message")), {}))
            if not isinstance(refusal, InvalidInput) or len(writes) == 1:
                raise refusal from error
            outcomes = [ABORTED] * len(writes)
            outcomes[actions[at].position] = WriteResult(Outcome.ERROR, error=refusal)
            return outcomes
        results = [ABORTED] * len(writes)
        changed_since = False
        for action, wire in failed:
            position, (part, write) = action.position, writes[action.position]
            if action.guard is not None or action.required is not None:
                continue
            if isinstance(write, Put):
                results[position] = EXISTS
                continue
            current = part.codec.read_stored(wire) if wire else None
            if position in items and current is not None and matcher(part.meta, write.when)(current.item):
                items[position], changed_since = current, True
            else:
                results[position] = MISSING if current is None else WriteResult(Outcome.FAILED, current.item)
        refused = {action.guard: action.position for action, _ in failed if action.guard}
        self._report_taken(writes, items, refused, results)
        unmet = [
            (position, attribute) for action, _ in failed for position, attribute in (action.required or {}).items()
        ]
        stored = [(part.meta, write) for part, write in writes]
        missing = {position for position, result in enumerate(results) if result.outcome is Outcome.MISSING}
        for position, attribute in [*unmet, *self._required.written(stored, missing)]:
            if results[position] is ABORTED:
                results[position] = WriteResult(Outcome.UNRELATED, index=attribute)
        return None if changed_since else results

    def _report_taken(
        self,
        writes: Writes,
        items: Items,
        refused: Mapping[str, int],
        results: list[WriteResult],
    ) -> None:
        """Find the writes whose unique values are taken, by simulating the writes one after the other.

        `refused`: the guards that were not free, each with the write whose action failed. A guard stays taken
        until a write releases it.
        """
        values = [part.values(write, _item(items, position)) for position, (part, write) in enumerate(writes)]
        taken_guards = {*refused}.union(*(before for before, _ in values))
        for position, (before, after) in enumerate(values):
            if results[position] is not ABORTED:
                continue  # a refused write neither assigns nor releases
            taken = next(
                (index for guard, index in after.items() if guard not in before and guard in taken_guards), None
            )
            if taken is None:
                taken_guards = taken_guards.difference(before).union(after)
            else:
                results[position] = WriteResult(Outcome.EXISTS, index=taken)
        if all(one is ABORTED for one in results):
            # an item stored before its index was unique has no row to release
            for guard, position in refused.items():
                results[position] = WriteResult(Outcome.EXISTS, index=values[position][1][guard])

    def _committed(self, writes: Writes, items: Items) -> list[WriteResult]:
        """Return the results of writes that are done."""
        results = [DONE] * len(writes)
        unknown: list[int] = []
        for position, (part, write) in enumerate(writes):
            if isinstance(write, Put):
                results[position] = WriteResult(Outcome.DONE, write.item)
            elif isinstance(write, Patch):
                item = _item(items, position)
                if item is not None and part.versions and part.guards.concern(write):  # its version was unchanged
                    results[position] = WriteResult(Outcome.DONE, changed(part.meta, item, write.changes))
                else:
                    unknown.append(position)
        try:
            found = _read_each(writes, unknown)
        except PersistyError as error:
            error.details["in_doubt"] = True
            raise
        for position in found:
            results[position] = WriteResult(Outcome.DONE, _item(found, position))
        return results


Items = Mapping[int, StoredItem | None]
"""Position of a write → its current item, None if there is none."""


def _item(items: Items, position: int) -> Any:
    stored = items.get(position)
    return None if stored is None else stored.item


def _read_each(writes: Writes, positions: Sequence[int]) -> dict[int, StoredItem | None]:
    """Return position → the current item of the write there, with one read for each store."""
    found: dict[int, StoredItem | None] = {}
    for part in dict.fromkeys(writes[position][0] for position in positions):
        own_positions = [position for position in positions if writes[position][0] is part]
        found |= zip(
            own_positions, part.read([part.key(writes[position][1]) for position in own_positions]), strict=True
        )
    return found


def _text(of: tuple[Part[Any], Write]) -> str:
    """Return the string key of the item that is written."""
    part, write = of
    return part.meta.key_codec.text(part.key(write))


def _too_large() -> BatchTooLarge:
    message = f"DynamoDB writes at most {MAX_ATOMIC} items atomically, and a unique value counts as one more"
    return BatchTooLarge(message, limit=MAX_ATOMIC)
