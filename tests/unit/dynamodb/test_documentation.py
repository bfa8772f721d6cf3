"""docs/dynamodb.md says what is stored: a row for each kind, with the tag that the codec uses."""

from __future__ import annotations

import re
from pathlib import Path

from persisty.backends.dynamodb.codec import WireCodec
from persisty.model.types import Kind

from .items import THING

PAGE = (Path(__file__).parents[3] / "docs/dynamodb.md").read_text()


def test_every_kind_has_a_row_with_its_tag() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \| (.*) \|$", PAGE.partition("## How a write is sent")[0], re.MULTILINE)
    documented = {kind: text for kinds, text in rows for kind in kinds.split(", ")}
    codec = WireCodec(THING)
    for name, attribute in THING.attributes.items():
        assert re.search(rf"\b{codec.tag(name)}\b", documented[attribute.kind]), name
    assert documented.keys() - {"kind"} == set(Kind)
