"""Faults of msgspec's messages: the message, its place as a JSON pointer, and the expected and the found value."""

from __future__ import annotations

import ast
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
_PATTERN = re.compile(r"^(?P<before>Expected `str` matching regex )(?P<literal>['\"].*['\"])$", re.DOTALL)
"""Form of msgspec's message with a regular expression, as a Python literal: its backslashes are doubled."""
EXAMPLES: dict[str, str] = {
    "Invalid RFC3339 encoded date": "a date such as 2027-06-30",
    "Invalid RFC3339 encoded datetime": "a datetime such as 2027-06-30T08:00:00Z",
    "Invalid RFC3339 encoded time": "a time such as 08:00:00",
    "Invalid ISO8601 duration": "a duration such as PT1H30M",
    "Invalid UUID": "a UUID such as 123e4567-e89b-12d3-a456-426614174000",
    "Invalid decimal string": "a decimal such as 12.50",
    "Invalid base64 encoded string": "base64 such as aGVsbG8=",
}
"""msgspec's message about text of another form → the expected form, with an example."""
_NO_CHOICE = "Invalid enum value"
_EXPECTED = re.compile(r"^Expected (?P<expected>.*?)(?:, got (?P<found>.*))?$", re.DOTALL)


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
    what = _plain(what)
    if match and match["key"]:
        what, at = _KEY_FAULT + what, f"{at}[...]"
    steps = _steps(at)
    if unknown := _UNKNOWN_FIELD.match(what):
        return Fault(path + pointer(*steps, unknown["name"]), "Unknown member")
    shape = _EXPECTED.match(what.removeprefix(_KEY_FAULT))
    expected, found = (
        (shape["expected"], shape["found"]) if shape else (EXAMPLES.get(what.removeprefix(_KEY_FAULT)), None)
    )
    if annotation is not None and what.startswith(_NO_CHOICE):
        expected = choices(annotation, steps)
    return Fault(path + pointer(*steps), what, expected, found)


def steps_of(error: Exception) -> list[str]:
    """Return the place of msgspec's message, as steps of a path."""
    match = _AT.match(str(error))
    return _steps(match["at"] or "") if match else []


def _steps(at: str) -> list[str]:
    return [step["name"] or step["index"].replace("...", ANY_KEY) for step in _STEP.finditer(at)]


def _plain(what: str) -> str:
    """Return the message without the quotes of its types, and with a regular expression as it was declared. The name of an unknown field keeps its quotes."""
    if _UNKNOWN_FIELD.match(what):
        return what
    if pattern := _PATTERN.match(what):
        return f"{pattern['before'].replace('`', '')}'{ast.literal_eval(pattern['literal'])}'"
    return what.replace("`", "")
