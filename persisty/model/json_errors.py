"""The message of JSON that cannot be decoded. msgspec says that a text ending with half of a surrogate pair is truncated."""

from __future__ import annotations

import re

_HIGH, _LOW = "[dD][89abAB][0-9a-fA-F]{2}", "[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"(?s)\\(?:u{_HIGH}\\u{_LOW}|(?P<half>u(?:{_HIGH}|{_LOW}))|.)")
"""An escape in a string of JSON. `half`: it is one half of a surrogate pair, without the other one."""


def message_of(error: Exception, text: bytes | str) -> str:
    """Return the message of the decoder's error about a JSON text."""
    found = text if isinstance(text, str) else text.decode(errors="replace")
    for escape in _ESCAPE.finditer(found):
        if escape["half"]:
            place = len(found[: escape.start()].encode(errors="replace"))
            return f"JSON is malformed: {escape[0]} is half of a surrogate pair (byte {place})"
    return str(error)
