"""The shape of a filter: everything except its values. Backends compile the text of a statement once for each shape.

The shape of `author_id = a and n > 3` is `("and", ("eq", "author_id"), ("gt", "n"))`. The backend
decides the part of each comparison and the encoding of its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model.expressions import And, Compare, Exists, Filter, Not, Or

Shape = tuple[Any, ...]


def shape(where: Filter, leaf: Callable[[Compare | Exists], Shape]) -> Shape:
    """Return the shape of a resolved filter. Call `leaf` for each comparison and each link, from left to right."""
    match where:
        case And(filters):
            return ("and", *(shape(one, leaf) for one in filters))
        case Or(filters):
            return ("or", *(shape(one, leaf) for one in filters))
        case Not(inner):
            return ("not", shape(inner, leaf))
        case Compare() | Exists():
            return leaf(where)
    raise TypeError(f"not a resolved filter: {where!r}")
