"""The guard of trusted code: every step allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ..errors import Forbidden, PersistyError
from ..model.expressions import ALL, Filter
from ..model.meta import StoreMeta
from ..model.validation import May, changes_of, changes_of_all, new_item, new_items
from ..query.visibility import View, unrestricted
from .guard import Guard
from .semi_joins import SemiJoins


class TrustedGuard(Guard):
    """Allows everything."""

    def __init__(self, meta: StoreMeta[Any], semi_joins: SemiJoins) -> None:
        self.meta, self.caller, self._semi_joins = meta, None, semi_joins

    @cached_property
    def view(self) -> View:
        return unrestricted(self.meta)

    def of(self, meta: StoreMeta[Any]) -> Guard:
        return TrustedGuard(meta, self._semi_joins)

    def row_filter(self, verb: str) -> Filter:
        return ALL

    def allows(self, verb: str) -> bool:
        return True

    def allows_with(self, verb: str, item: Any) -> bool:
        return True

    def may_set(self, flag: str) -> May:
        return lambda attribute: True

    def new(self, given: Any, path: str = "") -> Any:
        return new_item(self.meta, given, path)

    def new_all(self, given: Sequence[Any]) -> list[Any] | None:
        return new_items(self.meta, given)

    def check_new(self, items: Sequence[Any]) -> None:
        pass

    def changes(self, given: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        return changes_of(self.meta, given, path)

    def changes_of_all(self, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
        return changes_of_all(self.meta, given)

    def condition(self, verb: str, changes: Mapping[str, Any]) -> Filter:
        return ALL

    def visible(self, item: Any) -> bool:
        return True

    def matches(self, rule: Filter, items: Sequence[Any]) -> list[bool]:
        return [True] * len(items)

    def is_met(self, condition: Filter, item: Any) -> bool:
        return self._semi_joins.matches(self.meta, condition, [item])[0]

    def redact(self, items: list[Any]) -> list[Any]:
        return items

    def redact_error(self, error: PersistyError) -> PersistyError:
        return error

    def redact_written(self, item: Any) -> Any:
        return item

    def refusal(self, what: str = "") -> PersistyError:
        return Forbidden(what)
