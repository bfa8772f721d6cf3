"""The key of a fault within a dict: msgspec's messages have `[...]` for every key, so the one that is at fault is searched.

Half of the dict is converted at a time, so the search takes a logarithm of the keys. It is done only after a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from ..errors import Fault
from .msgspec_faults import ANY_KEY, INVALID_KEY, fault_of, pointer, steps_of

Convert = Callable[[Any], Any]
Fails = Callable[[Any], bool]


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
