"""The bound on the nesting of JSON: one for every way in.

Encoders and decoders recurse, so that each has a depth at which it fails, which depends on the Python version and on the caller's stack. The
bounds here are far below all of them: what is stored can always be encoded in a response, in an export or in an event.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec

MAX_NESTING = 64
"""Levels of arrays and objects of a stored value."""
MAX_TEXT_NESTING = MAX_NESTING + 16
"""Levels of arrays and objects of a whole request: a value, and the request around it."""

RECURSION = 2_500
"""Recursion limit of a process that serves. Python's own, 1,000, is less than some values need that were stored without a bound."""


class TooDeep(msgspec.ValidationError):
    """JSON is nested more deeply than the bound."""

    def __init__(self, most: int) -> None:
        super().__init__(f"Expected JSON nested at most {most} levels deep")


def too_deep(value: Any, most: int = MAX_NESTING) -> bool:
    """Return whether lists and dicts in a decoded value are nested more than `most` levels deep. Does not recurse."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        if not level:
            return False
        members = chain.from_iterable(one.values() if type(one) is dict else one for one in level)
        level = [one for one in members if type(one) is dict or type(one) is list]
    return bool(level)


def make_room() -> None:
    """Raise the recursion limit of the process, so that values that were stored before there was a bound can be read and sent."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))


def few_brackets(text: bytes | str, most: int = MAX_NESTING) -> bool:
    """Return whether the text opens so few arrays and objects that it cannot be nested more deeply. Takes no walk."""
    if isinstance(text, str):
        return text.count("[") + text.count("{") <= most
    return text.count(b"[") + text.count(b"{") <= most


def decode(text: bytes | str, read: Callable[[Any], Any] = msgspec.json.decode, most: int = MAX_TEXT_NESTING) -> Any:
    """Decode JSON by `read`. Raise `TooDeep` if it is nested more than `most` levels deep, else what `read` raises."""
    try:
        found = read(text)
    except RecursionError:
        raise TooDeep(most) from None
    if not few_brackets(text, most) and too_deep(found, most):
        raise TooDeep(most)
    return found
