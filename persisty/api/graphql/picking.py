"""What an AppSync resolver is told of a selection, as the neutral tree of `selection.py`.

AppSync takes the fields of a result by their names, whatever their aliases: fields of one name are merged here, and a link that is
asked for twice with different arguments cannot be answered by one result. Of named fragments it hands on only that they are spread,
and in `selectionSetList` the paths of all fields by their aliases (`author/name`). That is enough for attributes, which are
then all answered, and for links without arguments; a link that has some is refused, since what they are is not told. Nor is
it told whether a variable that was not passed has a default, so an argument below the field needs its variable passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from ...errors import Fault, InvalidInput, Unsupported
from ...model.meta import StoreMeta
from .results import LinkField
from .selection import CONDITIONS, TYPENAME, Selected, no_arguments
from .selection_text import Part, Parts, value_of, variables_in
from .types import Leaf, ListOf, Record, Ref

LinksOf = Callable[[StoreMeta[Any]], Mapping[str, LinkField]]


class Paths(dict[str, "Paths"]):
    """The fields of a `selectionSetList`, by the keys they answer to."""


def paths_of(listed: Iterable[Any]) -> Paths:
    """The tree of the paths."""
    root = Paths()
    for path in listed:
        at = root
        for step in str(path).split("/"):
            at = at.setdefault(step, Paths())
    return root


class _Seen(Struct, frozen=True):
    """A selection of an object, as far as its text is known. `spread`: named fragments may add to it."""

    parts: Parts | None
    listed: Paths
    spread: bool = False
    arguments: Mapping[str, Any] | None = None


class Picker(Struct, frozen=True):
    """Makes the tree of one event. `links`: an item → its links that are fields."""

    variables: Mapping[str, Any]
    links: LinksOf

    def selected(self, name: str, ref: Ref, parts: Parts, listed: Paths) -> Selected:
        """The tree of a root field whose value has this type."""
        return Selected(name, name, below=self._below(_named(ref), [_Seen(parts, listed)]))

    def _below(self, record: Record | None, several: list[_Seen]) -> tuple[Selected, ...]:
        """What is selected of a record, by several selections of it, merged by the names of fields."""
        if record is None:
            return ()
        asked: dict[str, list[_Seen]] = {}
        for one in several:
            fields: list[Part] = []
            spread = self._flatten(one.parts, fields) or one.spread
            for part in fields:
                inside = _Seen(part.below, one.listed.get(part.key, Paths()), spread, self._arguments(part))
                asked.setdefault(part.name, []).append(inside)
            if spread:
                told = {part.key for part in fields}
                self._untold(record, {key: inner for key, inner in one.listed.items() if key not in told}, asked)
        return tuple(self._field(record, name, those) for name, those in asked.items())

    def _flatten(self, parts: Parts | None, fields: list[Part]) -> bool:
        """Gather the fields of a selection and of its inline fragments; whether named ones are spread."""
        if parts is None:
            return True
        fields += [part for part in parts.fields if self._included(part.conditions)]
        inner = [self._flatten(inside, fields) for conditions, inside in parts.inline if self._included(conditions)]
        return parts.spread or any(inner)

    def _included(self, conditions: Iterable[tuple[str, Any]]) -> bool:
        return all(
            name not in CONDITIONS or value_of(value, self.variables) in (CONDITIONS[name], None)
            for name, value in conditions
        )

    def _field(self, record: Record, name: str, those: list[_Seen]) -> Selected:
        """One field, of all selections that have its name."""
        link = self._links(record).get(name)
        if (
            link is None
            and name != TYPENAME
            and not any(one.name == name and one.readable is not False for one in record.fields)
        ):
            fault = Fault("/selectionSetGraphQL", f"{record.name} has no such field", found=name[:64])
            raise InvalidInput("Not a selection of this field", faults=[fault])
        given = [one.arguments for one in those if one.arguments is not None]
        if link is not None and any(one != given[0] for one in given):
            raise Unsupported(f"{name} is asked for twice with different arguments, which one result cannot answer")
        below = self._below(self._inside(record, name, link), those)
        return Selected(name, name, (lambda _: dict(given[0])) if given else no_arguments, below)

    def _arguments(self, part: Part) -> dict[str, Any]:
        absent = sorted(
            {name for value in part.arguments.values() for name in variables_in(value)} - self.variables.keys()
        )
        if absent:
            raise Unsupported(f"AppSync does not tell whether ${absent[0]} has a default: pass it, null for no value")
        return {name: value_of(value, self.variables) for name, value in part.arguments.items()}

    def _untold(self, record: Record, listed: Mapping[str, Paths], asked: dict[str, list[_Seen]]) -> None:
        """What named fragments select, as far as it can be known: all attributes, for their aliases are not told."""
        links = self._links(record)
        for field in record.fields:
            if field.readable is not False and _named(field.ref) is None:
                asked.setdefault(field.name, [])
        for key, inner in listed.items():
            link = links.get(key)
            if link is not None and link.parameters:
                raise Unsupported(
                    f"{key} is in a named fragment, of whose arguments AppSync tells nothing: select it inline"
                )
            if self._inside(record, key, link) is not None:
                asked.setdefault(key, []).append(_Seen(None, inner, True))
            elif inner or (key not in asked and any(one.link.kind == "has_count" for one in links.values())):
                raise Unsupported(f"{key} is an alias in a named fragment, of which AppSync tells nothing")

    def _links(self, record: Record) -> Mapping[str, LinkField]:
        return {} if record.meta is None else self.links(record.meta)

    def _inside(self, record: Record, name: str, link: LinkField | None) -> Record | None:
        """What is selected of a field's value; None where it is a leaf."""
        if link is not None:
            return _named(link.ref)
        return next((_named(field.ref) for field in record.fields if field.name == name), None)


def _named(ref: Ref) -> Record | None:
    """The record of a type, or of the members of a list."""
    found: Leaf | ListOf | Record = ref.type
    while isinstance(found, ListOf):
        found = found.item.type
    return found if isinstance(found, Record) else None
