"""Operations: records of everything an app offers to callers. Every surface is derived from them.

An operation is called with JSON-like arguments by name and returns items, pages and plain values. REST, OpenAPI, GraphQL, AppSync, the
plan and servey's actions read the same records, so they offer the same operations. `store_operations.py` makes the operations of stores,
`multi_store_operations.py` the one on several stores, and `actions.py` those of custom actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from ..errors import Fault
from ..model.meta import StoreMeta
from ..model.msgspec_faults import pointer
from ..model.rules import Rule
from ..naming import camel
from ..store.store import Store

Arguments = Mapping[str, Any]


class Parameter(Struct, frozen=True):
    """One argument. `shape` names a type of the store (`key`, `create`, `where`, …), or is a Python annotation."""

    name: str
    shape: Any
    required: bool = False
    default: Any = None
    description: str | None = None


class OperationShape(Struct, frozen=True, kw_only=True):
    """The fields that every kind of operation has.

    `name` is for example `message_read`. `mutation` says whether the operation may write. `method` and `path` are its route in HTTP, where `{key}`
    is a parameter. `result` is a shape or a Python annotation. `call` takes the arguments, by name, and the caller.
    """

    name: str
    mutation: bool
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    result: Any
    call: Callable[..., Any]
    description: str | None = None

    @property
    def field(self) -> str:
        """The operation's name as a GraphQL root field: `messageRead`."""
        return camel(self.name)


class StoreOperation(OperationShape, frozen=True, kw_only=True):
    """A verb of a store. `result` and the parameters' shapes name types of the store. `store` is the one that `call` uses, without the rules of a
    caller."""

    store: Store[Any]
    meta: StoreMeta[Any]
    verb: str


class ActionOperation(OperationShape, frozen=True, kw_only=True):
    """A custom action. `result` and the parameters' shapes are annotations of `function`; `action` is servey's description of it, and `access`
    the rule of its callers."""

    access: Rule
    function: Callable[..., Any]
    action: Any


class MultiStoreOperation(OperationShape, frozen=True, kw_only=True):
    """An operation on several stores at once."""

    stores: tuple[StoreMeta[Any], ...]


Operation: TypeAlias = StoreOperation | ActionOperation | MultiStoreOperation
"""An operation of a store, of an action or on several stores. Match on the class to distinguish them."""


def unknown_members(body: Arguments, known: tuple[str, ...], path: str) -> list[Fault]:
    """Return a fault for each member of `body` that is not `known`."""
    return [
        Fault(path + pointer(name), "Unknown member", "one of " + ", ".join(known))
        for name in body
        if name not in known
    ]
