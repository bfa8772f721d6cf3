"""All faults within a value. msgspec reports the first one only, so the parts of the value are converted one by one, by their types.

msgspec's messages have `[...]` for every key of a dict. Where the types do not lead to the key that is at fault, it is searched: half of the dict is
converted at a time, so the search takes a logarithm of the keys. Both are done only after a failure.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, structs

from ..errors import MAX_FAULTS, Fault
from .msgspec_faults import ANY_KEY, INVALID_KEY, fault_of, pointer, steps_of
from .nesting import MAX_TEXT_NESTING
from .struct_fields import declared_fields
from .types import unwrap

Convert = Callable[[Any], Any]
ConvertTo = Callable[[Any, Any], Any]
"""(value, annotation) → the value of that type."""
Fails = Callable[[Any], bool]
FAILURES = (msgspec.ValidationError, ValueError, TypeError)
LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Collection)
DICTS = (dict, abc.Mapping, abc.MutableMapping)


def faults_within(error: Exception, path: str, annotation: Any, value: Any, convert: ConvertTo) -> list[Fault]:
    """Return the faults of a value that was not converted, at most `MAX_FAULTS`. `convert`: the conversion that raised `error`, for any type."""
    faults = list(islice(_of_parts(path, annotation, value, convert, MAX_TEXT_NESTING), MAX_FAULTS))
    return faults or [fault_within(error, path, annotation, value, partial(_to, convert, annotation))]


def _of_parts(path: str, annotation: Any, value: Any, convert: ConvertTo, depth: int) -> Iterator[Fault]:
    """Yield the faults of the parts that a type names, none if only the value as a whole is at fault."""
    inner = _chosen(annotation, value)
    for name in _missing(inner, value):
        yield Fault(path, f"Object missing required field {name}")
    for step, part, type_ in _parts(inner, value) if depth else ():
        try:
            convert(part, type_)
        except FAILURES as error:
            at, any_fault = path + pointer(step), False
            for fault in _of_parts(at, type_, part, convert, depth - 1):
                any_fault = True
                yield fault
            if not any_fault:
                yield fault_within(error, at, type_, part, partial(_to, convert, type_))


def _to(convert: ConvertTo, annotation: Any, value: Any) -> Any:
    return convert(value, annotation)


def _chosen(annotation: Any, value: Any) -> Any:
    """Return the type without `Annotated` and None. Of a union of tagged classes, the one whose tag the value has."""
    inner, _ = unwrap(annotation)
    while get_origin(inner) is Annotated:
        inner, _ = unwrap(get_args(inner)[0])
    if get_origin(inner) is Union and isinstance(value, Mapping):
        configs = {one: getattr(one, "__struct_config__", None) for one in get_args(inner)}
        tagged = [
            one
            for one, config in configs.items()
            if config and config.tag_field and value.get(config.tag_field) == config.tag
        ]
        return tagged[0] if len(tagged) == 1 else inner
    return inner


def _missing(inner: Any, value: Any) -> Iterator[str]:
    """Yield the names of required fields that an object lacks."""
    if isinstance(value, Mapping):
        for one in declared_fields(inner):
            if (
                one.json not in value
                and not one.omittable
                and one.default is NODEFAULT
                and one.default_factory is NODEFAULT
            ):
                yield one.json


def _parts(inner: Any, value: Any) -> Iterator[tuple[object, Any, Any]]:
    """Yield (position or name, part, type) of the parts of a value."""
    origin, arguments = get_origin(inner) or inner, get_args(inner)
    if isinstance(value, Mapping):
        if origin in DICTS and len(arguments) == 2:
            yield from ((name, part, arguments[1]) for name, part in value.items())
        else:
            yield from (
                (one.json, value[one.json], one.annotation) for one in declared_fields(inner) if one.json in value
            )
    elif isinstance(value, list | tuple):
        if (origin in LISTS and arguments) or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
            yield from ((place, part, arguments[0]) for place, part in enumerate(value))
        elif origin is tuple and len(arguments) == len(value):
            yield from zip(range(len(value)), value, arguments, strict=True)


def fault_within(error: Exception, path: str, annotation: Any, value: Any, convert: Convert) -> Fault:
    """Return the fault of msgspec's message about a value. `convert`: the conversion that failed."""
    fault, steps = fault_of(error, path, annotation), steps_of(error)
    if ANY_KEY not in steps or INVALID_KEY in str(error):
        return fault
    exact = _exact(steps, value, lambda part: _message(convert, part) == str(error))
    return structs.replace(fault, path=path + pointer(*exact) + fault.path.removeprefix(path + pointer(*steps)))


def _exact(steps: Sequence[str], value: Any, fails: Fails) -> list[str]:
    """Return the steps with the keys of dicts; `*` stays for the members of a set, and for a dict with a `min_length`. `fails`: whether another value in place of this one has the same fault."""
    if steps and isinstance(value, Mapping):
        key = steps[0]
        if key == ANY_KEY:
            key = _first([*value], lambda keys: fails({one: value[one] for one in keys}))
        if key in value:
            return [str(key), *_exact(steps[1:], value[key], lambda part: fails({**value, key: part}))]
    elif steps and isinstance(value, list) and steps[0].isdigit() and int(steps[0]) < len(value):
        place = int(steps[0])
        return [
            steps[0],
            *_exact(steps[1:], value[place], lambda part: fails([*value[:place], part, *value[place + 1 :]])),
        ]
    return [*steps]


def _first(keys: list[Any], fails: Fails) -> Any:
    """Return the first key at fault, None if it is not one key alone."""
    while len(keys) > 1:
        half = len(keys) // 2
        keys = keys[:half] if fails(keys[:half]) else keys[half:]
    return keys[0] if keys and fails(keys) else None


def _message(convert: Convert, value: Any) -> str | None:
    """Return the message of the error that the conversion of a value raises."""
    try:
        convert(value)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        return str(error)
    return None
