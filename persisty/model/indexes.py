"""Indexes: the access paths that a declaration asks every engine to keep."""

from __future__ import annotations

from ..naming import index_name


class Index:
    """Items by `attributes`: the first is matched exactly (a GSI's partition key), the others are matched or ordered.

    Written `Index("author_id", "created_at")`. Two indexes over the same attributes are equal.
    """

    __slots__ = ("attributes",)
    attributes: tuple[str, ...]

    def __init__(self, *attributes: str) -> None:
        self.attributes = attributes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and self.attributes == other.attributes

    def __hash__(self) -> int:
        return hash(self.attributes)

    def __repr__(self) -> str:
        return f"Index({', '.join(map(repr, self.attributes))})"

    @property
    def name(self) -> str:
        """`by-author_id-created_at`, in every engine."""
        return index_name(self.attributes)
