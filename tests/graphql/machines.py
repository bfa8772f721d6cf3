"""An app whose items have lists and objects of every type, for the tests of nested values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from persisty import App, Attr, BelongsTo, public, stored

T = TypeVar("T")


class Colour(Enum):
    """The colours of parts."""

    RED = "red"
    BLUE = "blue"


class Size(Struct, frozen=True):
    """How large a part is."""

    width: Annotated[Decimal, Meta(description="In millimetres")]
    serial: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    count: int = 0


class Part(Struct, rename="camel", omit_defaults=True):
    name: str
    size: Size | None = None
    colour: Colour = Colour.RED
    built_at: datetime | None = None
    labels: list[str | None] = []
    notes: dict[str, Any] = {}
    grade: int | UnsetType = UNSET


class Card(TypedDict):
    title: str
    pages: NotRequired[Annotated[int, Meta(ge=0, le=900)]]


@dataclass
class Address:
    city: str
    zip: str | None = None


class Boxed(Struct, Generic[T]):
    inside: T


class Point(NamedTuple):
    x: int
    y: int


class Node(Struct):
    """A tree."""

    children: list[Node] = []


class Forest(Struct):
    trees: list[Node] = []


class Dashed(Struct, rename="kebab"):
    two_words: str


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    name: str


@stored(access=public)
class Maker:
    id: str


@stored(access=public)
class Machine:
    id: str
    parts: list[Part] = Attr(factory=list)
    main: Part | None = None
    card: Card | None = None
    grid: list[list[int]] | None = None
    spans: tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...] | None = None
    names: frozenset[str] | None = None
    address: Address | None = None
    boxed: Boxed[Address] | None = None
    point: Point | None = None
    pair: tuple[int, str] | None = None
    tree: Node | None = None
    forest: Forest | None = None
    dashed: Dashed | None = None
    pet: Cat | Dog | None = None
    free: dict[str, Any] | None = None
    frees: list[dict[str, int]] | None = None
    few: Annotated[list[str], Meta(max_length=3)] | None = None
    maker_id: str | None = None
    maker: BelongsTo[Maker]


APP = App("machines", items=[Machine, Maker])
TYPES = {
    "parts": "[Part!]!",
    "main": "Part",
    "card": "Card",
    "grid": "[[Float]!]",
    "spans": "[String!]",
    "names": "[String!]",
    "address": "Address",
    "boxed": "AddressBoxed",
    "few": "[String!]",
    **dict.fromkeys(("point", "pair", "tree", "forest", "dashed", "pet", "free", "frees"), "AWSJSON"),
}
PART = "{ name size { width serial count } colour builtAt labels notes grade }"
ALL = f"""id parts {PART} main {PART} card {{ title pages }} grid spans names address {{ city zip }}
    boxed {{ inside {{ city zip }} }} point pair tree forest dashed pet free frees few"""
PUMP: dict[str, Any] = {
    "name": "pump",
    "size": {"width": "1.5", "serial": str(2**62), "count": 3},
    "colour": "blue",
    "builtAt": "2030-01-01T00:00:00Z",
    "labels": ["a", None],
    "notes": '{"deep":{"er":[1]}}',
    "grade": 7,
}
FULL: dict[str, Any] = {
    "id": "full",
    "parts": [PUMP, {"name": "valve"}],
    "main": PUMP,
    "card": {"title": "T", "pages": 9},
    "grid": [[1, 2], []],
    "spans": [str(2**62), "0"],
    "names": ["only"],
    "address": {"city": "Rome"},
    "boxed": {"inside": {"city": "Rome", "zip": "1"}},
    "point": "[1,2]",
    "pair": '[1,"a"]',
    "tree": '{"children":[{"children":[]}]}',
    "forest": '{"trees":[{"children":[]}]}',
    "dashed": '{"two-words":"x"}',
    "pet": '{"type":"Cat","lives":9}',
    "free": '{"a":1}',
    "frees": '[{"a":1}]',
    "few": ["x"],
}
BARE_PART = {
    "size": None, "colour": "red", "builtAt": None, "labels": [], "notes": "{}", "grade": None,
}  # fmt: skip
ANSWERED = FULL | {
    "parts": [PUMP, {"name": "valve", **BARE_PART}],
    "address": {"city": "Rome", "zip": None},
}
CREATE = f"mutation ($item: MachineCreate!) {{ machineCreate(item: $item) {{ {ALL} }} }}"
READ = f"query ($key: ID!) {{ machineRead(key: $key) {{ {ALL} }} }}"
UPDATE = "mutation ($key: ID!, $changes: MachineUpdate!) { machineUpdate(key: $key, changes: $changes) { few names parts { name } main { name } } }"
