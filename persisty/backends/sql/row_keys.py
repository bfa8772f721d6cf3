"""The keys of rows as errors name them: in the form of an item's string key, not as the columns store them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.keys import key_of_texts
from ...model.meta import Attribute, StoreMeta
from ...model.types import TO_TEXT
from ...model.unreadable_items import FAULTS
from .columns import column_kind
from .dialect import Dialect


def key_of_row(
    meta: StoreMeta[Any], dialect: Dialect, values: Sequence[Any], names: Sequence[str] | None = None
) -> str:
    """Return the key of a row. `values`: those of the columns `names`, by default of the key's columns."""
    attributes = [meta.attributes[name] for name in names or meta.key.attributes]
    return key_of_texts([_text(one, dialect, value) for one, value in zip(attributes, values, strict=True)])


def _text(attribute: Attribute, dialect: Dialect, value: Any) -> str:
    """Return a value as the key has it. A value that does not have the attribute's type is shown as it is stored."""
    decode = column_kind(attribute, dialect).decode
    try:
        return TO_TEXT[attribute.kind](value if decode is None else decode(value))
    except FAULTS:
        return str(value)
