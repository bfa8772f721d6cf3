"""The shapes of DynamoDB's responses with items, generic in the row to which the JSON of an item is decoded.

An item with a value that its attribute's type does not allow fits no row. The response is then decoded once more with untyped cells (see
`loosened`), so that the codec can name the item and the attribute.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, get_args, get_origin

from msgspec import Struct

from .wire_kinds import Wire

W = TypeVar("W")
LOOSE = "LOOSE"
"""The attribute of a row with its loose twin, in which any value fits any cell."""


def loosened(shape: Any) -> Any:
    """Return the shape of the same response in which any value fits, None if the shape has no row."""
    arguments = get_args(shape)
    loose = getattr(arguments[0], LOOSE, None) if arguments else None
    origin: Any = get_origin(shape)
    return None if loose is None else origin[loose]


class Got(Struct, Generic[W]):
    """Response of `GetItem`."""

    Item: W | None = None


class Updated(Struct, Generic[W]):
    """Response of `UpdateItem`."""

    Attributes: W


class Found(Struct, Generic[W]):
    """Response of `Query` and `Scan`."""

    Items: list[W] = []
    Count: int = 0
    LastEvaluatedKey: Wire | None = None


class Refused(Struct, Generic[W]):
    """The reason why a statement of a batch wrote nothing, and the current item if its condition was false."""

    Code: str = ""
    Item: W | None = None


class Executed(Struct, Generic[W]):
    """The result of one statement of a batch."""

    Item: W | None = None
    Error: Refused[W] | None = None

    @property
    def in_doubt(self) -> bool:
        """Return whether it failed but may have been carried out."""
        return self.Error is not None and self.Error.Code == "InternalServerError"


class ExecutedBatch(Struct, Generic[W]):
    """Response of `BatchExecuteStatement`."""

    Responses: list[Executed[W]]


class Batch(Struct, Generic[W]):
    """Response of `BatchGetItem`."""

    Responses: dict[str, list[W]]
    UnprocessedKeys: dict[str, Any] = {}
