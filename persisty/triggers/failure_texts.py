"""Texts about failed events: the reason as it is stored, its headline in lists, and its summary in logs.

A reason is a traceback or a sentence:

```
headline   ValueError: no such address
summary    ValueError: no such address (shop/actions.py, line 12, in mail)
```
"""

from __future__ import annotations

import re

MAX_ERROR = 8_000
"""The most characters of a reason."""
MAX_HEADLINE = 200
"""The most characters of a headline."""
_TRACEBACK = re.compile(r"^(?:  \+ Exception Group )?Traceback \(most recent call last\):$", re.MULTILINE)
_FRAME = re.compile(r'^[\s|]*File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
OF_GROUP = "  | "
"""The begin of each line of an exception group."""
CUT = "\n…\n"


def stored_reason(reason: str) -> str:
    """Return a reason as it is stored. A long one is its headline and its end. NUL and halves of surrogate pairs, which engines refuse, become escapes."""
    kept = _escaped(reason)
    if len(kept) <= MAX_ERROR:
        return kept
    first = headline(kept) + CUT
    return first + kept[len(first) - MAX_ERROR :]


def headline(reason: str, most: int = MAX_HEADLINE) -> str:
    """Return the type of the exception and the first line of its message, or the first line of a sentence."""
    found = (line.removeprefix(OF_GROUP) for line in _last_traceback(reason).splitlines())
    lines = [line for line in found if line and not line.startswith((" ", "\t"))]
    first = _escaped(lines[0] if lines else reason.strip().partition("\n")[0]).strip()
    return first if len(first) <= most else first[: most - 1] + "…"


def summary(reason: str) -> str:
    """Return one line for a log: the headline, and the place where the exception was raised."""
    frames = _FRAME.findall(_last_traceback(reason))
    if not frames:
        return headline(reason)
    file, line, function = frames[-1]
    return f"{headline(reason)} ({file}, line {line}, in {function})"


def _last_traceback(reason: str) -> str:
    """Return the text below the head of the last traceback: the exception that was raised last. Without a traceback, return the reason."""
    heads = [*_TRACEBACK.finditer(reason)]
    return reason[heads[-1].end() :] if heads else reason


def _escaped(text: str) -> str:
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()
