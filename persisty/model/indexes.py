"""Indexes: the access paths that every engine maintains. A unique index allows each value once."""

from __future__ import annotations

from typing import ClassVar

from ..naming import index_name


class Index:
    """Items by `attributes`: the first is matched exactly (a GSI's partition key), the others are matched or ordered.

    Written `Index("author_id", "created_at")`. Two indexes of a kind over the same attributes are equal.
    """

    __slots__ = ("attributes",)
    attributes: tuple[str, ...]
    unique: ClassVar[bool] = False

    def __init__(self, *attributes: str) -> None:
        self.attributes = attributes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and (self.unique, self.attributes) == (other.unique, other.attributes)

    def __hash__(self) -> int:
        return hash((self.unique, self.attributes))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.attributes))})"

    @property
    def name(self) -> str:
        """`by-author_id-created_at`, or `unique-username`, in every engine."""
        return index_name(self.attributes, self.unique)


class Unique(Index):
    """An index in which no two items have the same values: `Unique("username")`, `Unique("tenant", "username")`.

    An item with a null in any of its attributes is not restricted. The engine decides: a create or update that would repeat values fails with `Conflict` and
    writes nothing.
    """

    __slots__ = ()
    unique = True
