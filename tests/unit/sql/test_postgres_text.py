"""Text for PostgreSQL: escapes keep every order and every search, and cases fold as Python folds them."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from persisty.backends.sql.postgres.text import escaped, escaped_json, folding, unescaped, unescaped_json

LOW = st.text("\0\1\2\3\4a", max_size=6)
TEXT = LOW | st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | TEXT | st.text("\\u0123\0\1", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@given(TEXT)
def test_an_escaped_text_has_no_nul_and_comes_back(text: str) -> None:
    assert "\0" not in escaped(text)
    assert unescaped(escaped(text)) == text


@given(TEXT, TEXT)
def test_escaped_texts_compare_as_their_texts_do(a: str, b: str) -> None:
    assert (escaped(a) < escaped(b)) == (a < b)
    assert (escaped(a) == escaped(b)) == (a == b)


@given(LOW, st.text("\0\1\2\3a", max_size=2))
def test_escaped_texts_contain_one_another_as_their_texts_do(text: str, part: str) -> None:
    assert (escaped(part) in escaped(text)) == (part in text)
    assert escaped(text).startswith(escaped(part)) == text.startswith(part)
    assert escaped(text).endswith(escaped(part)) == text.endswith(part)


@given(JSON)
def test_escaped_json_is_the_json_of_escaped_texts(value: Any) -> None:
    def mapped(one: Any) -> Any:
        if isinstance(one, dict):
            return {escaped(key): mapped(inner) for key, inner in one.items()}
        return list(map(mapped, one)) if isinstance(one, list) else escaped(one) if isinstance(one, str) else one

    text = msgspec.json.encode(value).decode()
    assert msgspec.json.decode(escaped_json(text)) == mapped(value)
    assert "\\u0000" not in escaped_json(text).replace("\\\\", "")
    assert unescaped_json(escaped_json(text)) == text


def folded_for(text: str, searched: str) -> str:
    """Return the text that the statement searches."""
    singles, become, several = folding(searched)
    text = text.translate(str.maketrans(singles, become))
    for character, folded in several:
        text = text.replace(character, folded)
    return text


CASED = [one for one in map(chr, range(sys.maxunicode + 1)) if one.casefold() != one]


def test_what_folds_to_a_character_is_found_by_it() -> None:
    for character in CASED:
        folded = character.casefold()
        assert folded in folded_for(f"a{character}b", folded)
        assert all(part in folded_for(character, part) for part in folded)


def test_no_character_that_folding_gives_would_itself_be_folded() -> None:
    assert all(part.casefold() == part for one in CASED for part in one.casefold())


CASES = st.text(st.sampled_from("aAsSßẞ\u017fﬁﬀiIİ\u0131Σ\u03c3ςkK\u212aŉ\u0307"), max_size=6)


@given(CASES, CASES)
def test_a_text_is_found_where_python_finds_it(text: str, part: str) -> None:
    searched = part.casefold()
    assert (searched in folded_for(text, searched)) == (searched in text.casefold())
