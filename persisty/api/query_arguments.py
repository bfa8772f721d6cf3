"""Arguments of a custom action in a query string. REST, OpenAPI and the clients read the form of each parameter from the same rule.

| declared type | in the URL |
|---|---|
| text, numbers, times, enums, … | `depth=2`, once |
| a list, set or tuple of these | `ids=1&ids=2`; no parameter is an empty list |
| anything else, as a dict or a list of objects | JSON: `place=%7B%22x%22%3A1%7D`, once |
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from itertools import repeat
from typing import Any, get_args, get_origin

import msgspec

from ..model import schema_types as forms
from ..model.decimal_texts import check_decimals
from ..model.json_numbers import decode
from ..model.schema import Object
from ..model.schema_types import arms
from ..model.type_descriptions import Described, described
from ..model.types import bare, unwrap
from .http.messages import MAX_PARAMETERS
from .operations import Parameter


class Form(Enum):
    """The form of a parameter in a URL: `TEXT`, a `LIST` of texts, or `JSON`."""

    TEXT = "text"
    LIST = "list"
    JSON = "json"


LISTS = (forms.List, forms.Set, forms.Tuple)


def form_of(annotation: Any) -> Form:
    """Return the form of a parameter of this type."""
    found = described(annotation)
    alternatives = arms(found.type)
    if not any(_is_structured(found, one) for one in alternatives):
        return Form.TEXT
    members = [member for one in alternatives for member in _members(one)]
    lists = all(isinstance(one, LISTS) for one in alternatives)
    return Form.JSON if not lists or any(_is_structured(found, one) for one in members) else Form.LIST


def _is_structured(found: Described, one: forms.Type) -> bool:
    """Return whether the JSON of a type is an array or an object."""
    if isinstance(one, forms.Named):
        return isinstance(found.definition(one), Object)
    return isinstance(one, (*LISTS, forms.Dict, forms.Python))


def _members(one: forms.Type) -> Iterable[forms.Type]:
    """Return the types of a list's members, with all alternatives. Nothing for a type that is not a list."""
    match one:
        case forms.Tuple(items=items) if items is not None:
            return [arm for item in items for arm in arms(item)]
        case forms.Tuple(every=item) | forms.List(items=item) | forms.Set(items=item):
            return arms(item or forms.Anything())
    return ()


def is_required(parameter: Parameter) -> bool:
    """Return whether a URL has to contain the parameter. A list is not required, because a URL without the parameter is an empty list."""
    return parameter.required and form_of(parameter.shape) is not Form.LIST


class QueryArguments:
    """Read the arguments of an action from query strings."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._shapes = {one.name: (form_of(one.shape), one.shape) for one in parameters}
        self._lists = [one.name for one in parameters if one.required and not is_required(one)]

    def __call__(self, given: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return the arguments, converted to the declared types if possible. The others remain texts, so that the action reports every fault. A
        repeated parameter becomes a list."""
        texts: dict[str, list[str]] = {name: [] for name in self._lists}
        for name, text in given:
            texts.setdefault(name, []).append(text)
        return {name: _value(*self._shapes.get(name, (Form.TEXT, Any)), values) for name, values in texts.items()}


def _value(form: Form, shape: Any, texts: list[str]) -> Any:
    if form is Form.LIST:
        return [_lenient(text, member) for text, member in zip(texts, _member_types(shape), strict=False)]
    if len(texts) > 1:
        return texts
    return _json(texts[0]) if form is Form.JSON else _lenient(texts[0], shape)


def _member_types(shape: Any) -> Iterable[Any]:
    """Return the type of each member of a list of any length."""
    listed = bare(unwrap(shape)[0])
    members = get_args(listed)
    if get_origin(listed) is tuple and members[-1:] != (...,):
        return (*members, *repeat(Any, MAX_PARAMETERS))
    return repeat(members[0] if members else Any)


def _lenient(text: str, annotation: Any) -> Any:
    try:
        check_decimals(annotation, text)
        found = msgspec.convert(text, annotation, strict=False)
        # without `strict`, the text of a number is a time, too
        return msgspec.convert(text, annotation) if isinstance(found, datetime | timedelta) else found
    except (msgspec.ValidationError, TypeError):
        return text


def _json(text: str) -> Any:
    try:
        return decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
