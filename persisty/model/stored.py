"""`@stored`: turn a class with annotations into an item, a msgspec Struct whose class attributes are filter expressions.

`class_reading` reads the class into a `Schema` and its bindings. `compilation` checks the schema and builds the Struct, with the
frozen `StoreMeta` as `__persisty__`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, dataclass_transform, overload

from msgspec import structs

from ..errors import Fault, InvalidDeclaration
from ..naming import snake
from .access import Access
from .attribute_declaration import Attr
from .class_reading import read_class
from .compilation import compile_schema
from .declaration_checks import FLAGS
from .indexes import Index
from .links import link
from .rules import Rule
from .schema import IndexSchema

T = TypeVar("T")

DeclarationFaults = list[tuple[str, InvalidDeclaration]]
"""(name of a class, why it cannot be stored)."""
_collected: ContextVar[DeclarationFaults | None] = ContextVar("faults", default=None)


@contextmanager
def collecting_faults() -> Iterator[DeclarationFaults]:
    """Collect the mistakes of items that are declared in the block, instead of raising the first. An item with mistakes stays a plain class."""
    found: DeclarationFaults = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


@overload
def stored(cls: type[T], /) -> type[T]: ...
@overload
def stored(
    *,
    name: str | None = None,
    key: str | tuple[str, ...] = "id",
    indexes: Iterable[Index] = (),
    access: Access | Rule | None = None,
    cache: Any = None,
    conditional_writes: bool = False,
    engine: str | None = None,
    table: str | None = None,
    expires: str | None = None,
    former_names: str | tuple[str, ...] = (),
) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(kw_only_default=True, eq_default=True, field_specifiers=(Attr, link))
def stored(
    cls: type[T] | None = None,
    /,
    *,
    name: str | None = None,
    key: str | tuple[str, ...] = "id",
    indexes: Iterable[Index] = (),
    access: Access | Rule | None = None,
    cache: Any = None,
    conditional_writes: bool = False,
    engine: str | None = None,
    table: str | None = None,
    expires: str | None = None,
    former_names: str | tuple[str, ...] = (),
) -> Any:
    """Declare an item.

    `name`: the store's name (default: the class's, in snake case). `key`: the attribute, or the attributes in order, that make the string key. `access`:
    what callers of REST and GraphQL may do (default: nothing, see `persisty.model.access`). `cache`: how old a response may be, a `Cache` or one of
    servey's cache controls. `conditional_writes`: an update or delete through REST or GraphQL needs a condition, so that no caller overwrites a
    version that it has not read. `engine`: the name of the engine that stores the items, one of the app's `engines` (default: the app's own).
    `table`: the name of its table (default: the store's), to move the items to another one. `expires`: the attribute with the time after which an item is deleted, in seconds since 1970. `former_names`: the names that the store had before.
    `InvalidDeclaration` lists every mistake.
    """

    def declare(target: type[T]) -> type[T]:
        faults: list[Fault] = []
        named = _several("name", snake(target.__name__) if name is None else name, str, faults)
        keys = _several("key", key, str, faults)
        listed = _several("indexes", indexes, Index, faults)
        former = _several("former_names", former_names, str, faults)
        for wrong, expected, one in (
            ("has an engine of the wrong type", "the name of an engine", engine),
            ("has a table of the wrong type", "the name of a table", table),
        ):
            if one is not None and not isinstance(one, str):
                faults.append(Fault("", wrong, expected, repr(one)[:80]))
        if not isinstance(conditional_writes, bool):
            faults.append(Fault("", "has conditional_writes of the wrong type", "bool", repr(conditional_writes)[:80]))
        if inherited := [base.__name__ for base in target.__mro__[1:] if hasattr(base, "__persisty__")]:
            message = f"inherits from the stored {inherited[0]}: share attributes by a class that is not stored"
            faults.append(Fault("", message))
        if faults:
            raise InvalidDeclaration(f"{target.__qualname__} cannot be stored", faults=faults)
        settings = {
            "name": named[0],
            "key": keys,
            "indexes": tuple(IndexSchema(attributes=one.attributes, unique=one.unique) for one in listed),
            "access": access,
            "cache": cache,
            "conditional_writes": conditional_writes,
            "engine": engine,
            "table": table,
            "expires": expires,
            "former_names": former,
        }
        schema, bindings = read_class(target, settings, faults)
        item: type[T] = compile_schema(schema, bindings, faults).item
        return item

    def declare_or_collect(target: type[T]) -> type[T]:
        collected = _collected.get()
        try:
            return declare(target)
        except InvalidDeclaration as error:
            if collected is None:
                raise
            store = snake(target.__name__) if name is None else name
            located = [_fault_within(store, fault) for fault in error.faults]
            collected.append((target.__qualname__, InvalidDeclaration(error.message, faults=located)))
            return target

    return declare_or_collect if cls is None else declare_or_collect(cls)


def _several(argument: str, given: Any, kind: type[T], faults: list[Fault]) -> tuple[T, ...]:
    """Return one value or several as a tuple. Adds a fault for a value of another type."""
    found = (given,) if isinstance(given, kind) or not isinstance(given, Iterable) else tuple(given)
    if not all(isinstance(one, kind) for one in found):
        faults.append(Fault("", f"has {argument} of the wrong type", kind.__name__, repr(given)[:80]))
    return found


def _fault_within(store: str, fault: Fault) -> Fault:
    """Return the fault of an access rule without the store's name before its path."""
    steps = fault.path.split("/")
    if steps[1:2] != [store] or not (steps[2:3] == ["access"] or (len(steps) > 3 and steps[3] in FLAGS)):
        return fault
    return structs.replace(fault, path="/" + "/".join(steps[2:]))
