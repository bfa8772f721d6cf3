"""A few linked items (towns, people, clubs) for the tests of filters through links and of loaded links."""

from __future__ import annotations

from typing import Any

from .items import Club, Desk, Membership, Person, Town

TOWNS = [Town(name="Aix", size=3), Town(name="Bar", size=20), Town(name="Cuba", size=0)]
PEOPLE = [
    Person(name="Ann", age=30, town_name="Aix"),
    Person(name="Ben", age=41, town_name="Aix", boss_name="Ann"),
    Person(name="Cleo", age=17, town_name="Bar", boss_name="Ann"),
    Person(name="Dan", age=17, boss_name="Ben"),
    Person(name="Eve", age=65, town_name="Bar", boss_name="Ben"),
    Person(name="Fay'", age=0, town_name="Aix"),
]
DESKS = [Desk(number=1, person_name="Ann"), Desk(number=2, person_name="Dan")]
CLUBS = [Club(name="chess", fee=1), Club(name="golf", fee=100), Club(name="void")]
MEMBERSHIPS = [
    Membership(club_name=club, person_name=person)
    for club, person in (("chess", "Ann"), ("chess", "Dan"), ("chess", "Eve"), ("golf", "Ann"), ("golf", "Fay'"))
]
COUNTY: dict[Any, list[Any]] = {Town: TOWNS, Person: PEOPLE, Desk: DESKS, Club: CLUBS, Membership: MEMBERSHIPS}
"""Item → its stored items, in an order that satisfies foreign keys."""
