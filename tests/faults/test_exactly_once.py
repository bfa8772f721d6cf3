"""Any write through any faults, compared with a model: each write is done once or not at all, and its outcome agrees.

```
ok            done                    in doubt      done or not done
refused       not done, as expected   unavailable   not done
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from persisty import App, Create, Delete, Store, Update, add, append

from .items import A, Account, S, Slot
from .proxy import AFTER, BEFORE, Fault, FaultProxy, carried, partly
from .verdict import DOUBT, OK, UNAVAILABLE, verdict, verdict_of

FAULTS: dict[str, Fault] = {"none": carried, "partly": partly} | BEFORE | AFTER
Row = Mapping[str, Any]
"""The attributes of an item in the model."""


class Step(Struct, frozen=True):
    """An edit of one of a few keys. Some verbs use `amount` and `when`."""

    verb: str
    key: int
    amount: int
    when: bool

    def edit(self, item: type[Any], key: Any) -> Any:
        when = None
        if self.when:
            when = A.balance == self.amount if item is Account else S.count == self.amount
        number = "balance" if item is Account else "count"
        match self.verb:
            case "create":
                return Create(item(id=key, **{number: self.amount}))
            case "delete":
                return Delete(key, when)
            case "set":
                return Update(key, {number: self.amount + 1}, when)
            case "add":
                return Update(key, {number: add(self.amount + 1)}, when)
        return Update(key, {"log": append(f"{self.amount}")} if item is Account else {"owner": f"{self.amount}"}, when)

    def done(self, item: type[Any], row: Row | None) -> tuple[str, Row | None]:
        """Return the error code or `ok`, and the row afterwards."""
        number = "balance" if item is Account else "count"
        if self.verb == "create":
            return ("conflict", row) if row else (OK, {number: self.amount, "log": (), "owner": None})
        if row is None:
            return "not_found", row
        if self.when and row[number] != self.amount:
            return "precondition_failed", row
        match self.verb:
            case "delete":
                return OK, None
            case "set":
                return OK, {**row, number: self.amount + 1}
            case "add":
                return OK, {**row, number: row[number] + self.amount + 1}
        if item is Account:
            return OK, {**row, "log": (*row["log"], f"{self.amount}")}
        return OK, {**row, "owner": f"{self.amount}"}


def row_of(item: Any) -> Row | None:
    if item is None:
        return None
    number = "balance" if isinstance(item, Account) else "count"
    return {number: getattr(item, number), "log": tuple(getattr(item, "log", ())), "owner": item.owner}


def alone(store: Store[Any], edit: Any) -> str:
    """Return the outcome of an edit that is sent as a single write."""
    match edit:
        case Create(item):
            return verdict(lambda: store.create(item))
        case Delete(key, when):
            gone: list[bool] = []
            outcome = verdict(lambda: gone.append(store.delete(key, when=when)))
            return "not_found" if gone == [False] else outcome
    found: list[Any] = []
    outcome = verdict(lambda: found.append(store.update(edit.key, edit.changes, when=edit.when)))
    return "not_found" if found == [None] else outcome


STEPS = st.builds(
    Step,
    st.sampled_from(["create", "create", "set", "add", "append", "delete"]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([False, False, True]),
)
SOME_FAULTS = st.one_of(
    st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=7),
    st.sampled_from(sorted(AFTER)).map(lambda name: [name]),
)


def turns_through(faults: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Generate turns. A turn has edits, the way in which they are sent, and the faults that they meet."""
    steps = st.lists(STEPS, min_size=1, max_size=3, unique_by=lambda step: step.key)
    return st.lists(st.tuples(steps, st.sampled_from(["each", "batch", "atomic"]), faults), min_size=2, max_size=6)


def agrees(item: type[Any], step: Step, before: Row | None, after: Row | None, outcome: str) -> bool:
    """Return whether the rows before and after an edit agree with its outcome."""
    expected, done = step.done(item, before)
    match outcome:
        case "ok":
            return expected == OK and after == done
        case "in doubt":
            return after in (before, done)
        case "unavailable":
            return after == before
    return outcome == expected and after == before


def check_atomic(
    item: type[Any],
    steps: Sequence[Step],
    before: Sequence[Row | None],
    after: Sequence[Row | None],
    outcome: Sequence[str],
) -> None:
    due = [step.done(item, row) for step, row in zip(steps, before, strict=True)]
    expected = [code for code, _ in due]
    possible = all(code == OK for code in expected)
    everything = [row for _, row in due]
    if outcome[0] == DOUBT:
        assert list(after) in ([list(before), everything] if possible else [list(before)])
    elif outcome[0] == UNAVAILABLE:
        assert list(after) == list(before)
    elif possible:
        assert (list(outcome), list(after)) == (expected, everything)
    else:
        assert list(outcome) == ["aborted" if code == OK else code for code in expected]
        assert list(after) == list(before)


def run(
    item: type[Any], store: Store[Any], really: Store[Any], inject: Callable[[Any], None], turns: Sequence[Any]
) -> None:
    """Run the turns and compare each outcome with the model. One of the keys is free at first. `inject` applies faults to the next requests."""
    keys = [uuid4() if item is Account else uuid4().hex for _ in range(3)]
    for key in keys[1:]:
        really.create(item(id=key))
    for steps, way, faults in turns:
        edits = [step.edit(item, keys[step.key]) for step in steps]
        before = list(map(row_of, really.read_batch([keys[step.key] for step in steps])))
        inject(faults)
        outcome = ways(way)(store, edits)
        after = list(map(row_of, really.read_batch([keys[step.key] for step in steps])))
        if way == "atomic":
            check_atomic(item, steps, before, after, outcome)
        else:
            for step, one_before, one_after, code in zip(steps, before, after, outcome, strict=True):
                assert agrees(item, step, one_before, one_after, code), (step, one_before, one_after, code)


def ways(way: str) -> Callable[[Store[Any], Sequence[Any]], list[str]]:
    if way == "each":
        return lambda store, edits: [alone(store, edit) for edit in edits]

    def batch(store: Store[Any], edits: Sequence[Any]) -> list[str]:
        results: list[Any] = []
        outcome = verdict(lambda: results.extend(store.edit_batch(edits, atomic=way == "atomic")))
        return [verdict_of(one.error) for one in results] if outcome == OK else [outcome] * len(edits)

    return batch


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(item=st.sampled_from([Account, Slot]), turns=turns_through(SOME_FAULTS))
def test_every_write_is_done_once_or_not_at_all_and_the_outcome_agrees(
    far: App, near: App, proxy: FaultProxy, item: type[Any], turns: Sequence[Any]
) -> None:
    def inject(faults: Sequence[str]) -> None:
        proxy.faults(*(FAULTS[name] for name in faults))

    run(item, far.store(item), near.store(item), inject, turns)
