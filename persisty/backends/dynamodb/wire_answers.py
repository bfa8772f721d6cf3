"""The shapes of DynamoDB's answers with items, generic in the row that an item is decoded to along with the JSON.

An item with a value of another type than its attribute's fits no row. Then the answer is decoded once more, with cells as they come (see
`loosened`), so that the codec can say which attribute of which item that is.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, get_args, get_origin

from msgspec import Struct

from .wire_kinds import Wire

W = TypeVar("W")
LOOSE = "LOOSE"
"""The attribute of a row that has its twin, in which any value fits any cell."""


def loosened(shape: Any) -> Any:
    """Return the shape of the same answer in which any value fits, None if the shape has no row."""
    arguments = get_args(shape)
    loose = getattr(arguments[0], LOOSE, None) if arguments else None
    origin: Any = get_origin(shape)
    return None if loose is None else origin[loose]


class Got(Struct, Generic[W]):
    """Answer of `GetItem`."""

    Item: W | None = None


class Updated(Struct, Generic[W]):
    """Answer of `UpdateItem`."""

    Attributes: W


class Found(Struct, Generic[W]):
    """Answer of `Query` and `Scan`."""

    Items: list[W] = []
    Count: int = 0
    LastEvaluatedKey: Wire | None = None


class Refused(Struct, Generic[W]):
    """Why a statement of a batch did nothing, and the item that is there, if it was for its condition."""

    Code: str = ""
    Item: W | None = None


class Executed(Struct, Generic[W]):
    """The result of one statement of a batch."""

    Item: W | None = None
    Error: Refused[W] | None = None

    @property
    def in_doubt(self) -> bool:
        """It failed in a way that leaves open whether it was carried out."""
        return self.Error is not None and self.Error.Code == "InternalServerError"


class ExecutedBatch(Struct, Generic[W]):
    """Answer of `BatchExecuteStatement`."""

    Responses: list[Executed[W]]


class Batch(Struct, Generic[W]):
    """Answer of `BatchGetItem`."""

    Responses: dict[str, list[W]]
    UnprocessedKeys: dict[str, Any] = {}
