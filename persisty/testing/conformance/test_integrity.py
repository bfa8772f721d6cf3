"""Foreign keys and referential actions: a target must exist, and `on_delete` applies to items that belong to a deleted one."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import Any

import pytest

from persisty import Conflict, Create, Delete, InvalidInput, PersistyError, Store, Unsupported, Update
from persisty.store.backend import Capabilities

from .fixtures import present
from .items import Club, Desk, Membership, Person, Town

Stores = dict[type[Any], Store[Any]]


def paths(error: PersistyError | None) -> list[str]:
    return [fault.path for fault in error.faults] if error else []


def test_a_missing_target_is_rejected_and_nothing_is_written(linked: Stores) -> None:
    people = linked[Person]
    with pytest.raises(InvalidInput) as caught:
        people.create(Person(name="Ann", town_name="Aix"))
    assert paths(caught.value) == ["/town_name"]
    assert people.count() == 0
    linked[Town].create(Town(name="Aix"))
    assert people.create(Person(name="Ann", town_name="Aix")).town_name == "Aix"
    with pytest.raises(InvalidInput) as caught:
        people.update("Ann", {"boss_name": "Ben", "age": 3})
    assert paths(caught.value) == ["/boss_name"]
    assert present(people.read("Ann")).age == 0
    assert present(people.update("Ann", {"boss_name": "Ann", "age": 3})).boss_name == "Ann"
    assert present(people.update("Ann", {"boss_name": None, "town_name": None})).age == 3


def test_other_errors_are_reported_before_a_missing_target(linked: Stores) -> None:
    people = linked[Person]
    people.create(Person(name="Ann"))
    with pytest.raises(Conflict):
        people.create(Person(name="Ann", town_name="Aix"))
    assert people.update("Ben", {"town_name": "Aix"}) is None
    with pytest.raises(PersistyError) as caught:
        people.update("Ann", {"town_name": "Aix"}, when=Person.age == 1)
    assert caught.value.code == "precondition_failed"


def test_each_edit_of_a_batch_requires_its_own_target(linked: Stores) -> None:
    people = linked[Person]
    linked[Town].create(Town(name="Aix"))
    results = people.edit_batch(
        [
            Create(Person(name="Ann", town_name="Aix")),
            Create(Person(name="Ben", town_name="Bar")),
            Update("Ann", {"town_name": "Cuba"}),
            Create(Person(name="Cleo")),
            Update("Ann", {"age": 7, "town_name": "Aix"}),
        ]
    )
    assert [one.code for one in results] == ["ok", "invalid_input", "invalid_input", "ok", "ok"]
    assert paths(results[2].error) == ["/edits/2/changes/town_name"]
    assert {one.name: one.age for one in people.search()} == {"Ann": 7, "Cleo": 0}


def test_an_atomic_batch_with_a_missing_target_writes_nothing(linked: Stores) -> None:
    people = linked[Person]
    linked[Town].create(Town(name="Aix"))
    batch = [
        Create(Person(name=name, town_name=town)) for name, town in (("Ann", "Aix"), ("Ben", "Bar"), ("Cleo", "Aix"))
    ]
    results = people.edit_batch(batch, atomic=True)
    assert [one.code for one in results] == ["aborted", "invalid_input", "aborted"]
    assert people.count() == 0
    assert [one.code for one in people.edit_batch([batch[0], batch[2]], atomic=True)] == ["ok", "ok"]


def test_update_all_requires_its_target(linked: Stores) -> None:
    people = linked[Person]
    people.create(Person(name="Ann"))
    with pytest.raises(InvalidInput):
        people.update_all({"town_name": "Aix"})
    linked[Town].create(Town(name="Aix"))
    assert people.update_all({"town_name": "Aix"}).changed == 1


def test_dependents_of_a_deleted_item_are_deleted_block_it_or_lose_their_link(linked: Stores) -> None:
    towns, people, desks, clubs, memberships = (linked[item] for item in (Town, Person, Desk, Club, Membership))
    towns.create(Town(name="Aix"))
    for name, boss in (("Ann", None), ("Ben", "Ann"), ("Cleo", "Ben"), ("Dan", "Cleo"), ("Eve", None)):
        people.create(Person(name=name, boss_name=boss, town_name="Aix"))
    clubs.create(Club(name="chess"))
    for name in ("Ann", "Dan", "Eve"):
        memberships.create(Membership(club_name="chess", person_name=name))
    desks.create(Desk(number=1, person_name="Eve"))

    assert towns.delete("Aix")
    assert {one.town_name for one in people.search()} == {None}
    with pytest.raises(Conflict):
        people.delete("Eve")
    assert people.read("Eve") is not None
    assert memberships.count() == 3
    assert people.delete("Ann")
    assert [one.name for one in people.search()] == ["Eve"]
    assert [one.person_name for one in memberships.search()] == ["Eve"]
    assert clubs.delete("chess")
    assert memberships.count() == 0
    assert not people.delete("Ann")


def test_items_that_belong_to_each_other_are_deleted_together(linked: Stores) -> None:
    people = linked[Person]
    for name in ("Ann", "Ben"):
        people.create(Person(name=name))
    people.update("Ann", {"boss_name": "Ben"})
    people.update("Ben", {"boss_name": "Ann"})
    assert people.delete("Ann")
    assert people.count() == 0


def test_a_forbidden_delete_deletes_no_dependents(linked: Stores) -> None:
    people = linked[Person]
    people.create(Person(name="Ann"))
    people.create(Person(name="Ben", boss_name="Ann"))
    with pytest.raises(PersistyError) as caught:
        people.delete("Ann", when=Person.age == 5)
    assert caught.value.code == "precondition_failed"
    assert people.count() == 2


def test_batches_and_bulk_deletes_apply_referential_actions(linked: Stores, capabilities: Capabilities) -> None:
    people, desks = linked[Person], linked[Desk]
    for name, boss in (("Ann", None), ("Ben", "Ann"), ("Cleo", None), ("Dan", "Cleo"), ("Eve", None)):
        people.create(Person(name=name, boss_name=boss))
    desks.create(Desk(number=1, person_name="Eve"))
    results = people.edit_batch([Delete("Ann"), Delete("Eve"), Update("Cleo", {"age": 2})])
    assert [one.code for one in results] == ["ok", "conflict", "ok"]
    assert sorted(one.name for one in people.search()) == ["Cleo", "Dan", "Eve"]
    together = [Delete("Cleo"), Delete("Eve")]
    if not capabilities.transactions:
        with pytest.raises(Unsupported):
            people.edit_batch(together, atomic=True)
    else:
        assert [one.code for one in people.edit_batch(together, atomic=True)] == ["aborted", "conflict"]
        assert people.count() == 3
        desks.delete(1)
        assert [one.code for one in people.edit_batch(together, atomic=True)] == ["ok", "ok"]
        assert people.count() == 0
        return
    desks.delete(1)
    assert people.delete_all(Person.boss_name.is_null()).changed == 2
    assert people.count() == 0


@pytest.mark.parametrize("atomic", [False, True])
def test_a_foreign_key_may_lead_to_an_item_of_the_same_batch(linked: Stores, atomic: bool) -> None:
    people = linked[Person]
    tree = [Create(Person(name=f"p{n:02}", boss_name=f"p{(n - 1) // 3:02}" if n else None)) for n in range(60)]
    assert [one.code for one in people.edit_batch(tree, atomic=atomic)] == ["ok"] * 60
    assert people.delete("p00")
    assert people.count() == 0
    reverse = [Create(Person(name=name, boss_name=boss)) for name, boss in (("a", "b"), ("b", "c"), ("c", None))]
    expected = ["ok"] * 3 if atomic else ["invalid_input", "invalid_input", "ok"]
    assert [one.code for one in people.edit_batch(reverse, atomic=atomic)] == expected


def test_edits_of_a_batch_see_those_before_them(linked: Stores) -> None:
    people = linked[Person]
    people.edit_batch([Create(Person(name="z")), Create(Person(name="a", boss_name="z"))])
    when = Person.boss.age == 7
    ahead = [Update("a", {"age": 1}, when), Update("z", {"age": 7}), Update("a", {"age": 2}, when)]
    assert [one.code for one in people.edit_batch(ahead)] == ["precondition_failed", "ok", "ok"]
    together = [Update("z", {"age": 8}), Update("a", {"age": 3}, when)]
    assert [one.code for one in people.edit_batch(together, atomic=True)] == ["ok", "ok"]
    edits = [Create(Person(name="b", boss_name="a")), Delete("a"), Update("z", {"boss_name": "a"})]
    assert [one.code for one in people.edit_batch(edits)] == ["ok", "ok", "invalid_input"]
    assert [(one.name, one.age) for one in people.search()] == [("z", 8)]


def test_an_atomic_batch_reports_missing_targets_and_conflicts_together(linked: Stores) -> None:
    people, desks = linked[Person], linked[Desk]
    people.create(Person(name="Ann"))
    desks.create(Desk(number=1, person_name="Ann"))
    batch = [Delete("1"), Create(Desk(number=2, person_name="Ben")), Create(Desk(number=1, person_name="Ann"))]
    assert [one.code for one in desks.edit_batch(batch[:2], atomic=True)] == ["aborted", "invalid_input"]
    assert [one.code for one in desks.edit_batch(batch[1:], atomic=True)] == ["invalid_input", "conflict"]
    assert desks.count() == 1


def test_an_item_may_belong_to_itself(linked: Stores) -> None:
    people = linked[Person]
    assert people.create(Person(name="Ann", boss_name="Ann")).boss_name == "Ann"
    assert people.delete("Ann")
    [made] = people.edit_batch([Create(Person(name="Ann", boss_name="Ann"))], atomic=True)
    assert made.code == "ok"
    assert present(people.update("Ann", {"age": 1, "boss_name": "Ann"})).age == 1
    assert people.delete_all().changed == 1


def test_a_blocked_delete_writes_nothing(linked: Stores) -> None:
    people, desks, memberships = linked[Person], linked[Desk], linked[Membership]
    linked[Club].create(Club(name="chess"))
    for name, boss in (("a", None), ("b", "a"), ("c", "b"), ("d", "b"), ("e", None)):
        people.create(Person(name=name, boss_name=boss))
        memberships.create(Membership(club_name="chess", person_name=name))
    desks.create(Desk(number=1, person_name="d"))
    for call in (lambda: people.delete("a"), people.delete_all, lambda: people.delete_all(Person.name <= "a")):
        with pytest.raises(Conflict) as caught:
            call()
        assert (people.count(), memberships.count()) == (5, 5)
    assert (caught.value.details["changed"], caught.value.details["cursor"]) == (0, None)
    assert [one.code for one in people.edit_batch([Delete("a"), Delete("e")])] == ["conflict", "ok"]
    assert (people.count(), memberships.count()) == (4, 4)


def test_no_dependent_remains_after_a_concurrent_create_and_delete(linked: Stores) -> None:
    people, memberships, clubs = linked[Person], linked[Membership], linked[Club]
    clubs.create(Club(name="chess"))
    for turn in range(8):
        name = f"p{turn}"
        people.create(Person(name=name))
        barrier = Barrier(3)

        def join(name: str = name, barrier: Barrier = barrier) -> None:
            barrier.wait()
            memberships.edit_batch([Create(Membership(club_name="chess", person_name=name))])

        def leave(name: str = name, barrier: Barrier = barrier) -> None:
            barrier.wait()
            people.delete(name)

        threads = [Thread(target=one) for one in (join, leave, leave)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert people.read(name) is None
        assert memberships.count() == 0
