"""Text in the form that PostgreSQL can store and search: U+0000 is escaped, and case is folded exactly as in Python.

PostgreSQL stores every character except U+0000. Escaped, U+0000 to U+0003 become U+0001 and two of U+0002 and U+0003:

```
U+0000 → 01 02 02     U+0001 → 01 02 03     U+0002 → 01 03 02     U+0003 → 01 03 03
```

Different texts have different escaped forms in the same order by code point. The characters of an escape occur nowhere else, so a text
contains, starts or ends with another exactly if their escaped forms do. Other text is unchanged.
"""

from __future__ import annotations

import re
import sys
from functools import cache, lru_cache

ESCAPES = {"\0": "\1\2\2", "\1": "\1\2\3", "\2": "\1\3\2", "\3": "\1\3\3"}
_LITERALS = {escaped: plain for plain, escaped in ESCAPES.items()}
_ODD = re.compile("[\0-\3]")
_ESCAPED = re.compile("\1[\2\3]{2}")
_TABLE = str.maketrans(ESCAPES)


def escaped(text: str) -> str:
    """Return the stored form of a text."""
    return text if _ODD.search(text) is None else text.translate(_TABLE)


def unescaped(text: str) -> str:
    """Return the original of a stored text."""
    return _ESCAPED.sub(lambda found: _LITERALS[found[0]], text) if "\1" in text else text


def _spelled(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


_JSON_ESCAPES = {_spelled(plain): _spelled(escape) for plain, escape in ESCAPES.items()}
_JSON_LITERALS = {escape: plain for plain, escape in _JSON_ESCAPES.items()}
_JSON_ODD = re.compile(r"\\\\|\\u000[0-3]")
_JSON_ESCAPED = re.compile(r"\\\\|\\u0001(?:\\u000[23]){2}")


def escaped_json(text: str) -> str:
    r"""Escape the texts of a JSON text. Backslashes are matched in pairs: the `\\` of `"\\u0000"` is a backslash."""
    if "\\u000" not in text:
        return text
    return _JSON_ODD.sub(lambda found: _JSON_ESCAPES.get(found[0], found[0]), text)


def unescaped_json(text: str) -> str:
    """Undo `escaped_json`."""
    if "\\u0001" not in text:
        return text
    return _JSON_ESCAPED.sub(lambda found: _JSON_LITERALS.get(found[0], found[0]), text)


@cache
def _unfolded() -> dict[str, tuple[str, ...]]:
    """Return character → the characters whose case folding contains it. Takes a tenth of a second, once."""
    found: dict[str, list[str]] = {}
    for character in map(chr, range(sys.maxunicode + 1)):
        folded = character.casefold()
        if folded != character:
            for part in dict.fromkeys(folded):
                found.setdefault(part, []).append(character)
    return {part: tuple(sources) for part, sources in found.items()}


@lru_cache(maxsize=256)
def folding(folded: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Return the changes to make to a text before it can be searched for `folded`, a case-folded text.

    The result is (characters, their replacements, (character, replacement text) pairs). Only characters whose folding has a character of `folded` in it
    matter. Any other character cannot be part of a match, because folding never produces a character that it would fold itself.
    """
    parts = dict.fromkeys(folded)
    sources = dict.fromkeys(source for part in parts for source in _unfolded().get(part, ()))
    pairs = [(source, source.casefold()) for source in sources]
    single = [pair for pair in pairs if len(pair[1]) == 1]
    several = tuple(pair for pair in pairs if len(pair[1]) > 1)
    return "".join(one for one, _ in single), "".join(one for _, one in single), several
