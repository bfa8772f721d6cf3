"""`Guard`: the steps of a verb at which access rules decide, in order.

Two guards implement it: `TrustedGuard` for trusted code, and `CallerGuard` for the rules of one caller. Every step is abstract and has no
default: a guard that lacks a step is an error of the type checker, and creating one raises `TypeError`. Rules are sent with queries and
writes as filters. A guard itself checks only new items, and items that an engine returned because a condition was false.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import PersistyError
from ..model.expressions import Filter
from ..model.meta import StoreMeta
from ..model.validation import May
from ..query.visibility import View
from ..security.caller import Caller


class Guard(Protocol):
    """The access rules of one store for one caller."""

    meta: StoreMeta[Any]
    """The store's declaration."""
    caller: Caller | None
    """The caller whose rules these are; None for trusted code."""

    @property
    @abstractmethod
    def view(self) -> View:
        """The attributes that a query may name."""

    @abstractmethod
    def of(self, meta: StoreMeta[Any]) -> Guard:
        """Return the guard of another item for the same caller."""

    @abstractmethod
    def row_filter(self, verb: str) -> Filter:
        """Return the filter of the items with which the verb is allowed. Raises `Forbidden` or `Unauthenticated` if there are none."""

    @abstractmethod
    def allows(self, verb: str) -> bool:
        """Return whether the verb is allowed with any item."""

    @abstractmethod
    def allows_with(self, verb: str, item: Any) -> bool:
        """Return whether the verb is allowed with this item."""

    @abstractmethod
    def may_set(self, flag: str) -> May:
        """Return the function that returns whether the caller may set an attribute. `flag`: `creatable` or `updatable`."""

    @abstractmethod
    def new(self, given: Any, path: str = "") -> Any:
        """Return a complete, valid item, whose attributes the caller may set. Call `check_new` to check the item itself."""

    @abstractmethod
    def new_all(self, given: Sequence[Any]) -> list[Any] | None:
        """Return what `new` returns of each, or None unless all are valid and give the same attributes."""

    @abstractmethod
    def check_new(self, items: Sequence[Any]) -> None:
        """Raise unless the rule for `create` matches each new item."""

    @abstractmethod
    def changes(self, given: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        """Return valid changes, of attributes that the caller may change."""

    @abstractmethod
    def changes_of_all(self, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
        """Return the results of `changes` for each, or None if they must be checked one by one."""

    @abstractmethod
    def condition(self, verb: str, changes: Mapping[str, Any]) -> Filter:
        """Return the condition under which the caller may update an item with `changes`, or delete it."""

    @abstractmethod
    def visible(self, item: Any) -> bool:
        """Return whether the caller may read the item."""

    @abstractmethod
    def matches(self, rule: Filter, items: Sequence[Any]) -> list[bool]:
        """Return whether a rule that `row_filter` returned matches, for each item."""

    @abstractmethod
    def is_met(self, condition: Filter, item: Any) -> bool:
        """Return whether the condition of a write matches an item that the engine returned."""

    @abstractmethod
    def redact(self, items: list[Any]) -> list[Any]:
        """Redact items: attributes that the caller may not read become UNSET. None stays None."""

    @abstractmethod
    def redact_error(self, error: PersistyError) -> PersistyError:
        """Redact an error: its details contain nothing that the caller may not read."""

    @abstractmethod
    def redact_written(self, item: Any) -> Any:
        """Redact an item that the caller wrote, and may not be allowed to read."""

    @abstractmethod
    def refusal(self, what: str = "") -> PersistyError:
        """Return the error of an operation that the caller may not perform."""
