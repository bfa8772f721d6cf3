"""The selection of a request: the neutral tree from which plans are compiled.

`hosted/field_collection.py` makes it from a document of graphql-core, `appsync/selection_text.py` from the text that AppSync passes. Fragments are
merged into it, and fields that `@skip` and `@include` exclude are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

Arguments = Callable[[Any], dict[str, Any]]
"""The request's variables, in the front end's form → the arguments of a field."""


TYPENAME = "__typename"
CONDITIONS: dict[str, bool] = {"include": True, "skip": False}
"""Directive → the value of its `if` with which the field is selected."""


def no_arguments(variables: Any) -> dict[str, Any]:
    """Return the arguments of a field without arguments."""
    return {}


class Selected(Struct, frozen=True, eq=False):
    """A selected field. `key`: its name in the response. `below`: the selection of its value. `place`: its place in the document, in the front end's
    form. `get`: reads the value from the object, for an extra member that is not a field."""

    key: str
    name: str
    arguments: Arguments = no_arguments
    below: tuple[Selected, ...] = ()
    place: Any = None
    get: Callable[[Any], Any] | None = None
