"""An app before and after an item moves to another table with another key."""

from __future__ import annotations

from persisty import App, Attr, Index, everyone, stored


@stored(name="car", indexes=[Index("plate")], access=everyone)
class Car:
    id: Attr[str]
    plate: Attr[str]


@stored(name="car", table="car_2", key="plate", indexes=[Index("id")], access=everyone)
class Moved:
    plate: Attr[str]
    id: Attr[str]


before = App("shop", items=[Car], url="dynamodb://eu-west-1", stage="prod")
after = App("shop", items=[Moved], url="dynamodb://eu-west-1", stage="prod")
