"""PostgreSQL through lost connections: writes have the same outcomes as on DynamoDB, and the server reports whether a transaction committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import App, BackendUnavailable, Conflict, Create, Delete, PreconditionFailed, Update, add
from persisty.backends.sql.postgres import backend, pool, transaction_status
from persisty.model.generators import now
from persisty.store import in_doubt_writes as doubt

from ..postgres import schema_in
from ..unit.sql.proxy import Proxy
from .cases import WRITES, prepared, stored
from .items import ITEMS, A, Account, Member, S, Slot, Ticket
from .test_batches import accounts_of, batch_of, contents
from .test_exactly_once import run, turns_through
from .verdict import DOUBT, OK, verdict, verdicts


@pytest.fixture(scope="module")
def schema(postgres_url: str) -> str:
    return schema_in(postgres_url)


@pytest.fixture(scope="module")
def near(schema: str) -> Iterator[App]:
    """Yield an app that reads the stored items directly."""
    app = App("faults", items=ITEMS, url=schema)
    app.prepare()
    yield app
    app.close()


@pytest.fixture
def proxy(schema: str, tmp_path: Path) -> Iterator[Proxy]:
    made = Proxy(tmp_path, schema)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of the seconds that the code would have waited."""
    slept: list[float] = []
    for module in (pool, backend, transaction_status):
        monkeypatch.setattr(module, "sleep", slept.append)
    return slept


@pytest.fixture
def far(near: App, proxy: Proxy) -> Iterator[App]:
    """Yield an app that uses the same tables through the proxy, with an open connection."""
    app = App("faults", items=ITEMS, url=proxy.url)
    app.store(Slot).read("none")
    yield app
    app.close()


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_connection_is_lost_has_the_same_outcome_as_on_dynamodb(
    far: App, near: App, proxy: Proxy, name: str, carried: bool
) -> None:
    case = WRITES[name]
    key = prepared(near, case)
    expected = case.answer if carried else case.otherwise
    proxy.lose(1, delivered=carried)
    assert verdict(lambda: case.call(far.store(case.item), key)) == expected
    assert stored(near, case, key) == (case.after if carried or expected == OK else case.before)


def test_a_refusal_because_of_another_writers_item_is_not_in_doubt(
    far: App, near: App, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = near.store(Account).create(Account(owner="other"))
    accounts = far.store(Account)
    proxy.lose(1)
    with pytest.raises(Conflict):
        accounts.create(Account(id=other.id, owner="other"))
    monkeypatch.setattr(doubt, "now", lambda: now() + timedelta(hours=1))
    for call in (
        lambda: accounts.update(other.id, {"owner": "me"}, when=A.owner == "me"),
        lambda: accounts.delete(other.id, when=A.owner == "me"),
    ):
        proxy.lose(1)
        with pytest.raises(PreconditionFailed) as refused:
            call()
        assert refused.value.item == other
    assert near.store(Account).read(other.id) == other


def test_an_equal_item_of_another_writer_leaves_the_write_in_doubt(far: App, near: App, proxy: Proxy) -> None:
    other = near.store(Slot).create(Slot(id=uuid4().hex, owner="me"))
    proxy.lose(1)
    assert verdict(lambda: far.store(Slot).create(Slot(id=other.id, owner="me"))) == DOUBT
    proxy.lose(1)
    assert verdict(lambda: far.store(Slot).update(other.id, {"owner": "x"}, when=S.owner == "x")) == DOUBT
    assert near.store(Slot).read(other.id) == other


def test_a_unique_value_that_is_taken_is_a_conflict_after_any_fault(far: App, near: App, proxy: Proxy) -> None:
    taken, other = (near.store(Member).create(Member(name=uuid4().hex)) for _ in range(2))
    for call in (
        lambda: far.store(Member).create(Member(name=taken.name)),
        lambda: far.store(Member).update(other.id, {"name": taken.name}),
    ):
        proxy.lose(1)
        with pytest.raises(Conflict) as caught:
            call()
        assert caught.value.details["attributes"] == ["name"]
    made = uuid4().hex
    proxy.lose(1)
    assert far.store(Member).create(Member(name=made)).name == made


@pytest.mark.parametrize("carried", [True, False])
def test_a_batch_whose_connection_is_lost_is_done_once(far: App, near: App, proxy: Proxy, carried: bool) -> None:
    accounts = accounts_of(near)
    batch = batch_of(accounts)
    proxy.lose(1, delivered=carried)
    outcomes = verdicts(far.store(Account).edit_batch(batch))
    assert outcomes == [OK, OK, OK, OK if carried else DOUBT, OK if carried else DOUBT, DOUBT if carried else OK]
    assert contents(near, accounts, batch) == [True, True, True, carried, carried, True]


def test_several_edits_of_one_item_are_in_doubt_and_not_done_again(far: App, near: App, proxy: Proxy) -> None:
    made, other = near.store(Account).create(Account()), uuid4()
    batch: Sequence[Any] = [
        Update(made.id, {"balance": 1}),
        Update(made.id, {"balance": 2}),
        Create(Account(id=other)),
        Delete(other),
        Create(Account()),
    ]
    proxy.lose(1)
    assert verdicts(far.store(Account).edit_batch(batch)) == [DOUBT] * 4 + [OK]
    assert [one and (one.balance, one.version) for one in near.store(Account).read_batch([made.id, other])] == [
        (2, 3),
        None,
    ]


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("carried", [True, False])
def test_an_atomic_batch_is_done_once_and_reported_as_done(
    far: App, near: App, proxy: Proxy, turn: int, carried: bool
) -> None:
    """The connection is lost before or during COMMIT. The server reports the transaction's status by its id."""
    accounts = accounts_of(near)
    batch = batch_of(accounts)
    proxy.lose(turn, delivered=carried)
    results = far.store(Account).edit_batch(batch, atomic=True)
    assert verdicts(results) == [OK] * 6
    assert contents(near, accounts, batch) == [True] * 6
    assert [one.item for one in results[:-1]] == near.store(Account).read_batch([one.item.id for one in results[:-1]])


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("carried", [True, False])
def test_a_batch_that_is_written_one_by_one_is_done_once(
    far: App, near: App, proxy: Proxy, carried: bool, atomic: bool
) -> None:
    """A unique value that is taken restarts the batch with a savepoint before each write: about ten requests, each of which may be
    lost. A batch that is not atomic sends all its writes in the first request, whose loss leaves them in doubt."""
    taken, summed = (near.store(Member).create(Member(name=uuid4().hex)) for _ in range(2))
    new = Member(id=uuid4(), name=uuid4().hex)
    batch = [Update(summed.id, {"points": add(1)}), Create(Member(name=taken.name)), Create(new)]
    expected = ["aborted", "conflict", "aborted"] if atomic else [OK, "conflict", OK]
    for count, turn in enumerate(range(1 if atomic else 2, 13), start=1):
        proxy.lose(turn, delivered=carried)
        assert verdicts(far.store(Member).edit_batch(batch, atomic=atomic)) == expected
        found = near.store(Member).read_batch([summed.id, new.id])
        assert (found[0].points, found[1]) == ((0, None) if atomic else (count, new))
        if not atomic:
            near.store(Member).delete(new.id)


def test_a_transaction_without_a_known_status_is_in_doubt(
    far: App, near: App, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is too old, is still in progress, or its status cannot be read."""
    for answer in ("SELECT NULL", "SELECT 'in progress'", "SELECT missing_function()"):
        monkeypatch.setattr(transaction_status, "STATUS", answer + " WHERE $1::text IS NOT NULL")
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        proxy.lose(2)
        with pytest.raises(BackendUnavailable) as caught:
            far.store(Account).edit_batch(batch, atomic=True)
        assert caught.value.details["in_doubt"]
        assert contents(near, accounts, batch) == [True] * 6


def test_sequence_numbers_are_assigned_once_after_any_fault(far: App, near: App, proxy: Proxy) -> None:
    made: list[int] = []
    for carried in (True, False):
        for turn in (1, 2):
            proxy.lose(turn, delivered=carried)
            made.append(far.store(Ticket).create(Ticket()).number if turn == 1 else _lost_ticket(far))
    assert made == sorted(set(made))
    assert {one.number for one in near.store(Ticket).search_all()} >= set(made)


def _lost_ticket(far: App) -> int:
    """Create a ticket and return its number. The create is in doubt if its item existed before it was sent again."""
    outcome = verdict(lambda: far.store(Ticket).create(Ticket()))
    assert outcome in (OK, DOUBT)
    return max(one.number for one in far.store(Ticket).search_all())


def test_an_update_of_many_that_is_lost_is_in_doubt_and_done_once(far: App, near: App, proxy: Proxy) -> None:
    owner = uuid4().hex
    made = [near.store(Slot).create(Slot(id=uuid4().hex, owner=owner)).id for _ in range(3)]
    proxy.lose(1)
    with pytest.raises(BackendUnavailable) as caught:
        far.store(Slot).update_all({"count": add(1)}, S.owner == owner)
    assert caught.value.details == {"in_doubt": True, "changed": 0, "cursor": None}
    assert {one.count for one in near.store(Slot).read_batch(made) if one} == {1}


LOSSES = st.tuples(st.sampled_from([1, 1, 2, 3]), st.booleans())
"""The request whose connection is lost, and whether it is executed."""


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(item=st.sampled_from([Account, Slot]), turns=turns_through(LOSSES))
def test_every_write_is_done_once_or_not_at_all_and_the_outcome_agrees(
    far: App, near: App, proxy: Proxy, item: type[Any], turns: Sequence[Any]
) -> None:
    run(item, far.store(item), near.store(item), lambda fault: proxy.lose(fault[0], delivered=fault[1]), turns)
