"""The declaration of an attribute in a class body: the annotation and field specifier `Attr`.

`@stored` reads these declarations and replaces each with an `AttributeExpression`. A type checker sees `Attr` instead: a descriptor that returns
a filter expression on the class and a plain value on an instance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from msgspec import UNSET

from .expressions import AttributeExpression
from .generators import Generator
from .rules import Rule

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Attr(Generic[T_co]):
    """Declare an attribute: `text: Attr[str]`, or with options: `rank: Attr[int] = Attr(default=0)`.

    `default`: a value, or a generator such as `VERSION`, for a create that leaves the attribute out. `factory` makes a new default for each item.
    `readable`, `creatable` and `updatable` say which callers of REST and GraphQL may see and set the attribute: every caller that
    the item's rule allows (True), no caller (False), or those that a further rule allows as well. A generated attribute can be set only
    if its generator allows it. `generator` does the same as `default` in classes with plain annotations (`version: int`), which type checkers do not check.
    `former_names`: the names that the attribute had before, the oldest first.
    """

    __slots__ = ("creatable", "default", "description", "factory", "former_names", "generator", "readable", "updatable")

    @overload
    def __init__(
        self,
        *,
        default: T_co | Generator = ...,
        readable: Rule | bool = True,
        creatable: Rule | bool | None = None,
        updatable: Rule | bool | None = None,
        description: str | None = None,
        former_names: str | tuple[str, ...] = (),
    ) -> None: ...
    @overload
    def __init__(
        self,
        *,
        factory: Callable[[], Any],
        readable: Rule | bool = True,
        creatable: Rule | bool | None = None,
        updatable: Rule | bool | None = None,
        description: str | None = None,
        former_names: str | tuple[str, ...] = (),
    ) -> None: ...
    def __init__(
        self,
        *,
        default: Any = UNSET,
        factory: Callable[[], Any] | None = None,
        generator: Any = None,
        readable: Rule | bool = True,
        creatable: Rule | bool | None = None,
        updatable: Rule | bool | None = None,
        description: str | None = None,
        former_names: str | tuple[str, ...] = (),
    ) -> None:
        if generator is None and isinstance(default, Generator):
            default, generator = UNSET, default
        self.default, self.factory, self.generator = default, factory, generator
        self.readable, self.creatable, self.updatable = _flag(readable), _flag(creatable), _flag(updatable)
        self.description, self.former_names = description, former_names

    if TYPE_CHECKING:
        # Covariant, although `__set__` takes a value: `Attr[int]` is then an `Attr[T | None]` too, so that an expression compares with `T`.

        @overload
        def __get__(self: Attr[T | None], item: None, owner: type) -> AttributeExpression[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> T_co: ...
        def __get__(self, item: object, owner: type) -> Any: ...
        def __set__(self, item: object, value: T_co) -> None: ...  # type: ignore[misc]  # see above


ONE_TYPE = "Attr takes one type: use Annotated, as in Attr[Annotated[str, Meta(max_length=3)]]"


def has_two_types(error: Exception) -> bool:
    """Return whether Python rejected `Attr[str, Meta(max_length=3)]`."""
    return isinstance(error, TypeError) and str(error).startswith(f"Too many arguments for {Attr}")


def _flag(given: Any) -> Any:
    """Return the bool of a rule that is the same for every caller, anything else unchanged."""
    return given.constant if isinstance(given, Rule) and given.constant is not None else given
