"""Every operation as a servey `Action`, for any host that servey has.

Custom actions are handed on as they were declared. A store's verb becomes a function with a signature of plain types:
dataclasses for items and pages, JSON values where an argument has no fixed shape (filters, changes, edits).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, make_dataclass
from typing import Any, Optional

import msgspec
from marshy.types import ExternalItemType, ExternalType
from msgspec import UNSET
from servey.action.action import Action
from servey.cache_control.cache_control_abc import CacheControlABC
from servey.cache_control.secure_hash_cache_control import SecureHashCacheControl
from servey.cache_control.ttl_cache_control import TtlCacheControl
from servey.security.access_control.allow_all import ALLOW_ALL
from servey.security.authorization import Authorization
from servey.trigger.web_trigger import WebTrigger, WebTriggerMethod

from ..application import App
from ..model.meta import Attribute, StoreMeta
from ..model.types import Kind, bare
from ..naming import pascal
from ..store.edits import EditResult
from .authorization import caller_of
from .caching import shared
from .operations import Operation, Parameter, store_operations
from .problem import problem


def servey_actions(app: App) -> tuple[Action, ...]:
    """The actions of an app: its stores' verbs, as far as their access rules offer them, and its custom ones."""
    types: dict[str, _Types] = {}
    verbs = [_action(operation, types) for operation in store_operations(app).values()]
    custom = [function.__servey_action__ for function in app.actions]  # type: ignore[attr-defined]
    return (*verbs, *custom)


class _Types:
    """The dataclasses of one item: as it is read, as it is created, and a page of it."""

    def __init__(self, meta: StoreMeta[Any]) -> None:
        name, attributes = pascal(meta.name), meta.attributes.values()
        self.meta = meta
        self.visible = {one.name: one for one in attributes if one.readable is not False}
        self.nested = [name for name, one in self.visible.items() if one.kind is Kind.JSON]
        self.item = make_dataclass(name, [(one.name, _seen(one)) for one in self.visible.values()])
        creatable = [one for one in attributes if one.creatable is not False]
        required = [(one.name, _annotation(one)) for one in creatable if one.required]
        optional = [(one.name, _annotation(one) | None, field(default=None)) for one in creatable if not one.required]
        self.create = make_dataclass(f"{name}Create", [*required, *optional])
        self.page = make_dataclass(f"{name}Page", [("items", list[self.item]), ("cursor", str | None)])  # type: ignore[name-defined]


def _annotation(attribute: Attribute) -> Any:
    plain = ExternalType if attribute.kind is Kind.JSON else bare(attribute.type)
    return plain | None if attribute.optional else plain


def _seen(attribute: Attribute) -> Any:
    """As an answer has it: None where it is hidden from the caller."""
    annotation = _annotation(attribute)
    return annotation if attribute.readable is True or attribute.optional else annotation | None


def _action(operation: Operation, known: dict[str, _Types]) -> Action:
    meta: Any = operation.meta
    types = known.setdefault(meta.name, _Types(meta))
    return Action(
        fn=_function(operation, types),
        name=operation.name,
        description=operation.description,
        access_control=ALLOW_ALL,
        triggers=(WebTrigger(WebTriggerMethod(operation.method.lower()), operation.path),),
        cache_control=_cache_control(operation),
    )


def _cache_control(operation: Operation) -> CacheControlABC | None:
    """What servey's hosts tell caches of what is read, as far as they can; they know no times of pages."""
    meta = operation.meta
    if operation.mutation or meta is None or meta.cache is None:
        return None
    cache = meta.cache
    control = SecureHashCacheControl(private=not (cache.public and shared(meta, operation.verb or "")))
    return TtlCacheControl(cache.seconds, control, cache.must_revalidate) if cache.seconds else control


def _function(operation: Operation, types: _Types) -> Callable[..., Any]:
    """A function that calls the operation, with the signature that servey's hosts read."""
    answer = ANSWERS[str(operation.result)]

    def call(**arguments: Any) -> Any:
        caller = caller_of(arguments.pop(CALLER, None))
        given = {name: _plain(value) for name, value in arguments.items() if value is not None}
        return answer[1](types, operation.call(given, caller))

    parameters = [*(_parameter(one, types) for one in operation.parameters), AUTHORIZED]
    parameters.sort(key=lambda one: one.default is not inspect.Parameter.empty)
    returns = answer[0](types)
    call.__name__ = operation.name
    call.__doc__ = operation.description
    call.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": returns}
    return call


CALLER = "authorization"
AUTHORIZED = inspect.Parameter(CALLER, inspect.Parameter.KEYWORD_ONLY, annotation=Optional[Authorization], default=None)  # noqa: UP045 - what servey recognises
"""What servey's hosts put the caller into: no argument of the API."""


def _parameter(parameter: Parameter, types: _Types) -> inspect.Parameter:
    annotation = SHAPES[parameter.shape](types) if isinstance(parameter.shape, str) else parameter.shape
    keyword = inspect.Parameter.KEYWORD_ONLY
    if parameter.required:
        return inspect.Parameter(parameter.name, keyword, annotation=annotation)
    return inspect.Parameter(parameter.name, keyword, annotation=annotation | None, default=None)


SHAPES: dict[str, Callable[[_Types], Any]] = {
    "key": lambda types: str,
    "keys": lambda types: list[str],
    "order": lambda types: list[str],
    "create": lambda types: types.create,
    "update": lambda types: ExternalItemType,
    "where": lambda types: ExternalItemType,
    "text": lambda types: str,
    "edits": lambda types: list[ExternalItemType],
}
"""Shape of a parameter → the type in the function's signature."""


def _plain(value: Any) -> Any:
    """An argument as an operation takes it: dataclasses become mappings of what was given."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: one for name, one in asdict(value).items() if one is not None}
    return value


def _item(types: _Types, item: Any) -> Any:
    if item is None:
        return None
    found = ((name, attribute.get(item)) for name, attribute in types.visible.items())
    values = {name: None if value is UNSET else value for name, value in found}
    nested = {name: msgspec.to_builtins(values[name]) for name in types.nested}
    return types.item(**{**values, **nested})


def _page(types: _Types, page: Any) -> Any:
    return types.page([_item(types, one) for one in page.items], page.cursor)


def _items(types: _Types, items: list[Any]) -> Any:
    return [_item(types, one) for one in items]


def _results(types: _Types, results: list[EditResult[Any]]) -> list[Mapping[str, Any]]:
    done = [problem(one.error) if one.error else {"code": one.code, "item": one.item} for one in results]
    plain: list[Mapping[str, Any]] = msgspec.to_builtins(done)
    return plain


def _as_is(types: _Types, value: Any) -> Any:
    return value


ANSWERS: dict[str, tuple[Callable[[_Types], Any], Callable[[_Types, Any], Any]]] = {
    "item": (lambda types: types.item, _item),
    "item?": (lambda types: types.item | None, _item),
    "page": (lambda types: types.page, _page),
    "items?": (lambda types: list[types.item | None], _items),  # type: ignore[name-defined]
    "count": (lambda types: int, _as_is),
    "deleted": (lambda types: bool, _as_is),
    "results": (lambda types: list[ExternalItemType], _results),
}
"""Result of an operation → the type the function returns, and how the answer becomes one."""
