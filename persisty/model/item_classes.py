"""Make the class of an item: a msgspec Struct with the attributes of a schema, and the methods of the declared class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from .meta import Attribute

NOT_COPIED = frozenset(
    {"__dict__", "__weakref__", "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
)
"""Members of a class body that belong to the class itself."""


def item_class(cls: type, drafts: Mapping[str, Attribute], links: Iterable[str]) -> type[Any]:
    """Return a Struct with the methods of the class."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, draft in drafts.items():
        annotation = draft.type | None if draft.optional else draft.type
        if draft.required:
            fields.append((name, annotation))
        elif draft.generator:
            fields.append((name, annotation | UnsetType, UNSET))
        elif callable(draft.default):
            fields.append((name, annotation, msgspec.field(default_factory=draft.default)))
        else:
            fields.append((name, annotation, msgspec.field(default=draft.default)))
    return msgspec.defstruct(
        cls.__name__,
        fields,
        bases=(*(parent for parent in cls.__bases__ if parent is not object), Struct),
        module=cls.__module__,
        namespace={name: value for name, value in vars(cls).items() if name not in {*drafts, *links, *NOT_COPIED}},
        kw_only=True,
        forbid_unknown_fields=True,
    )
