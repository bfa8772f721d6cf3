"""The limit on the nesting of JSON, which is the same for every input.

Encoders and decoders recurse and fail at some depth, which depends on the Python version and on the caller's stack. The
bounds here are far below that depth: a stored value can always be encoded in a response, an export or an event.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec

from .json_errors import message_of

MAX_NESTING = 64
"""Levels of arrays and objects of a stored value."""
MAX_TEXT_NESTING = MAX_NESTING + 16
"""Levels of arrays and objects of a whole request: a value, and the request around it."""

RECURSION = 2_500
"""Recursion limit of a server process. Python's own, 1,000, is too low for some values that were stored before there was a bound."""

SHORT = 1_000
"""Bytes up to which counting brackets is the faster test."""
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


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


def raise_recursion_limit() -> None:
    """Raise the recursion limit of the process, so that values that were stored before there was a bound can be read and sent."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))


def surely_shallow(text: bytes, most: int = MAX_NESTING) -> bool:
    """Return whether the brackets of a JSON text show that it is not nested more deeply. False if only its value can show it.

    It removes pairs of brackets from the inside out. A turn removes at most two levels, `[]` and the `{}` around it.
    """
    if len(text) <= SHORT and text.count(b"[") + text.count(b"{") <= most:
        return True
    brackets = text.translate(None, NO_BRACKETS)
    for _ in range(most // 2):
        fewer = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(fewer) == len(brackets):  # brackets in strings
            return False
        brackets = fewer
        if not brackets:
            return True
    return False


def decode(text: bytes | str, read: Callable[[Any], Any] = msgspec.json.decode, most: int = MAX_TEXT_NESTING) -> Any:
    """Decode JSON by `read`. Raise `TooDeep` if it is nested more than `most` levels deep, else what `read` raises."""
    try:
        found = read(text)
    except RecursionError:
        raise TooDeep(most) from None
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise msgspec.DecodeError(message_of(error, text)) from None
    if not surely_shallow(text if isinstance(text, bytes) else text.encode(errors="replace"), most) and too_deep(
        found, most
    ):
        raise TooDeep(most)
    return found
