"""`add` and `append` run in the engine: no concurrent change is lost, and no sum leaves its attribute's bounds."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import InvalidInput, PreconditionFailed, Store, Update, add, append

from .fixtures import present
from .items import Meter
from .test_concurrency import THREADS, at_once

HALF: Any = 1.5
MAX, MIN = 2**63 - 1, -(2**63)


def test_add_returns_the_new_number_and_counts_null_as_zero(meters: Store[Meter]) -> None:
    meters.create(Meter(name="a", total=5))
    assert present(meters.update("a", {"total": add(3)})).total == 8
    assert present(meters.update("a", {"total": add(-10)})).total == -2
    assert present(meters.update("a", {"total": add(0)})).total == -2
    assert present(meters.update("a", {"maybe": add(4)})).maybe == 4
    changed = meters.update("a", {"maybe": None, "total": add(2), "log": ["x"]})
    assert changed == meters.read("a") == Meter(name="a", log=["x"])
    assert present(meters.update("a", {"maybe": add(-1)})).maybe == -1
    assert meters.update("missing", {"total": add(1)}) is None


def test_append_returns_the_new_list_and_counts_null_as_empty(meters: Store[Meter]) -> None:
    meters.create(Meter(name="a", log=["one"]))
    assert present(meters.update("a", {"log": append("two", "three")})).log == ["one", "two", "three"]
    assert present(meters.update("a", {"log": append()})).log == ["one", "two", "three"]
    values: list[Any] = [None, 1, 2.5, "\0", "ü😀", "]", '"', [], {}, {"a": [None, {"b": "x"}]}, [[1], 2], True, 10**30]
    for value in values:
        meters.update("a", {"anything": append(value)})
    found = meters.read("a")
    assert found is not None
    assert (found.log, found.anything) == (["one", "two", "three"], values)
    assert list(map(type, found.anything or ())) == list(map(type, values))
    assert present(meters.update("a", {"anything": append(*values)})).anything == values * 2
    assert present(meters.update("a", {"anything": None})).anything is None
    assert meters.update("missing", {"log": append("x")}) is None


@pytest.mark.parametrize(("start", "amount", "end"), [(0, 10, 10), (10, -20, -10), (-10, 0, -10), (3, -4, -1)])
def test_a_sum_within_bounds(meters: Store[Meter], start: int, amount: int, end: int) -> None:
    meters.create(Meter(name="a", level=start))
    assert present(meters.update("a", {"level": add(amount)})).level == end


@pytest.mark.parametrize(("start", "amount"), [(0, 11), (10, 1), (-10, -1), (-10, 21), (5, MAX), (-5, MIN)])
def test_a_sum_out_of_bounds_is_invalid_input_and_changes_nothing(
    meters: Store[Meter], start: int, amount: int
) -> None:
    before = meters.create(Meter(name="a", level=start, log=["x"]))
    with pytest.raises(InvalidInput) as caught:
        meters.update("a", {"level": add(amount), "log": append("y"), "total": 9})
    assert [fault.path for fault in caught.value.faults] == ["/level"]
    [result] = meters.edit_batch([Update("a", {"level": add(amount)})])
    assert isinstance(result.error, InvalidInput)
    assert [fault.path for fault in result.error.faults] == ["/edits/0/changes/level"]
    assert meters.read("a") == before


def test_a_sum_stays_within_64_bits(meters: Store[Meter]) -> None:
    before = meters.create(Meter(name="a", total=MAX - 1, maybe=MIN))
    for changes in ({"total": add(2)}, {"maybe": add(-1)}, {"total": add(MAX)}):
        with pytest.raises(InvalidInput):
            meters.update("a", changes)
    assert meters.read("a") == before
    after = meters.update("a", {"total": add(1), "maybe": add(MAX)})
    assert after is not None
    assert (after.total, after.maybe) == (MAX, -1)


def test_a_false_condition_and_an_exceeded_bound_have_different_errors(meters: Store[Meter]) -> None:
    meters.create(Meter(name="a", level=10, total=1))
    with pytest.raises(PreconditionFailed) as caught:
        meters.update("a", {"level": add(1)}, when=Meter.total == 2)
    assert caught.value.item.level == 10
    with pytest.raises(InvalidInput):
        meters.update("a", {"level": add(1)}, when=Meter.total == 1)
    assert present(meters.update("a", {"level": add(-1)}, when=Meter.total == 1)).level == 9
    assert present(meters.update("a", {"total": add(1), "log": append("x")}, when=Meter.total == 1)).total == 2


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/name", {"name": add(1)}),
        ("/log", {"log": add(1)}),
        ("/total", {"total": append(1)}),
        ("/total", {"total": add(2**63)}),
        ("/total", {"total": add(HALF)}),
        ("/log", {"log": append(1)}),
        ("/log", {"log": append("\ud800")}),
        ("/log", {"log": append(*["x"], None)}),
    ],
    ids=repr,
)
def test_a_change_that_an_attribute_does_not_accept_is_rejected(
    meters: Store[Meter], path: str, changes: dict[str, Any]
) -> None:
    before = meters.create(Meter(name="a"))
    with pytest.raises(InvalidInput) as caught:
        meters.update("a", changes)
    assert {fault.path for fault in caught.value.faults} <= {path, f"{path}/0", f"{path}/1"}
    assert meters.read("a") == before


@pytest.mark.parametrize("atomic", [False, True])
def test_changes_in_batches(meters: Store[Meter], atomic: bool) -> None:
    for name in "ab":
        meters.create(Meter(name=name, level=9))
    edits = [Update(name, {"level": add(1), "log": append(name)}) for name in "ab"]
    assert [one.item for one in meters.edit_batch(edits, atomic=atomic)] == meters.read_batch("ab")
    assert meters.read("b") == Meter(name="b", level=10, log=["b"])
    meters.update("a", {"level": 0})
    codes = [one.code for one in meters.edit_batch(edits, atomic=atomic)]
    assert codes == ["aborted" if atomic else "ok", "invalid_input"]
    assert [(one.level, len(one.log)) for one in meters.search_all(order="name")] == [
        (0, 1) if atomic else (1, 2),
        (10, 1),
    ]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_batch_may_change_one_attribute_in_different_ways(meters: Store[Meter], atomic: bool) -> None:
    for name in "abcde":
        meters.create(Meter(name=name, level=1, maybe=1, log=["old"]))
    changes: list[dict[str, Any]] = [
        {"maybe": 7, "log": append("x")},
        {"maybe": add(2), "log": ["y"]},
        {"maybe": None, "log": append()},
        {"maybe": add(-1), "log": []},
        {"log": append("a", "b"), "level": add(9)},
    ]
    results = meters.edit_batch(map(Update, "abcde", changes), atomic=atomic)
    assert [one.code for one in results] == ["ok"] * 5
    assert [one.item for one in results] == meters.read_batch("abcde")
    assert [(one.level, one.maybe, one.log) for one in meters.search_all(order="name")] == [
        (1, 7, ["old", "x"]),
        (1, 3, ["y"]),
        (1, None, ["old"]),
        (1, 0, []),
        (10, 1, ["old", "a", "b"]),
    ]


def test_edits_of_one_item_in_a_batch_add_up(meters: Store[Meter]) -> None:
    meters.create(Meter(name="a"))
    results = meters.edit_batch(Update("a", {"total": add(1), "log": append(str(turn))}) for turn in range(5))
    assert [one.item.total for one in results if one.item] == [1, 2, 3, 4, 5]
    assert present(meters.read("a")).log == list("01234")


def test_concurrent_sums_are_not_lost(meters: Store[Meter]) -> None:
    meters.create(Meter(name="a"))

    def work(number: int) -> list[int]:
        return [
            present(meters.update("a", {"total": add(1), "log": append(f"{number}/{turn}")})).total for turn in range(5)
        ]

    totals = [total for some in at_once(work) for total in some]
    assert sorted(totals) == list(range(1, 5 * THREADS + 1))
    found = meters.read("a")
    assert found is not None
    assert found.total == 5 * THREADS
    assert sorted(found.log) == sorted(f"{number}/{turn}" for number in range(THREADS) for turn in range(5))
    for number in range(THREADS):
        assert [one for one in found.log if one.startswith(f"{number}/")] == [f"{number}/{turn}" for turn in range(5)]


def test_concurrent_sums_stay_within_bounds(meters: Store[Meter]) -> None:
    """More threads than ten try to take one of ten places."""
    meters.create(Meter(name="a"))

    def take(number: int) -> int:
        taken = 0
        for _ in range(3):
            try:
                meters.update("a", {"level": add(1)})
                taken += 1
            except InvalidInput:
                pass
        return taken

    assert sum(at_once(take)) == 10
    assert present(meters.read("a")).level == 10


def test_a_list_that_an_append_would_make_too_long_is_not_changed(meters: Store[Meter]) -> None:
    full = ["x" * 6_000] * 32
    meters.create(Meter(name="full", log=full))
    meters.create(Meter(name="short"))
    more = append("y" * 230_000)
    with pytest.raises(InvalidInput):
        meters.update("full", {"log": more, "total": 1})
    batch = [Update("full", {"log": more}), Update("short", {"log": more, "total": 2})]
    assert [one.code for one in meters.edit_batch(batch)] == ["invalid_input", "ok"]
    batch = [Update("short", {"total": 3}), Update("full", {"log": more})]
    try:
        codes = [one.code for one in meters.edit_batch(batch, atomic=True)]
    except InvalidInput as error:  # the engine does not report which edit
        codes = ["aborted", error.code] if [fault.path for fault in error.faults] == ["/edits"] else []
    assert codes == ["aborted", "invalid_input"]
    with pytest.raises(InvalidInput):
        meters.update_all({"log": more}, Meter.name == "full")
    assert meters.read("full") == Meter(name="full", log=full)
    assert present(meters.read("short")).total == 2
    assert len(present(meters.update("full", {"log": append("z")})).log) == 33
    assert present(meters.update("full", {"log": append()})).log[-1] == "z"
