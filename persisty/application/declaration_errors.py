"""Explain the `TypeError` of a declaration that Python itself rejects: a misspelled argument, or two arguments in `Attr[…]`."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..errors import Fault, InvalidDeclaration
from ..model.allowed_values import one_of
from ..model.attribute_declaration import ONE_TYPE, Attr, has_two_types
from ..model.indexes import Index
from ..model.links import link
from ..model.stored import stored
from .app import App

_UNKNOWN = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_UNKNOWN_FIELD = re.compile(r"Unexpected keyword argument '(\w+)'")
"""msgspec's message, which does not name the class."""
_CALL = re.compile(r"(\w+(?:\.\w+)*)\(")
_DECLARE: dict[str, Callable[..., Any]] = {
    "stored": stored,
    "link": link,
    "Attr": Attr.__init__,
    "App": App.__init__,
    "Index": Index.__init__,
}
"""Name in Python's message → the function whose arguments the fault lists."""
_PYTHON = frozenset({"typing", "typing_extensions"})
"""Modules whose frames are below the line of the declaration."""


def explained(error: TypeError) -> InvalidDeclaration | None:
    """Return the error with the file and the line of the declaration, None for the `TypeError` of any other code."""
    if has_two_types(error):
        return _at(error, ONE_TYPE)
    if (found := _UNKNOWN_FIELD.match(str(error))) is not None and (struct := _struct_of(error)) is not None:
        expected = one_of([*struct.__struct_fields__])
        return _at(error, f"{struct.__name__} has no argument {found[1]}", expected)
    match = _UNKNOWN.match(str(error))
    declare = _DECLARE.get(match[1]) if match else None
    if match is None or declare is None:
        return None
    code = declare.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return _at(
        error, f"{match[1]} has no argument {match[2]}", one_of([one for one in names if one not in {"self", "cls"}])
    )


def _struct_of(error: TypeError) -> Any:
    """Return the Struct of persisty whose call is at the place of an error, such as `AfterUpdate`. None if no such call begins there."""
    trace, place = error.__traceback__, traceback.extract_tb(error.__traceback__)[-1]
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = linecache.getline(place.filename, place.lineno or 0).encode()
    call = _CALL.match(line[place.colno or 0 :].decode())
    if trace is None or call is None:
        return None
    first, *steps = call[1].split(".")
    found = trace.tb_frame.f_locals.get(first, trace.tb_frame.f_globals.get(first))
    for step in steps:
        found = getattr(found, step, None)
    is_own = hasattr(found, "__struct_fields__") and str(getattr(found, "__module__", "")).startswith("persisty.")
    return found if is_own else None


def _at(error: TypeError, message: str, expected: str | None = None) -> InvalidDeclaration:
    return InvalidDeclaration(
        "The app cannot be loaded", faults=[Fault("", f"{_place(error.__traceback__)}: {message}", expected)]
    )


def _place(trace: TracebackType | None) -> str:
    """Return file and line of the declaration: the last frame that is not of Python's own modules."""
    found = ""
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") not in _PYTHON:
            found = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
