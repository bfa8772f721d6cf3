"""The limit on nesting of values and of JSON texts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from persisty.model.nesting import MAX_NESTING, MAX_TEXT_NESTING, TooDeep, decode, surely_shallow, too_deep


def lists(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [1, 2, MAX_NESTING])
def test_a_value_within_the_bound_is_not_too_deep(levels: int) -> None:
    assert not too_deep(lists(levels))
    assert not too_deep({"a": 1, "b": lists(levels - 1)} if levels > 1 else {"a": 1})


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, 500, 100_000])
def test_a_deeper_value_is_too_deep_among_any_other_values(levels: int) -> None:
    assert too_deep(lists(levels))
    assert too_deep({"a": [{}] * 100, "b": lists(levels - 1)})


def test_scalars_are_not_nested() -> None:
    assert not any(too_deep(one, 0) for one in ("[[", 1, None, b"", True))
    assert too_deep([], 0)


@pytest.mark.parametrize("levels", [MAX_TEXT_NESTING + 1, 400, 990, 5_000, 500_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_text_that_is_nested_too_deeply_is_rejected(levels: int, opening: str, closing: str) -> None:
    text = opening * levels + ("1" if closing == "}" else "") + closing * levels
    with pytest.raises(TooDeep, match="at most 80 levels"):
        decode(text)
    with pytest.raises(TooDeep):
        decode(text.encode(), msgspec.json.Decoder(Any).decode)


def test_a_text_within_the_bound_is_decoded() -> None:
    text = "[" * MAX_TEXT_NESTING + "]" * MAX_TEXT_NESTING
    assert decode(text) == lists(MAX_TEXT_NESTING)
    assert decode('["' + "[" * 500 + '"]') == ["[" * 500]
    assert decode("[" + ",".join(["[]"] * 500) + "]") == [[]] * 500


def test_brackets_show_that_a_text_is_shallow() -> None:
    for text in (b"[{}]", b"[" + b"[{}]," * 500 + b"{}]", b'[{"a":[1]},"x]"]', b"[" * MAX_NESTING + b"]" * MAX_NESTING):
        assert surely_shallow(text)
    alternating = b'[{"a":' * 33 + b"1" + b"}]" * 33
    assert not surely_shallow(alternating)
    assert too_deep(msgspec.json.decode(alternating))
    assert not surely_shallow(b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1))
    assert not surely_shallow(b'["' + b"[" * 100 + b'"]')  # which only its value shows


def test_invalid_json_is_the_decoders_error() -> None:
    with pytest.raises(msgspec.DecodeError, match="truncated"):
        decode("[" * 5)
