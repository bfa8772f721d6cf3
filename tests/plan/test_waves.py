"""Waves lead from the deployed tables to the declared ones, with one change of a table at a time, and losses are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty.deploy.deployed_changes import deployed_changes
from persisty.deploy.resources import Index, KeyAttribute
from persisty.deploy.waves import TableShape, Wave, losses, waves

ID = (KeyAttribute("id", "S"),)
NAMES = ("a", "b", "c", "d")
some_indexes = st.lists(
    st.builds(lambda name, type_: Index(f"by-{name}", KeyAttribute(name, type_), ()), st.sampled_from(NAMES), st.sampled_from("SN")),
    unique_by=lambda one: one.name,
    max_size=4,
).map(tuple)  # fmt: skip
tables = st.fixed_dictionaries(dict.fromkeys(("orders", "lines"), some_indexes))
State = dict[str, tuple[Index, ...]]


def shapes(indexes: State) -> dict[str, TableShape]:
    return {name: TableShape(name, ID, some) for name, some in indexes.items()}


def carried_out(wave: Wave, declared: State) -> State:
    return {name: tuple(wave.indexes.get(name, some)) for name, some in declared.items()}


@given(tables, tables)
def test_each_wave_makes_one_change_of_a_table_and_the_last_is_the_declaration(now: State, then: State) -> None:
    state = then
    for wave in waves(shapes(now), shapes(then)):
        after = carried_out(wave, now)
        for name in now:
            assert len({*state[name]} ^ {*after[name]}) <= 1
        state = after
    assert {name: {*some} for name, some in state.items()} == {name: {*some} for name, some in now.items()}


@given(tables, tables)
def test_functions_change_after_indexes_are_added_and_before_any_is_removed(now: State, then: State) -> None:
    found = waves(shapes(now), shapes(then))
    [whole] = [wave for wave in found if not wave.data_only]
    after = carried_out(whole, now)
    for name in now:
        kept = [one for one in then[name] if one.name not in {index.name for index in now[name]}]
        assert {*now[name], *kept} == {*after[name]}


@given(tables, tables, st.integers(0, 8))
def test_an_interrupted_run_continues(now: State, then: State, done: int) -> None:
    found = waves(shapes(now), shapes(then))
    state = then
    for wave in found[:done]:
        state = carried_out(wave, now)
    left = waves(shapes(now), shapes(state))
    changes = [wave for wave in left if wave.what != "functions and APIs"]
    rest = [wave for wave in found[done:] if wave.what != "functions and APIs"]
    assert len(changes) == len(rest)


def test_a_new_app_is_deployed_at_once() -> None:
    assert waves(shapes({"orders": (Index("by-a", KeyAttribute("a", "S"), ()),)}), {}) == (Wave("functions and APIs"),)


def test_losses_name_the_option_that_allows_them() -> None:
    by_a = Index("by-a", KeyAttribute("a", "S"), ())
    deployed = {
        "orders": TableShape("orders", ID, (by_a,), 3),
        "lines": TableShape("lines", ID),
        "old": TableShape("old", ID, (), 7),
    }
    declared = {
        "orders": TableShape("orders", ID, (Index("by-a", KeyAttribute("a", "N"), ()),)),
        "lines": TableShape("lines", (KeyAttribute("number", "N"),)),
        "new": TableShape("new", ID),
    }
    found = {one.name: one.message for one in losses(declared, deployed, ("orders", "lines", "old"))}
    assert list(found) == ["remove:old", "rebuild:orders.by-a", None]
    assert "about 7 items" in found["remove:old"]
    assert "from id (S) to number (N)" in found[None]


@pytest.mark.parametrize(("items", "said"), [(0, "about 0 items"), (1, "about 1 item"), (2, "about 2 items")])
def test_a_loss_counts_the_items(items: int, said: str) -> None:
    [loss] = losses({}, {"old": TableShape("old", ID, (), items)}, ["old"])
    assert loss.message.endswith(f"with {said}")


def test_differences_have_their_effect_and_what_allows_them() -> None:
    by_a, by_b = (Index(f"by-{name}", KeyAttribute(name, "S"), ()) for name in "ab")
    other = Index("by-c", KeyAttribute("c", "N"), ())
    deployed = {
        "orders": TableShape("orders", ID, (by_a, Index("by-c", KeyAttribute("c", "S"), ()))),
        "lines": TableShape("lines", ID),
        "old": TableShape("old", ID, (), 7),
    }
    declared = {
        "orders": TableShape("orders", ID, (by_b, other)),
        "lines": TableShape("lines", (KeyAttribute("number", "N"),)),
        "new": TableShape("new", ID),
    }
    changes, refused = deployed_changes(declared, deployed, ["orders", "lines", "old"])
    assert [(one.path, one.kind, one.effect.value, one.allow) for one in changes] == [
        ("/orders/by-b", "index_added", "waves", None),
        ("/orders/by-a", "index_removed", "waves", None),
        ("/new", "item_added", "safe", None),
        ("/old", "item_removed", "destructive", "remove:old"),
        ("/orders/by-c", "index_rebuilt", "destructive", "rebuild:orders.by-c"),
        ("/lines/key", "key_changed", "destructive", None),
    ]
    assert [one.path for one in refused] == ["/lines/key"]
    assert deployed_changes(declared, declared, [*declared]) == ([], {})
