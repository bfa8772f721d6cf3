"""Faults of values in dicts have the key in their path."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from persisty.model.dict_faults import fault_within


class Part(Struct, forbid_unknown_fields=True):
    text: str


class Whole(Struct):
    by: dict[str, Part] = {}
    lists: list[dict[str, Part]] = []
    deep: dict[str, dict[str, int]] = {}
    several: Annotated[dict[str, int], Meta(min_length=2)] | None = None


GOOD = {"text": "x"}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"by": {"a": GOOD, "b": {"text": 1}, "c": {"text": 2}}}, "/w/by/b/text"),
        ({"by": {"a/b": {"text": 1}}}, "/w/by/a~1b/text"),
        ({"by": {**{str(one): GOOD for one in range(100)}, "x": {"text": None}}}, "/w/by/x/text"),
        ({"by": {"a": 1}}, "/w/by/a"),
        ({"by": {"a": GOOD, "b": {**GOOD, "q": 1}}}, "/w/by/b/q"),
        ({"lists": [{}, {"a": GOOD, "b": {"text": 1}}]}, "/w/lists/1/b/text"),
        ({"deep": {"a": {"b": 1}, "c": {"d": 1, "e": "x"}}}, "/w/deep/c/e"),
        ({"several": {"a": 1, "b": "x"}}, "/w/several/*"),  # a part of it is too short, so no key is certain
    ],
)
def test_the_path_of_a_fault_within_a_dict_has_its_key(value: Any, path: str) -> None:
    def convert(given: Any) -> Any:
        return msgspec.convert(given, Whole)

    with pytest.raises(msgspec.ValidationError) as caught:
        convert(value)
    assert fault_within(caught.value, "/w", Whole, value, convert).path == path
