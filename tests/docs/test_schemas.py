"""The page about schemas: its example runs, and its tables are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from persisty import Caller, InvalidDeclaration
from persisty.model.generators import GENERATORS
from persisty.model.schema import AttributeSchema
from persisty.model.schema_json import document_from_json, document_of, schema_to_json
from persisty.model.schema_types import TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "schemas.md").read_text()


def test_the_example_compiles_and_fails_as_the_page_shows() -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    scope: dict[str, Any] = {}
    exec(compile(code, "schemas.md", "exec"), scope)
    [item] = scope["app"].store("product").search().items
    assert str(item.price) == "9.9"
    assert (item.size.name, item.version) == ("SMALL", 1)
    assert scope["app"].can(Caller("ann"), "create", type(item)) is False
    document = json.loads(schema_to_json(document_of(scope["document"].schemas)))
    document["schemas"][0]["attributes"][0]["type"]["max_length"] = "x"
    document["schemas"][0]["access"]["read"]["kind"] = "nobody"
    with pytest.raises(InvalidDeclaration) as refused:
        document_from_json(json.dumps(document))
    lines = str(refused.value).splitlines()
    for shown in re.findall(r"^(/schemas/.*?)(?: …|, …|$)", PAGE, re.MULTILINE):
        assert any(line.strip().startswith(shown.partition(", …")[0]) for line in lines), shown


def test_the_members_kinds_and_generators_are_all_named() -> None:
    for name in (
        *AttributeSchema.__struct_fields__,
        *(str(one.__struct_config__.tag) for one in TYPES),
        *GENERATORS,
    ):
        assert f"`{name}`" in PAGE, name
