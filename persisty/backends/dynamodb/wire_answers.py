"""The shapes of DynamoDB's responses with items, generic in the row to which the JSON of an item is decoded.

An item with a value that its attribute's type does not allow fits no row. The response is then decoded once more with untyped cells (see
`loosened`), so that the codec can name the item and the attribute.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, get_args, get_origin

from msgspec import Struct, field

from .wire_kinds import Wire

W = TypeVar("W")
UNKNOWN_SIZE = 1 << 62
Sizes = list[int]
"""The sizes of the responses of one call, in any order: together an upper bound of the bytes of their items."""
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


class Sized(Struct, kw_only=True):
    """A response of several items. `size`: the bytes of its JSON, which are more than those of its items. A transport that does not know them leaves
    `UNKNOWN_SIZE`."""

    size: int = field(default=UNKNOWN_SIZE, name="persisty_size")


class Found(Sized, Generic[W]):
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


class Batch(Sized, Generic[W]):
    """Response of `BatchGetItem`."""

    Responses: dict[str, list[W]]
    UnprocessedKeys: dict[str, Any] = {}
