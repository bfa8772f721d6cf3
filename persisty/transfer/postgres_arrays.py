"""Array literals of PostgreSQL, as in the CSV files of its arrays: `{red,"a, b",NULL}`.

Source: PostgreSQL's documentation, 8.15.6, Array Input and Output Syntax. The grammar is that of the output, which quotes every element with a
space, a comma, a quote, a backslash or a brace.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

DIMENSIONS = 6
"""The most levels of an array, as in PostgreSQL."""
TOKEN = re.compile(r'(?s)(?:\{|(?P<comma>,)|"(?P<quoted>(?:[^"\\]++|\\.)*+)"|(?P<plain>[^{},"\\\s]++)|(?P<end>\}))')
BOUNDS = re.compile(r"(?:\[-?\d+:-?\d+\])+=", re.ASCII)
"""Lower and upper bounds before an array whose first element does not have the number 1."""
ESCAPED = re.compile(r"(?s)\\(.)")


def array_of(text: str, element: Callable[[str], Any]) -> list[Any] | None:
    """Return the elements of an array literal, each converted by `element`, or None if the text is none. `NULL` is None."""
    bounds = BOUNDS.match(text)
    at = bounds.end() if bounds else 0
    whole: list[Any] = []
    levels, complete = [whole], False
    """The open lists, and whether the last one has an element that no comma follows."""
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None or (len(levels) == 1 and (whole or token[0] != "{")):
            return None
        at = token.end()
        kind = token.lastgroup
        if kind == "end":
            closed = levels.pop()
            if not complete and closed:
                return None
            complete = True
        elif kind == "comma":
            if not complete:
                return None
            complete = False
        elif complete:
            return None
        elif kind is None:
            if len(levels) > DIMENSIONS:
                return None
            levels[-1].append([])
            levels.append(levels[-1][-1])
        else:
            levels[-1].append(_element(kind, token[kind], element))
            complete = True
    return whole[0] if whole and len(levels) == 1 else None


def _element(kind: str, written: str, element: Callable[[str], Any]) -> Any:
    if kind == "quoted":
        return element(ESCAPED.sub(r"\1", written))
    return None if written.upper() == "NULL" else element(written)
