"""Every operation of an app as a servey `Action`, for the hosts of servey.

Custom actions are returned as declared, with their rules as access controls. A verb of a store becomes a function with plain types in its
signature: dataclasses for items and pages, JSON for arguments without a fixed shape (filters, changes, edits).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, field, make_dataclass, replace
from functools import wraps
from typing import Any, ClassVar, Optional, Union

from marshy import MarshyContext
from marshy.marshaller.no_op_marshaller import NoOpMarshaller
from msgspec import UNSET
from schemey.schema import Schema
from servey.action.action import Action
from servey.cache_control.cache_control_abc import CacheControlABC
from servey.cache_control.secure_hash_cache_control import SecureHashCacheControl
from servey.cache_control.ttl_cache_control import TtlCacheControl
from servey.security.access_control.access_control_abc import AccessControlABC
from servey.security.access_control.allow_all import ALLOW_ALL
from servey.security.authorization import Authorization
from servey.trigger.web_trigger import WebTrigger, WebTriggerMethod

from ..application import App
from ..errors import PersistyError
from ..model.meta import Attribute, StoreMeta
from ..model.rules import Rule
from ..model.set_order import ordered_builtins
from ..model.type_descriptions import described
from ..model.types import KINDS, Kind, bare
from ..naming import pascal
from ..security.caller import Caller
from ..security.row_filters import admits
from ..store.edits import EditResult
from .action_access import check_access, marked, rule_of
from .action_results import Redaction
from .authorization import caller_of
from .http.cache_headers import shared
from .http.problem import problem
from .multi_store_operations import multi_store_operations
from .operations import MultiStoreOperation, Parameter, StoreOperation
from .store_operations import store_operations


def servey_actions(app: App) -> tuple[Action, ...]:
    """Return the actions of an app: the verbs that the access rules of its stores allow, and the custom actions."""
    types: dict[str, _Types] = {}
    verbs = [_action(operation, types) for operation in store_operations(app).values()]
    actions = [marked(function) for function in app.actions]
    check_access(actions)
    verbs += [_multi_store_action(operation) for operation in multi_store_operations(app).values()]
    custom = [_with_resolved_annotations(replace(one, access_control=_RuleControl(rule_of(one)))) for one in actions]
    return (*verbs, *(_redacting(app, one) for one in custom))


def _with_resolved_annotations(action: Action) -> Action:
    """Return a custom action with resolved annotations. servey's hosts cannot read annotations that are text or `Annotated`."""
    plain = inspect.signature(action.fn)
    known = inspect.signature(action.fn, eval_str=True)
    parameters = [one.replace(annotation=bare(one.annotation)) for one in known.parameters.values()]
    resolved = known.replace(parameters=parameters, return_annotation=bare(known.return_annotation))
    if resolved == plain:
        return action

    @wraps(action.fn)
    def call(*arguments: Any, **named: Any) -> Any:
        return action.fn(*arguments, **named)

    call.__signature__ = resolved  # type: ignore[attr-defined]
    return replace(action, fn=call)


def _redacting(app: App, action: Action) -> Action:
    """Return a custom action whose results are redacted for the caller, if they may contain items."""
    signature = inspect.signature(action.fn, eval_str=True)
    returns = signature.return_annotation
    redaction = Redaction(app, Any if returns is inspect.Signature.empty else returns)
    if not redaction.needed:
        return action
    kinds = (Authorization, Optional[Authorization])  # noqa: UP045 - the forms that servey recognizes
    given = next((one.name for one in signature.parameters.values() if one.annotation in kinds), None)

    @wraps(action.fn)
    def call(**named: Any) -> Any:
        caller = caller_of(named.pop(CALLER, None) if given is None else named.get(given))
        result = redaction.of_call(lambda: action.fn(**named), caller)
        return _redacted_later(redaction, result, caller) if inspect.iscoroutine(result) else result

    parameters = sorted([*signature.parameters.values(), *(() if given else (AUTHORIZED,))], key=lambda one: one.kind)
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": returns}
    return replace(action, fn=call)


async def _redacted_later(redaction: Redaction, result: Awaitable[Any], caller: Caller) -> Any:
    try:
        return redaction.of(await result, caller)
    except PersistyError as error:
        redaction.of_error(error, caller)
        raise


class _RuleControl(AccessControlABC):  # type: ignore[misc]  # servey has no types
    """A rule as an access control of servey."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def is_executable(self, authorization: Authorization | None) -> bool:
        return admits(self._rule, caller_of(authorization))


class _Unchanged(NoOpMarshaller):  # type: ignore[misc]
    def __init__(self, kind: type) -> None:
        self.marshalled_type = kind


class Json:
    """Any JSON, unchanged. servey's own type for JSON becomes a text, which its schema rejects."""

    SCHEMA: ClassVar[dict[str, Any]] = {}

    @classmethod
    def __marshaller_factory__(cls, context: MarshyContext) -> NoOpMarshaller:
        return _Unchanged(cls)

    @classmethod
    def __schema_factory__(cls, context: Any, path: str, known: Any) -> Schema:
        return Schema(cls.SCHEMA, cls)


class JsonObject(Json):
    """A JSON object without a fixed shape: a filter, changes, an edit."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "object"}


class _Types:
    """The dataclasses of one item: of the item in results, of a new item, and of a page."""

    def __init__(self, meta: StoreMeta[Any]) -> None:
        name, attributes = pascal(meta.name), meta.attributes.values()
        self.meta = meta
        self.visible = {one.name: one for one in attributes if one.readable is not False}
        self.converted = [name for name, one in self.visible.items() if one.kind in CONVERTED]
        self.item: Any = make_dataclass(name, [(one.name, _in_results(meta, one)) for one in self.visible.values()])
        creatable = [one for one in attributes if one.creatable is not False]
        required = [(one.name, _annotation(meta, one)) for one in creatable if one.required]
        optional = [
            (one.name, _optional(_annotation(meta, one)), field(default=None)) for one in creatable if not one.required
        ]
        self.create: Any = make_dataclass(f"{name}Create", [*required, *optional])
        self.page: Any = make_dataclass(f"{name}Page", [("items", list[self.item]), ("cursor", _optional(str))])  # type: ignore[name-defined]


AS_JSON: dict[Kind, Any] = {Kind.JSON: Json, Kind.DECIMAL: str, Kind.DATE: str, Kind.BYTES: str}
"""Kinds that servey's hosts do not know → the type of their values as JSON."""
TYPES: dict[Kind, Any] = {**{kind: plain for plain, kind in KINDS.items()}, **AS_JSON}
"""Kind → the type in signatures, of all kinds but enums."""
CONVERTED = frozenset({*AS_JSON, Kind.ENUM})
"""Kinds whose values are converted to JSON in results."""


def _annotation(meta: StoreMeta[Any], attribute: Attribute) -> Any:
    if attribute.kind is Kind.ENUM:
        plain = _type_of_values(attribute, meta)
    else:
        plain = TYPES[attribute.kind]
    return _optional(plain) if attribute.optional else plain


def _type_of_values(attribute: Attribute, meta: StoreMeta[Any]) -> Any:
    """Return the type of the values of an enum: servey's hosts would write the names of its members."""
    found = described(attribute.type, meta)
    named: Any = found.type
    enumeration: Any = found.definition(named)
    return Union[tuple(map(type, enumeration.values))]  # noqa: UP007 - as below


def _optional(kind: Any) -> Any:
    """Return the type or None in the form that servey's hosts can read: they cannot read `kind | None`."""
    return Optional[kind]  # noqa: UP045


def _in_results(meta: StoreMeta[Any], attribute: Attribute) -> Any:
    """Return the type of the attribute in results: None if it is hidden from the caller."""
    annotation = _annotation(meta, attribute)
    return annotation if attribute.readable is True or attribute.optional else _optional(annotation)


def _action(operation: StoreOperation, known: dict[str, _Types]) -> Action:
    meta = operation.meta
    types = known.setdefault(meta.name, _Types(meta))
    return Action(
        fn=_function(operation, types),
        name=operation.name,
        description=operation.description,
        access_control=ALLOW_ALL,
        triggers=(WebTrigger(WebTriggerMethod(operation.method.lower()), operation.path),),
        cache_control=_cache_control(operation),
    )


def _multi_store_action(operation: MultiStoreOperation) -> Action:
    """Return the action on several stores. Its edits and results are JSON, so the types of the first store are not used."""
    return Action(
        fn=_function(operation, _Types(operation.stores[0])),
        name=operation.name,
        description=operation.description,
        access_control=ALLOW_ALL,
        triggers=(WebTrigger(WebTriggerMethod(operation.method.lower()), operation.path),),
        cache_control=None,
    )


def _cache_control(operation: StoreOperation) -> CacheControlABC | None:
    """Return servey's cache control of a reading operation. It has no time of modification for pages."""
    meta = operation.meta
    if operation.mutation or meta.cache is None:
        return None
    cache = meta.cache
    control = SecureHashCacheControl(private=not (cache.public and shared(meta, operation.verb)))
    return TtlCacheControl(cache.seconds, control, cache.must_revalidate) if cache.seconds else control


def _function(operation: StoreOperation | MultiStoreOperation, types: _Types) -> Callable[..., Any]:
    """Return a function that calls the operation, with the signature that servey's hosts read."""
    result = RESULTS[str(operation.result)]

    def call(**arguments: Any) -> Any:
        caller = caller_of(arguments.pop(CALLER, None))
        given = {name: _plain(value) for name, value in arguments.items() if value is not None}
        return result[1](types, operation.call(given, caller))

    parameters = [*(_parameter(one, types) for one in operation.parameters), AUTHORIZED]
    parameters.sort(key=lambda one: one.default is not inspect.Parameter.empty)
    returns = result[0](types)
    call.__name__ = operation.name
    call.__doc__ = operation.description
    call.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": returns}
    return call


CALLER = "authorization"
AUTHORIZED = inspect.Parameter(CALLER, inspect.Parameter.KEYWORD_ONLY, annotation=Optional[Authorization], default=None)  # noqa: UP045 - servey recognizes this form
"""The parameter that servey's hosts fill with the caller. It is no argument of the API."""


def _parameter(parameter: Parameter, types: _Types) -> inspect.Parameter:
    annotation = SHAPES[parameter.shape](types) if isinstance(parameter.shape, str) else parameter.shape
    keyword = inspect.Parameter.KEYWORD_ONLY
    if parameter.required:
        return inspect.Parameter(parameter.name, keyword, annotation=annotation)
    return inspect.Parameter(parameter.name, keyword, annotation=_optional(annotation), default=None)


SHAPES: dict[str, Callable[[_Types], Any]] = {
    "key": lambda types: str,
    "keys": lambda types: list[str],
    "order": lambda types: list[str],
    "create": lambda types: types.create,
    "update": lambda types: JsonObject,
    "where": lambda types: JsonObject,
    "text": lambda types: str,
    "limit": lambda types: int,
    "edits": lambda types: list[JsonObject],
}
"""Shape of a parameter → the type in the function's signature."""


def _plain(value: Any) -> Any:
    """Return an argument as an operation accepts it: a dataclass becomes a mapping of its members that are not None."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: one for name, one in asdict(value).items() if one is not None}
    return value


def _item(types: _Types, item: Any) -> Any:
    if item is None:
        return None
    found = ((name, attribute.get(item)) for name, attribute in types.visible.items())
    values = {name: None if value is UNSET else value for name, value in found}
    converted = {name: ordered_builtins(values[name]) for name in types.converted}
    return types.item(**{**values, **converted})


def _page(types: _Types, page: Any) -> Any:
    return types.page([_item(types, one) for one in page.items], page.cursor)


def _items(types: _Types, items: list[Any]) -> Any:
    return [_item(types, one) for one in items]


def _results(types: _Types, results: list[EditResult[Any]]) -> list[Mapping[str, Any]]:
    done = [problem(one.error) if one.error else {"code": one.code, "item": one.item} for one in results]
    plain: list[Mapping[str, Any]] = ordered_builtins(done)
    return plain


def _as_is(types: _Types, value: Any) -> Any:
    return value


RESULTS: dict[str, tuple[Callable[[_Types], Any], Callable[[_Types, Any], Any]]] = {
    "item": (lambda types: types.item, _item),
    "item?": (lambda types: _optional(types.item), _item),
    "page": (lambda types: types.page, _page),
    "items?": (lambda types: list[_optional(types.item)], _items),  # type: ignore[misc]
    "count": (lambda types: int, _as_is),
    "deleted": (lambda types: bool, _as_is),
    "results": (lambda types: list[JsonObject], _results),
}
"""Result of an operation → the return type of the function, and the function that makes such a result."""
