"""The edits of `edit_batch` and their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ..errors import PersistyError
from ..model.expressions import Filter

T = TypeVar("T")


class Edit(Struct, frozen=True):
    """A `Create`, `Update` or `Delete`. `store`: the item's class or name, for `App.edit_batch`. A `Create` of an instance needs none."""


class Create(Edit, frozen=True):
    item: Any
    store: type[Any] | str | None = None


class Update(Edit, frozen=True):
    key: Any
    changes: Mapping[str, Any]
    when: Filter | None = None
    store: type[Any] | str | None = None


class Delete(Edit, frozen=True):
    key: Any
    when: Filter | None = None
    store: type[Any] | str | None = None


class EditResult(Struct, Generic[T], frozen=True):
    """The result of one edit: the created or updated `item`, or the `error` that prevented it."""

    item: T | None = None
    error: PersistyError | None = None

    @property
    def code(self) -> str:
        """`ok`, or the error's code."""
        return self.error.code if self.error else "ok"


class BulkResult(Struct, frozen=True):
    """The result of `update_all` or `delete_all`: the number of items `changed`, and the `cursor` to continue from, None at the end."""

    changed: int
    cursor: str | None = None
