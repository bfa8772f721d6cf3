"""Faults of msgspec's messages: the message, its place as a JSON pointer, and the expected and the found value."""

from __future__ import annotations

import re
from typing import Any

from ..errors import Fault
from .allowed_values import choices

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<at>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")
INVALID_KEY = "`key` in"
"""Part of msgspec's message about an invalid key of a dict. Keys of JSON are text; the option `str_keys` converts them."""
ANY_KEY = "*"
"""Step of a fault's path that stands for some key of a dict or some member of a set: msgspec does not say which."""
_KEY_FAULT = "Invalid key. "
_UNKNOWN_FIELD = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_NO_CHOICE = "Invalid enum value"
_EXPECTED = re.compile(r"^Expected (?P<expected>.*?)(?:, got (?P<found>.*))?$")


def pointer(*steps: object) -> str:
    """Return a JSON pointer (RFC 6901) below the root."""
    text = ""
    for step in steps:  # each comparison of a filter has one: a loop takes a third of the time of a generator
        text += "/" + str(step).replace("~", "~0").replace("/", "~1")
    return text


def fault_of(error: Exception, path: str, annotation: Any = None) -> Fault:
    """Return the fault of msgspec's message, with its place below `path`. `annotation`: the type, whose enums give the expected values."""
    match = _AT.match(str(error))
    what, at = (match["what"], match["at"] or "") if match else (str(error), "")
    if match and match["key"]:
        what, at = _KEY_FAULT + what, f"{at}[...]"
    steps = _steps(at)
    if unknown := _UNKNOWN_FIELD.match(what):
        return Fault(path + pointer(*steps, unknown["name"]), "Unknown member")
    shape = _EXPECTED.match(what.removeprefix(_KEY_FAULT))
    expected, found = (shape["expected"], shape["found"]) if shape else (None, None)
    if annotation is not None and what.startswith(_NO_CHOICE):
        expected = choices(annotation, steps)
    return Fault(path + pointer(*steps), what.replace("`", ""), _unquoted(expected), _unquoted(found))


def steps_of(error: Exception) -> list[str]:
    """Return the place of msgspec's message, as steps of a path."""
    match = _AT.match(str(error))
    return _steps(match["at"] or "") if match else []


def _steps(at: str) -> list[str]:
    return [step["name"] or step["index"].replace("...", ANY_KEY) for step in _STEP.finditer(at)]


def _unquoted(text: str | None) -> str | None:
    return text.replace("`", "") if text else None
