"""The edits of `edit_batch` and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ..errors import PersistyError
from ..model.expressions import Filter

T = TypeVar("T")


class Edit(Struct, frozen=True):
    """`Create`, `Update` or `Delete`. `store`: the item's class or name, for `App.edit_batch`; a `Create` of an instance needs none."""


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
    """What became of one edit: `item` as created or updated, or the `error` that kept it from being done."""

    item: T | None = None
    error: PersistyError | None = None

    @property
    def code(self) -> str:
        """`ok`, or the error's code."""
        return self.error.code if self.error else "ok"


class BulkResult(Struct, frozen=True):
    """What `update_all` and `delete_all` did: how many items they `changed`, and the `cursor` with which to go on; None when
    all have been looked at."""

    changed: int
    cursor: str | None = None
