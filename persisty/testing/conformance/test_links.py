"""Links: filters through them, and loading them for many items at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import Create, Filter, InvalidQuery, ResultPage, Store, Update
from persisty.model.expressions import Linked

from .county import CLUBS, DESKS, MEMBERSHIPS, PEOPLE, TOWNS
from .fixtures import present
from .items import Club, Desk, Membership, Person, Town

Stores = dict[type[Any], Store[Any]]
ANY_PERSON: Any = Person
"""For `any` of links to one item, which a type checker rejects."""
Test = Callable[[Any], bool]


def behind(person: Any, name: str) -> list[Any]:
    """Return the items behind a link of a person, computed from the lists."""
    clubs = [one.club_name for one in MEMBERSHIPS if one.person_name == person.name]
    found: dict[str, list[Any]] = {
        "town": [one for one in TOWNS if one.name == person.town_name],
        "boss": [one for one in PEOPLE if one.name == person.boss_name],
        "staff": [one for one in PEOPLE if one.boss_name == person.name],
        "desk": [one for one in DESKS if one.person_name == person.name],
        "clubs": [one for one in CLUBS if one.name in clubs],
    }
    return found[name]


def through(name: str, test: Test) -> Test:
    return lambda person: any(map(test, behind(person, name)))


FILTERS: list[tuple[Filter, Test]] = [
    (Person.town.size > 3, through("town", lambda town: town.size > 3)),
    (Person.town.name == "Aix", through("town", lambda town: town.name == "Aix")),
    (ANY_PERSON.town.any(), through("town", lambda town: True)),
    (~ANY_PERSON.town.any(), lambda person: not behind(person, "town")),
    (Person.town.size != 3, through("town", lambda town: town.size != 3)),
    (~(Person.town.size == 3), lambda person: not through("town", lambda town: town.size == 3)(person)),
    (Person.boss.age >= 41, through("boss", lambda boss: boss.age >= 41)),
    (Person.boss.boss.name == "Ann", through("boss", through("boss", lambda boss: boss.name == "Ann"))),
    (Person.boss.town.size.oneof([3, 20]), through("boss", through("town", lambda town: town.size in (3, 20)))),
    (Person.staff.age < 18, through("staff", lambda one: one.age < 18)),
    (
        Person.staff.any((Person.age < 18) & (Person.town.name == "Bar")),
        through("staff", lambda one: one.age < 18 and one.town_name == "Bar"),
    ),
    (Person.desk.number > 1, through("desk", lambda desk: desk.number > 1)),
    (ANY_PERSON.desk.any(), through("desk", lambda desk: True)),
    (Person.clubs.fee > 1, through("clubs", lambda club: club.fee > 1)),
    (~Person.clubs.any(), lambda person: not behind(person, "clubs")),
    (Person.clubs.name.startswith("ch"), through("clubs", lambda club: club.name.startswith("ch"))),
    (Person.boss.name.icontains("ANN"), through("boss", lambda boss: "ann" in boss.name.casefold())),
    (Person.boss.clubs.any(Club.fee == 100), through("boss", through("clubs", lambda club: club.fee == 100))),
    (Person.age > 17, lambda person: person.age > 17),
    (Person.town_name.is_null(), lambda person: person.town_name is None),
]


def names(people: Any) -> list[str]:
    return sorted(one.name for one in people)


@pytest.mark.parametrize(("where", "test"), FILTERS, ids=[str(where) for where, _ in FILTERS])
def test_a_filter_through_a_link_finds_items_with_a_matching_linked_item(
    county: Stores, where: Filter, test: Test
) -> None:
    people, expected = county[Person], names(filter(test, PEOPLE))
    assert names(people.search(where)) == expected
    assert people.count(where) == len(expected)
    assert names(people.search(~where)) == names(one for one in PEOPLE if not test(one))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    picked=st.lists(st.tuples(st.sampled_from(FILTERS), st.booleans()), min_size=2, max_size=4), either=st.booleans()
)
def test_filters_through_links_combine(county: Stores, picked: list[Any], either: bool) -> None:
    terms = [(~where if negated else where, test, negated) for (where, test), negated in picked]
    where = terms[0][0]
    for term, _, _ in terms[1:]:
        where = where | term if either else where & term

    def matches(person: Any) -> bool:
        return (any if either else all)(test(person) is not negated for _, test, negated in terms)

    assert names(county[Person].search(where)) == names(filter(matches, PEOPLE))


def test_pages_orders_and_aggregates_work_with_filters_through_links(county: Stores) -> None:
    people = county[Person]
    where = ANY_PERSON.boss.any()
    first = people.search(where, order=Person.age.desc(), limit=3)
    assert [one.name for one in first] == ["Eve", "Ben", "Cleo"]
    rest = people.search(where, order=Person.age.desc(), limit=3, cursor=first.cursor)
    assert [one.name for one in rest] == ["Dan"]
    assert rest.cursor is None
    assert people.count_by(Person.town_name, where) == {"Aix": 1, "Bar": 2, None: 1}
    [group] = people.aggregate(Person.age.max(), where=Person.clubs.fee == 1)
    assert group.values == (65,)


def test_a_write_may_depend_on_linked_items(linked: Stores) -> None:
    linked[Town].create(Town(name="Aix", size=3))
    people = linked[Person]
    people.create(Person(name="Ann", town_name="Aix"))
    people.create(Person(name="Ben"))
    assert present(people.update("Ann", {"age": 1}, when=Person.town.size == 3)).age == 1
    results = [people.edit_batch([]), people.update_all({"age": 9}, ANY_PERSON.town.any()).changed]
    assert results == [[], 1]
    assert {one.name: one.age for one in people.search()} == {"Ann": 9, "Ben": 0}
    assert people.delete_all(~ANY_PERSON.town.any()).changed == 1
    assert names(people.search()) == ["Ann"]


def nested(links: int, levels: int) -> Filter:
    """Return a filter with `links` links that follow each other, and `levels` levels of and, or and not between them."""
    where = Person.age >= 0
    for link in range(links):
        for level in range(levels):
            where = ~(where | (Person.age == level)) if level % 2 else where & (Person.age >= -level)
        where = Person.staff.any(where) if link % 2 else ~Linked("boss", where)
    return where


@pytest.mark.parametrize(("links", "levels"), [(5, 0), (5, 4), (1, 28), (4, 6)])
def test_filters_through_links_within_the_limits_reach_every_engine(linked: Stores, links: int, levels: int) -> None:
    people, where = linked[Person], nested(links, levels)
    for name, boss in (("Ann", None), ("Ben", "Ann"), ("Cleo", "Ben")):
        people.create(Person(name=name, boss_name=boss))
    found = len(people.search(where, order="age").items)
    assert people.count(where) == sum(people.count_by("age", where).values()) == found
    assert people.update_all({"age": 1}, where & (Person.age == 7)).changed == 0
    assert people.delete_all(where & (Person.age == 7), limit=1).changed == 0
    assert sum(len(page.items) for page in people.related("staff", people.search().items, where)) <= found
    codes = {one.code for one in people.edit_batch([Update(name, {"age": 1}, where) for name in ("Ann", "Ben")])}
    assert codes <= {"ok", "precondition_failed"}


@pytest.mark.parametrize("links", [6, 10, 11])
def test_too_many_links_are_rejected_before_the_engine_is_called(county: Stores, links: int) -> None:
    people, where = county[Person], nested(links, 0)
    for call in (
        lambda: people.search(where),
        lambda: people.count(where),
        lambda: people.update_all({"age": 1}, where),
        lambda: people.delete("Ann", when=where),
        lambda: people.related("staff", PEOPLE, where),
    ):
        with pytest.raises(InvalidQuery) as caught:
            call()
        assert "Too many links" in caught.value.faults[0].message


def test_linked_items_are_loaded_in_the_positions_of_their_items(county: Stores) -> None:
    people = county[Person]
    items = list(people.search(order=Person.name))
    assert [town and town.name for town in people.related("town", items)] == ["Aix", "Aix", "Bar", None, "Bar", "Aix"]
    assert [boss and boss.name for boss in people.related("boss", items)] == [None, "Ann", "Ann", "Ben", "Ben", None]
    assert [desk and desk.number for desk in people.related("desk", items)] == [1, None, None, 2, None, None]
    assert people.related("staff_count", items) == [2, 2, 0, 0, 0, 0]
    assert people.related("club_count", items) == [2, 0, 0, 1, 1, 1]
    assert people.related("town", []) == []


def test_each_item_has_its_own_page(county: Stores) -> None:
    towns, people = county[Town], county[Person]
    items = list(towns.search(order=Town.name))
    pages = towns.related("people", items, order=Person.age.desc(), limit=2)
    assert [[one.name for one in page] for page in pages] == [["Ben", "Ann"], ["Eve", "Cleo"], []]
    assert [page.cursor is None for page in pages] == [False, True, True]
    [more] = towns.related("people", items[:1], order=Person.age.desc(), limit=2, cursor=pages[0].cursor)
    assert [one.name for one in more] == ["Fay'"]
    assert more.cursor is None
    same = people.search(Person.town_name == "Aix", order=Person.age.desc(), limit=2, cursor=pages[0].cursor)
    assert same == more
    grown = towns.related("people", items, Person.age > 17, order=Person.age)
    assert [[one.name for one in page] for page in grown] == [["Ann", "Ben"], ["Eve"], []]
    unordered = towns.related("people", items)
    assert [names(page) for page in unordered] == [["Ann", "Ben", "Fay'"], ["Cleo", "Eve"], []]


def test_paging_continues_when_linked_items_change_between_pages(linked: Stores) -> None:
    people, towns = linked[Person], linked[Town]
    for number in range(6):
        towns.create(Town(name=f"t{number}", size=number % 2))
    people.edit_batch([Create(Person(name=f"p{n:02}", age=n % 3, town_name=f"t{n % 6}")) for n in range(36)])
    where, seen, cursor = (Person.town.size >= 1) & (Person.age >= 0), list[str](), None
    for sizes in ((1, 1, 0, 1, 0, 0), (0, 1, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1), (0, 1, 0, 0, 0, 0), (0, 1, 0, 1, 0, 1)):
        page = people.search(where, limit=3, cursor=cursor, allow_scan=True)
        seen += [one.name for one in page.items]
        people.update_all({"age": 1}, where, limit=2, allow_scan=True)
        if page.cursor is None:
            break
        cursor = page.cursor
        for number, size in enumerate(sizes):
            towns.update(f"t{number}", {"size": size})
    assert len(seen) == len(set(seen)) >= 6


def test_pages_of_linked_items_continue_without_an_order(county: Stores) -> None:
    towns = county[Town]
    aix = towns.read("Aix")
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        [page] = towns.related("people", [aix], limit=1, cursor=cursor)
        seen += [one.name for one in page]
        cursor = page.cursor
    assert cursor is None
    assert sorted(seen) == ["Ann", "Ben", "Fay'"]


def test_items_behind_a_join_item(county: Stores) -> None:
    people, clubs = county[Person], county[Club]
    items = list(people.search(order=Person.name))
    pages = people.related("clubs", items, order=Club.fee.desc(), limit=1)
    assert [[one.name for one in page] for page in pages] == [["golf"], [], [], ["chess"], ["chess"], ["golf"]]
    [more] = people.related("clubs", items[:1], order=Club.fee.desc(), limit=1, cursor=pages[0].cursor)
    assert [one.name for one in more] == ["chess"]
    assert more.cursor is None
    members = clubs.related("members", list(clubs.search(order=Club.name)), Person.age > 17)
    assert [names(page) for page in members] == [["Ann", "Eve"], ["Ann"], []]


def test_pages_behind_a_join_item_continue_without_an_order(county: Stores) -> None:
    people, ann = county[Person], county[Person].read("Ann")
    [first] = people.related("clubs", [ann], limit=1)
    assert [[one.name for one in first], first.cursor is None] == [["chess"], False]
    [rest] = people.related("clubs", [ann], limit=1, cursor=first.cursor)
    assert [[one.name for one in rest], rest.cursor] == [["golf"], None]


def test_links_returns_copies_with_linked_items(county: Stores) -> None:
    people: Store[Person] = county[Person]
    page = people.links(people.search(Person.age == 17, order=Person.name), "boss.town", Person.clubs, "staff_count")
    assert isinstance(page, ResultPage)
    cleo, dan = page
    assert isinstance(cleo, Person)
    boss = present(cleo.boss)
    assert (boss.name, present(boss.town).name, present(dan.boss).name) == ("Ann", "Aix", "Ben")
    assert [[one.name for one in person.clubs] for person in page] == [[], ["chess"]]
    assert (cleo.staff_count, dan.town_name) == (0, None)
    dan = people.links(present(people.read("Dan")))
    assert dan.town is None
    assert people.links(dan, "boss") == dan
    with pytest.raises(InvalidQuery) as caught:
        people.links(page, "nobody")
    assert [fault.path for fault in caught.value.faults] == ["/nobody"]


def test_reading_a_link_that_is_not_loaded_raises_an_attribute_error(county: Stores) -> None:
    ann = present(county[Person].read("Ann"))
    with pytest.raises(AttributeError, match="not loaded"):
        _ = ann.town
    loaded = county[Person].links(ann, "boss")
    assert loaded.boss is None
    with pytest.raises(AttributeError, match="town is a link that is not loaded"):
        _ = loaded.town
    again = county[Person].links(loaded, "clubs")
    assert (again.boss, names(again.clubs)) == (None, ["chess", "golf"])
    assert msgspec.to_builtins(again).keys() & {"boss", "clubs", "town", "desk"} == {"boss", "clubs"}
    assert present(county[Membership].read(("golf", "Ann"))).club_name == "golf"
    assert county[Desk].related("person", [Desk(number=3, person_name="nobody")]) == [None]
