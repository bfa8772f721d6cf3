"""Call an operation with the arguments of a GraphQL field, for the hosted endpoint and for AppSync.

Some arguments have another form in GraphQL: orders are enum values (`created_at_desc`), long integers are text, and null may mean that a value is
absent. This module converts them to the arguments of operations. `executor.py` and `values.py` convert the result. It uses no GraphQL library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from ...errors import Fault, InvalidCursor, InvalidInput, InvalidQuery, PersistyError
from ...model.meta import StoreMeta, per_meta
from ...model.msgspec_faults import pointer
from ...model.verbs import CONDITIONAL, VERBS
from ...query.filter_parsing import CONNECTIVES, QUERY, spellings
from ...security.caller import ANONYMOUS, Caller
from ..http.problem import problem
from ..operations import (
    ActionOperation,
    Arguments,
    MultiStoreOperation,
    Operation,
    Parameter,
    StoreOperation,
    unknown_members,
)
from .append_inputs import placed_append, with_appends
from .described_types import annotation_ref, item_record, leaf_of
from .edit_results import each_edit, edited, named_edits, placed, stores_of
from .types import Field, Ref
from .values import given, given_fields, item_answer

ASCENDING, DESCENDING = "_asc", "_desc"
"""Suffixes of the values of an order's enum."""
LISTED = frozenset({"oneof"})
"""Operators whose operand is a list."""


def call(
    operation: Operation,
    arguments: Arguments,
    caller: Caller = ANONYMOUS,
    partly: tuple[str, ...] | None = None,
) -> Any:
    """Call the operation. The result has the members of its GraphQL type. Raises `PersistyError` with every fault. `partly`: the attributes that the items
    of a search need to have."""
    try:
        given = _called_with(operation, arguments)
        found = operation.call(given if partly is None else {**given, "partly": partly}, caller)
        if operation.result != "results":
            return found
        for result in found:
            if result.error is not None:
                result.error.faults = tuple(placed_append(_metas(operation), fault) for fault in result.error.faults)
        stores = stores_of(arguments) if isinstance(operation, MultiStoreOperation) else [None] * len(found)
        return [edited(result, store) for result, store in zip(found, stores, strict=True)]
    except RecursionError:
        if isinstance(operation, ActionOperation):
            raise  # the action's own error
        raise InvalidInput(faults=[Fault("", "Nested too deeply")]) from None
    except PersistyError as error:
        error.faults = tuple(_placed(operation, arguments, fault) for fault in error.faults)
        raise


BODIES: dict[str, str] = {"create": "item", "update": "changes"}
"""Verb → the argument that is the whole body over REST. There, paths of faults begin within it."""


def _placed(operation: Operation, arguments: Arguments, fault: Fault) -> Fault:
    """Return the fault with a path that begins at the arguments in GraphQL."""
    return placed_append(_metas(operation), _begun(operation, arguments, fault))


def _metas(operation: Operation) -> tuple[StoreMeta[Any], ...]:
    if isinstance(operation, MultiStoreOperation):
        return tuple(operation.stores)
    return (operation.meta,) if isinstance(operation, StoreOperation) else ()


def _begun(operation: Operation, arguments: Arguments, fault: Fault) -> Fault:
    if isinstance(operation, MultiStoreOperation):
        return placed(fault, stores_of(arguments))
    body = BODIES.get(operation.verb) if isinstance(operation, StoreOperation) else None
    first = fault.path[1:].partition("/")[0]
    if body is None or any(first == parameter.name for parameter in operation.parameters):
        return fault
    return msgspec.structs.replace(fault, path=pointer(body) + fault.path)


def error_extensions(error: PersistyError) -> dict[str, Any]:
    """Return the extensions of a GraphQL error: the problem document without its texts, and with the item in the form of GraphQL."""
    document = problem(error)
    item = document.pop("item", None)
    found = msgspec.to_builtins({name: value for name, value in document.items() if name not in ("title", "detail")})
    return found if item is None else {**found, "item": item_answer(item)}


def order_value(value: Any) -> Any:
    """Convert a value of an order's enum: `created_at_desc` → `-created_at`."""
    if not isinstance(value, str):
        return value
    return "-" + value.removesuffix(DESCENDING) if value.endswith(DESCENDING) else value.removesuffix(ASCENDING)


def _order(meta: StoreMeta[Any], value: Any) -> Any:
    return [order_value(one) for one in (value if isinstance(value, list) else [value])]


def _create(meta: StoreMeta[Any], value: Any) -> Any:
    return given_fields(_fields(meta), value)


def _update(meta: StoreMeta[Any], value: Any) -> Any:
    return with_appends(meta, given_fields(_fields(meta), value, keep_null=True))


def _where(meta: StoreMeta[Any], value: Any) -> Any:
    if isinstance(value, list):
        return [_where(meta, one) for one in value]
    if not isinstance(value, Mapping):
        return value
    plain: dict[str, Any] = {}
    for name, one in value.items():
        if name in CONNECTIVES or name == "not":
            if one is not None:
                plain[name] = _where(meta, [one] if name in CONNECTIVES and isinstance(one, Mapping) else one)
        elif name in meta.links and isinstance(one, Mapping):
            plain[name] = _where(meta.links[name].ends.target, one)
        elif name != QUERY:
            plain[name] = _compared_value(meta, name, one)
        elif one is not None:
            plain[name] = one
    return plain


def _compared_value(meta: StoreMeta[Any], name: str, value: Any) -> Any:
    """Return the filter of one attribute: its operators, and the fields of an object attribute."""
    refs = _refs(meta)
    if name not in refs or not isinstance(value, Mapping):
        return value
    plain: dict[str, Any] = {}
    for member, one in value.items():
        below = f"{name}.{member}"
        plain[member] = _compared_value(meta, below, one) if below in refs else _operand(refs[name], member, one)
    return plain


def _operand(ref: Ref, operator: str, value: Any) -> Any:
    if isinstance(value, list):
        return [given(ref, one) for one in value]
    plain = given(ref, value)
    return plain if operator not in LISTED or plain is None else [plain]  # a single value may be given for a list


def _edits(meta: StoreMeta[Any], value: Any) -> Any:
    return [_edit(meta, one) for one in each_edit(value)]


def _edit(meta: StoreMeta[Any], value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    plain = {name: one for name, one in value.items() if one is not None}
    if "create" in plain:
        plain["create"] = _create(meta, plain["create"])
    for verb in CONDITIONAL:
        if isinstance(body := plain.get(verb), Mapping):
            plain[verb] = {name: EDIT[name](meta, one) if name in EDIT else one for name, one in body.items()}
    if isinstance(body := plain.get("update"), dict) and not may_give(meta, "update"):
        body.setdefault("changes", {})
    return plain


def may_give(meta: StoreMeta[Any], shape: str) -> bool:
    """Return whether a create or an update can set any attribute of the item."""
    return any(getattr(attribute, INPUTS[shape]) is not False for attribute in meta.attributes.values())


EDIT: dict[str, Callable[[StoreMeta[Any], Any], Any]] = {"changes": _update, "when": _where}

GIVEN: dict[str, Callable[[StoreMeta[Any], Any], Any]] = {
    "create": _create,
    "update": _update,
    "where": _where,
    "order": _order,
    "edits": _edits,
}
"""Shape of a store's parameter → function that converts it to plain JSON. Other shapes need no conversion."""

INPUTS: dict[Any, str] = {name: verb.sets for name, verb in VERBS.items() if verb.sets is not None}
"""Shape → the flag of the attributes that it sets. If an item has no such attribute, the schema leaves out the argument."""

CHECKED: dict[Any, tuple[type, str]] = {
    "key": (str, "a string"),
    "where": (Mapping, "an object"),
    "text": (str, "text"),
    bool: (bool, "a boolean"),
}
"""Shapes whose type GraphQL checks and the operation does not."""
ANYTHING: tuple[type, str] = (object, "")

ARGUMENT_ERRORS: dict[str, type[PersistyError]] = {
    "where": InvalidQuery,
    "query": InvalidQuery,
    "when": InvalidQuery,
    "order": InvalidQuery,
    "limit": InvalidQuery,
    "cursor": InvalidCursor,
}
"""Argument of a store's operation → the error of an invalid value. For other arguments it is `InvalidInput`."""


def _called_with(operation: Operation, arguments: Arguments) -> dict[str, Any]:
    if isinstance(operation, StoreOperation):
        return store_arguments(operation.meta, operation.parameters, arguments)
    if isinstance(operation, MultiStoreOperation):
        metas = {meta.name: meta for meta in operation.stores}
        return _arguments(operation.parameters, arguments, partial(_taken_by_stores, metas), CHECKED)
    return _arguments(operation.parameters, arguments, _taken, {})


def store_arguments(meta: StoreMeta[Any], parameters: tuple[Parameter, ...], arguments: Arguments) -> dict[str, Any]:
    """Return the arguments of a verb of the store. Raises `PersistyError` with every fault."""
    return _arguments(parameters, arguments, partial(_taken_by_store, meta), CHECKED)


def _arguments(
    parameters: tuple[Parameter, ...],
    arguments: Arguments,
    take: Callable[[Parameter, Arguments], Any],
    checked: Mapping[Any, tuple[type, str]],
) -> dict[str, Any]:
    faults = unknown_members(arguments, tuple(parameter.name for parameter in parameters), "")
    kinds: set[type[PersistyError]] = {InvalidInput} if faults else set()
    values: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter.name
        taken = take(parameter, arguments)
        if taken is not UNSET:
            values[name] = taken
        type_, word = checked.get(parameter.shape, ANYTHING)
        if name in values and not isinstance(taken, type_):
            faults.append(Fault(pointer(name), f"Expected {word}", word, type(taken).__name__))
            kinds.add(ARGUMENT_ERRORS.get(name, InvalidInput))
        elif parameter.required and name not in values:
            faults.append(Fault(pointer(name), "Missing"))
            kinds.add(InvalidInput)
    if faults:
        raise (kinds.pop() if len(kinds) == 1 else InvalidInput)(faults=faults)
    return values


def _taken(parameter: Parameter, arguments: Arguments) -> Any:
    """Return the value of an action's parameter. UNSET if there is none, or if it is null and the parameter has a default and does not accept
    None."""
    ref = annotation_ref(parameter.shape)
    value = arguments.get(parameter.name)
    if value is None and not (ref.nullable and (parameter.required or parameter.name in arguments)):
        return UNSET
    return given(ref, value)


def _taken_by_store(meta: StoreMeta[Any], parameter: Parameter, arguments: Arguments) -> Any:
    """Return the value of a parameter of a store's verb. UNSET if it is null or absent."""
    shape, value = parameter.shape, arguments.get(parameter.name)
    if value is None:
        return {} if shape in INPUTS and not may_give(meta, shape) else UNSET
    return GIVEN[shape](meta, value) if shape in GIVEN else value


def _taken_by_stores(metas: Mapping[str, StoreMeta[Any]], parameter: Parameter, arguments: Arguments) -> Any:
    """Return the value of a parameter of an operation on several stores. UNSET if it is null or absent."""
    value = arguments.get(parameter.name)
    if value is None:
        return UNSET
    return (
        named_edits(value, lambda store, edit: _edit(metas[store], edit) if store in metas else {})
        if parameter.shape == "edits"
        else value
    )


@per_meta
def _fields(meta: StoreMeta[Any]) -> tuple[Field, ...]:
    return item_record(meta).fields


@per_meta
def _refs(meta: StoreMeta[Any]) -> dict[str, Ref]:
    """Return the types of attributes in filters. Nested attributes have their paths as names."""
    return {name: Ref(leaf_of(one), one.optional) for name, one in spellings(meta).items()}
