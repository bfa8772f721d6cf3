"""The types of GraphQL, for the schema text, the hosted endpoint and AppSync. `described_types.py` makes them from Python types.

A type is a `Leaf`, a `ListOf` or a `Record`; a `Ref` adds whether null is possible. Only AppSync's scalars are used, so one schema fits both. This
module is imported at a Lambda cold start and imports no other library than msgspec.

The declared bounds of an integer decide its type. Within 32 bits it is an Int. Within 53 bits it is a Float, which represents every such value
exactly. Beyond them it is a String of digits: GraphQL has no wider number, and AppSync has no custom scalars. If a bound is not declared, the integer is a
nullable Float. A value beyond 53 bits is then null and an error of its field; it is never rounded.
"""

from __future__ import annotations

import enum
from typing import Any

from msgspec import Struct

from ...model.meta import StoreMeta
from ...model.types import Kind


class Form(enum.Enum):
    """The difference between a value's JSON in REST and its JSON in GraphQL."""

    SAME = "same"
    WHOLE = "whole"
    """An integer that is a Float in GraphQL. It may arrive as 3.0."""
    UNBOUNDED = "unbounded"
    """The same without declared bounds. A value beyond 53 bits cannot be represented."""
    DIGITS = "digits"
    """An integer that is a String in GraphQL."""
    INSTANT = "instant"
    """A datetime that may lack its UTC offset in Python. It is then in UTC."""
    STRUCTURE = "structure"
    """An array or object: AWSJSON."""
    ANY = "any"
    """Any JSON, text included: AWSJSON."""


class Leaf(Struct, frozen=True):
    """A scalar, or an enum that the schema defines if it has `values`."""

    name: str
    form: Form = Form.SAME
    values: tuple[str, ...] = ()
    description: str | None = None


class Ref(Struct, frozen=True):
    """A reference to a type. `nullable`: Python's `| None`."""

    type: Leaf | ListOf | Record
    nullable: bool = False

    @property
    def answered(self) -> Ref:
        """The type in a response, where null stands for a value that GraphQL cannot represent."""
        return Ref(self.type, nullable=True) if self.type is UNBOUNDED else self


class ListOf(Struct, frozen=True):
    item: Ref


class Field(Struct, frozen=True):
    """A member of a record, `attribute` in Python. `required`: an input must have it. `omittable`: an object may lack it. `readable`: which callers
    may read it: all (True), none (False), or those that a rule allows."""

    name: str
    attribute: str
    ref: Ref
    required: bool = True
    description: str | None = None
    readable: Any = True
    omittable: bool = False

    @property
    def answered(self) -> Ref:
        """The type in a response. A member that a rule may hide, or that an object may lack, may be null."""
        return self.ref.answered if self.readable is True and not self.omittable else Ref(self.ref.type, nullable=True)


class Record(Struct, eq=False):
    """An object. `fields` are set after construction, so that a record can contain itself. `meta`: the stored item that it describes. `keyed`: its
    values are mappings.

    The name of its input type has the suffix `Input`, because GraphQL has separate types for inputs and outputs.
    """

    name: str
    fields: tuple[Field, ...] = ()
    meta: StoreMeta[Any] | None = None
    description: str | None = None
    keyed: bool = False


STRING, INT, FLOAT, BOOLEAN = Leaf("String"), Leaf("Int"), Leaf("Float"), Leaf("Boolean")
INSTANT = Leaf("AWSDateTime", Form.INSTANT)
ANY = Leaf("AWSJSON", Form.ANY)
STRUCTURE = Leaf("AWSJSON", Form.STRUCTURE)

SCALARS: dict[Kind, Leaf] = {
    Kind.STRING: STRING,
    Kind.INTEGER: INT,
    Kind.FLOAT: FLOAT,
    Kind.BOOLEAN: BOOLEAN,
    Kind.DATETIME: Leaf("AWSDateTime"),
    Kind.DATE: Leaf("AWSDate"),
    Kind.UUID: Leaf("ID"),
    Kind.DECIMAL: STRING,
    Kind.ENUM: STRING,
    Kind.BYTES: STRING,
    Kind.JSON: STRUCTURE,
}
"""Kind → its GraphQL type. Integers and enums may have another one: see `INTEGERS` and `described_types.py`. Bytes are base64."""

EXACT = 2**53 - 1
"""The greatest integer up to which a Float represents every integer exactly."""
WHOLE = Leaf("Float", Form.WHOLE)
INTEGERS: tuple[tuple[int, int, Leaf], ...] = (
    (-(2**31), 2**31 - 1, INT),
    (-EXACT, EXACT, WHOLE),
)
"""(least, greatest, type). The first row that includes the declared bounds is used."""
LONG = Leaf("String", Form.DIGITS)
"""The type of integers beyond every row."""
UNBOUNDED = Leaf("Float", Form.UNBOUNDED)
"""The type of integers without both bounds."""
COUNTED: dict[str, Leaf] = {"version": INT, "sequence": WHOLE}
"""Generator → the type of its integers, which start at one."""

AWS_SCALARS: dict[str, str] = {
    "AWSDateTime": "A date and time with its offset, ISO 8601: 2030-01-31T12:00:00.000001Z",
    "AWSDate": "A date, ISO 8601: 2030-01-31",
    "AWSJSON": "Any JSON, as text",
}
"""The scalars that AppSync has built in and the hosted schema declares."""


def integer_leaf(low: float, high: float) -> Leaf:
    """Return the type of integers between two bounds."""
    return next((leaf for least, greatest, leaf in INTEGERS if least <= low and high <= greatest), LONG)


def within_lists(ref: Ref) -> Leaf | Record:
    """Return the type of the innermost members of a list of any depth. A type that is not a list is returned unchanged."""
    found = ref.type
    while isinstance(found, ListOf):
        found = found.item.type
    return found
