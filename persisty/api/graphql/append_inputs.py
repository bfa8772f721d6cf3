"""Appending to lists in GraphQL: an update has the members `tags` and `tags_append`, because an input field has one type.

In REST the change is the value of the attribute, `{"tags": {"append": ["x"]}}`. Operations accept that form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from ...errors import Fault
from ...model.meta import StoreMeta, per_meta
from ...model.update_operators import change_word
from .described_types import attribute_ref
from .types import ListOf
from .values import given

APPEND = "append"
_CHANGED = re.compile(rf"(?P<place>/changes/(?P<name>[^/]+))(?P<word>/{APPEND}(?=/|$))?")


@per_meta
def appends(meta: StoreMeta[Any]) -> Mapping[str, str]:
    """Return member of an update → the attribute that it appends to. An attribute with the name of such a member takes precedence."""
    return {
        member: name
        for name, attribute in meta.attributes.items()
        if attribute.updatable is not False
        and (member := f"{name}_{APPEND}") not in meta.attributes
        and change_word(attribute) == APPEND
        and isinstance(attribute_ref(meta, name).type, ListOf)
    }


def with_appends(meta: StoreMeta[Any], plain: Any) -> Any:
    """Return changes with each appended list as the change of its attribute. A member remains if its attribute is changed too: the operation rejects
    it."""
    if not isinstance(plain, dict):
        return plain
    for member, name in appends(meta).items():
        if plain.get(member) is None:
            plain.pop(member, None)
        elif name not in plain:
            plain[name] = {APPEND: given(attribute_ref(meta, name), plain.pop(member))}
    return plain


def placed_append(metas: Iterable[StoreMeta[Any]], fault: Fault) -> Fault:
    """Return a fault of an appended list with the path of its member."""
    found = _CHANGED.search(fault.path)
    if found is None:
        return fault
    for meta in metas:
        if found["name"] in appends(meta):
            return replace(fault, message=f"Not together with {appends(meta)[found['name']]}")
        if found["word"] and f"{found['name']}_{APPEND}" in appends(meta):
            return replace(fault, path=_CHANGED.sub(rf"\g<place>_{APPEND}", fault.path, count=1))
    return fault
