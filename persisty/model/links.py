"""Declare links from the items of one store to those of another.

`BelongsTo["User"]` is the side with the foreign key, by default the attribute `author_id` for a link `author`.
`HasMany`, `HasOne` and `HasCount` are the other side, `HasMany` also through a join item. Targets are
declared by name, so that items can name each other; `persisty.model.relations` looks the names up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from msgspec import UNSET, Struct

from .expressions import AttributeExpression, Filter, Linked
from .pages import ResultPage

T = TypeVar("T")

ACTIONS = ("ignore", "block", "cascade", "nullify")
"""Referential actions: effects of a delete on dependent items. All but `ignore` also reject a foreign key whose target does not exist."""


LinkKind = Literal["belongs_to", "has_many", "has_one", "has_count"]


class LinkType(Struct, frozen=True):
    """The meaning of an annotation such as `HasMany["Message"]`: the kind of link, and its target by class or name."""

    kind: LinkKind
    target: Any


class BelongsTo(Generic[T]):
    """The one item whose key is in an attribute of this one: an item or None once loaded."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("belongs_to", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> type[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> T | None: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class HasMany(Generic[T]):
    """The items that belong to this one, a page of them once loaded. With `through`, the items that join items lead to."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("has_many", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> LinkExpression[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> ResultPage[T]: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class HasOne(Generic[T]):
    """The item that belongs to this one; the first by key if there are several."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("has_one", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> type[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> T | None: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class HasCount(Generic[T]):
    """The number of items that belong to this one."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("has_count", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> LinkExpression[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> int: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class LinkSpec(Struct, frozen=True):
    """The arguments of `link(...)`."""

    by: str | None = None
    through: Any = None
    on_delete: str = "ignore"
    description: str | None = None
    former_names: str | tuple[str, ...] = ()


def link(
    *,
    by: str | None = None,
    through: Any = None,
    on_delete: str = "ignore",
    description: str | None = None,
    former_names: str | tuple[str, ...] = (),
    init: Literal[False] = False,
) -> Any:
    """Declare a link: `author: BelongsTo["User"] = link()`.

    `by`: the attribute with the key, of this item for `BelongsTo` (default: the link's name and `_id`), else of the target
    (default: the attribute of its `BelongsTo` to this item, or one named after this item and its key, `user_id`). `through`: the join
    item, which belongs to both. `on_delete`, of a `BelongsTo`: the effect on this item when its target is deleted (see
    `ACTIONS`). `former_names`: the names that the link had before,
    the oldest first. `init` is for type checkers only: no item is created with a link.
    """
    return LinkSpec(by, through, on_delete, description, former_names)


class LinkExpression(Generic[T]):
    """A link on its class. It builds filters about the items at the other end: `User.messages.any(Message.rank > 3)`,
    `Message.author.username == "ann"`.

    To a type checker, a link to one item is the class of that item, so that each of its attributes has its type; a link to many has
    only `any`.
    """

    __slots__ = ("_name", "_steps", "_target")

    def __init__(self, name: str, target: Callable[[], Any], steps: tuple[str, ...] = ()) -> None:
        self._name, self._target, self._steps = name, target, steps

    def __get__(self, item: Any, owner: type | None = None) -> Any:
        if item is None:
            return self
        raise AttributeError(f"{self._name} is a link that is not loaded: load it with store.links(...)")

    def __getattr__(self, name: str) -> Any:
        target = self._target()
        found = getattr(target, name, None)
        steps = (*self._steps, self._name)
        if isinstance(found, AttributeExpression):
            return found.below(".".join(steps))
        if isinstance(found, LinkExpression):
            return LinkExpression(found._name, found._target, steps)
        raise AttributeError(f"{target.__name__} has no attribute {name}")

    def __repr__(self) -> str:
        return f"<link {'.'.join((*self._steps, self._name))}>"

    def any(self, where: Filter | None = None) -> Filter:
        """The link leads to an item, and to one that matches `where`."""
        found = Linked(self._name, where)
        for step in reversed(self._steps):
            found = Linked(step, found)
        return found


class LoadedLink:
    """A link on the class of items with loaded links: its value where it is loaded, else `AttributeError`, as on any item.

    `slot` is the field with the value, UNSET if it is not loaded.
    """

    __slots__ = ("_link", "_slot")

    def __init__(self, link: LinkExpression[Any], slot: Any) -> None:
        self._link, self._slot = link, slot

    def __get__(self, item: Any, owner: type | None = None) -> Any:
        if item is None:
            return self._link
        value = self._slot.__get__(item, owner)
        return self._link.__get__(item, owner) if value is UNSET else value

    def __set__(self, item: Any, value: Any) -> None:
        self._slot.__set__(item, value)


LinkName = str | type[Any] | LinkExpression[Any]
"""`"author"` or `Message.author`, which is the class of its target to a type checker."""


def link_name(of: Any) -> str | None:
    """Return the name of a link given as `Message.author` or as text; None for anything else."""
    return of._name if isinstance(of, LinkExpression) else of if isinstance(of, str) else None
