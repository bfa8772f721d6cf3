"""Examples in the OpenAPI document: of bodies, responses and required parameters, made from the declarations.

A page of documentation sends the examples when a reader tries a route. So the examples of bodies have attributes that a caller may set, and none
that the server generates. Optional parameters have no examples, because a page would send all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from ...model.meta import Attribute, StoreMeta
from ...model.value_validation import typed
from ..http.cache_headers import validators
from ..http.messages import encode_lines
from ..http.negotiation import LINES_MEDIA
from ..operations import Operation, StoreOperation
from .access import visible
from .example_values import Values
from .type_schemas import Schema

CHANGED = 2
"""The number of attributes that the example of an update changes."""


class Examples:
    """Examples of the operations of one item, or of one action. `of`: annotation → its schema; `components`: the schemas that these refer to."""

    def __init__(self, of: Callable[[Any], Schema], components: Mapping[str, Schema]) -> None:
        self._of, self._values = of, Values(components)
        self._known: dict[str, Any] = {}

    def describe(self, operation: Operation, described: dict[str, Any]) -> dict[str, Any]:
        """Return the description of an operation with its examples, as far as they can be made."""
        sent = received = UNSET
        if of_store := isinstance(operation, StoreOperation):
            meta, verb = operation.meta, operation.verb
            sent = BODIES[verb](self, meta) if verb in BODIES else UNSET
            received = RESPONSES[verb](self, meta) if verb in RESPONSES else UNSET
        found = dict(described)
        if "requestBody" in found:
            body = found["requestBody"]
            found["requestBody"] = {**body, "content": self._shown(body["content"], sent, not of_store)}
        if "parameters" in found:
            found["parameters"] = [self._parameter(operation, one) for one in found["parameters"]]
        responses = dict(found["responses"])
        for status in ("200", "201"):
            if "content" in responses.get(status, {}):
                content = self._shown(responses[status]["content"], received, not of_store)
                responses[status] = {**responses[status], "content": content}
        return {**found, "responses": responses}

    def _shown(self, content: Mapping[str, Any], known: Any, of_schema: bool) -> dict[str, Any]:
        """Return the media types with an example: `known`, or one made from the schema if `of_schema`."""
        found: dict[str, Any] = {}
        for media, described in content.items():
            value = self._values.of(described["schema"]) if of_schema else known
            if media == LINES_MEDIA and value is not UNSET:
                value = encode_lines(value["items"]).decode()
            found[media] = described if value is UNSET else {**described, "example": value}
        return found

    def _parameter(self, operation: Operation, parameter: dict[str, Any]) -> dict[str, Any]:
        value: Any = UNSET
        if parameter["name"] == "key" and isinstance(operation, StoreOperation):
            key = self.key(operation.meta)
            value = key if key is UNSET or parameter["in"] == "path" else [key]
        elif "content" in parameter:
            return {**parameter, "content": self._shown(parameter["content"], UNSET, parameter["required"])}
        elif parameter.get("required"):
            value = self._values.of(parameter["schema"], parameter["name"])
        return parameter if value is UNSET else {**parameter, "example": value}

    # Of an item

    def attribute(self, attribute: Attribute) -> Any:
        """Return a value of an attribute of the item, as JSON."""
        if attribute.name not in self._known:
            self._known[attribute.name] = self._values.of(self._of(attribute.type), attribute.name)
        return self._known[attribute.name]

    def key(self, meta: StoreMeta[Any], number: int = 0) -> Any:
        """Return the string key of the example item. `number`: that of another item, a different one for each number."""
        *before, last = [self.attribute(one) for one in meta.key_attributes]
        if UNSET in (*before, last):
            return UNSET
        for value in _others(last, number) if number else (last,):
            given = zip(meta.key_attributes, (*before, value), strict=True)
            try:
                return meta.key_codec.text(tuple([typed(one, part, strict=False) for one, part in given]))
            except (msgspec.ValidationError, ValueError, TypeError):
                continue
        return UNSET

    def item(self, meta: StoreMeta[Any]) -> Any:
        """Return an example item with every attribute that some caller may read."""
        seen = visible(meta)
        absent = {one.name: None for one in seen if one.optional}
        found = self._some(seen, {one.name for one in seen if one.readable is True and not one.optional})
        return UNSET if found is UNSET else {**absent, **found}

    def created(self, meta: StoreMeta[Any]) -> Any:
        """Return an example of a create: required attributes and optional ones, but no optional links, whose targets may not exist."""
        given = [one for one in meta.attributes.values() if one.creatable is not False]
        return self._some([one for one in given if one.required or _plain(meta, one, one.creatable)], _required(given))

    def changed(self, meta: StoreMeta[Any]) -> Any:
        """Return an example of an update: a few attributes that every caller may change."""
        free = [one for one in meta.attributes.values() if _plain(meta, one, one.updatable)]
        return self._some(free[:CHANGED], set())

    def _some(self, attributes: list[Attribute], needed: set[str]) -> Any:
        values = {one.name: self.attribute(one) for one in attributes}
        found = {name: value for name, value in values.items() if value is not UNSET}
        return found if needed <= found.keys() else UNSET

    def edits(self, meta: StoreMeta[Any]) -> Any:
        """Return an edit of each verb that is offered. Each edits another item, because an atomic batch refuses an item twice."""
        when = self._condition(meta)
        bodies = {
            "create": self.created(meta),
            "update": {"key": self.key(meta, 1), "changes": self.changed(meta), **when},
            "delete": {"key": self.key(meta, 2), **when},
        }
        found = [
            {verb: body}
            for verb, body in bodies.items()
            if meta.access is not None and meta.access.allows(verb) and body is not UNSET and UNSET not in body.values()
        ]
        return {"edits": found, "atomic": False}

    def _condition(self, meta: StoreMeta[Any]) -> dict[str, Any]:
        if not meta.conditional_writes:
            return {}
        version = validators(meta).version
        return {"when": {version.name: {"eq": 1}} if version else {meta.key.attributes[0]: {"null": False}}}

    def results(self, meta: StoreMeta[Any]) -> Any:
        item, edits = self.item(meta), self.edits(meta)["edits"]
        done = {"code": "ok"} if item is UNSET else {"code": "ok", "item": item}
        return {"results": [{"code": "ok"} if "delete" in edit else done for edit in edits]}


def _plain(meta: StoreMeta[Any], attribute: Attribute, given: Any) -> bool:
    """Return whether every caller may set the attribute, and it is neither generated nor a link's key."""
    ways = {link.by for link in meta.links.values() if link.kind == "belongs_to"}
    return given is True and attribute.generator is None and attribute.name not in ways


def _others(value: Any, number: int) -> tuple[Any, ...]:
    """Return values that another item could have instead."""
    if isinstance(value, str):
        return (f"{value[:-1]}{number}", f"{value}{number}")
    return tuple(value + number * step for step in (1, 5, 10, -1)) if isinstance(value, int) else ()


def _required(attributes: list[Attribute]) -> set[str]:
    return {one.name for one in attributes if one.required}


def _within(items: Callable[[Any], dict[str, Any]]) -> Callable[[Examples, StoreMeta[Any]], Any]:
    """Return the function that wraps an example item in the response of the verb."""

    def make(examples: Examples, meta: StoreMeta[Any]) -> Any:
        item = examples.item(meta)
        return UNSET if item is UNSET else items(item)

    return make


BODIES: dict[str, Callable[[Examples, StoreMeta[Any]], Any]] = {
    "create": Examples.created,
    "update": Examples.changed,
    "edit_batch": Examples.edits,
}
"""Verb → the function that makes the example of the body."""
RESPONSES: dict[str, Callable[[Examples, StoreMeta[Any]], Any]] = {
    "create": Examples.item,
    "read": Examples.item,
    "update": Examples.item,
    "search": _within(lambda item: {"items": [item], "cursor": None}),
    "count": lambda examples, meta: {"count": 1},
    "read_batch": _within(lambda item: {"items": [item]}),
    "edit_batch": Examples.results,
}
"""Verb → the function that makes the example of the response."""
