"""Generated values of the attributes of new and changed items: of one item, or of all items of a batch together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .generators import now, uuid4, uuid4s
from .meta import StoreMeta, per_meta

Generate = Callable[[], Any]
Generators = tuple[tuple[str, Generate], ...]
"""Name of an attribute, and the function that makes its value."""


@per_meta
def on_create(meta: StoreMeta[Any]) -> Generators:
    """Return the attributes with a value that is generated for a new item, and the functions that make it."""
    return _generators(meta, "create")


@per_meta
def on_update(meta: StoreMeta[Any]) -> Generators:
    """Return the same for an update."""
    return _generators(meta, "update")


def _generators(meta: StoreMeta[Any], phase: str) -> Generators:
    found = ((name, getattr(attribute.generator, phase, None)) for name, attribute in meta.attributes.items())
    return tuple((name, generate) for name, generate in found if generate is not None)


def generate_missing(values: dict[str, Any], generators: Sequence[tuple[str, Generate]]) -> None:
    """Fill in missing values. All timestamps of one write are equal."""
    moment = None
    for name, generate in generators:
        if name in values:
            continue
        if generate is now:
            moment = moment or now()
            values[name] = moment
        else:
            values[name] = generate()


def generate_all(rows: Sequence[dict[str, Any]], generators: Sequence[tuple[str, Generate]]) -> None:
    """Add generated values to each of the rows, which lack them. All timestamps of one row are equal."""
    made: list[Any]
    moments: list[Any] = []
    for name, generate in generators:
        if generate is now:
            made = moments = moments or [now() for _ in rows]
        elif generate is uuid4:
            made = uuid4s(len(rows))
        else:
            made = [generate() for _ in rows]
        for values, value in zip(rows, made, strict=True):
            values[name] = value
