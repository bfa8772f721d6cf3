"""Convert the selection that AppSync passes to a resolver to the neutral tree of `selection.py`.

AppSync finds the fields of a result by name, not by alias, so fields with the same name are merged here. For a named fragment, AppSync passes only
that it is spread; `selectionSetList` has the paths of all fields by alias (`author/name`). That is enough for attributes, which are then all
returned, and for links without arguments. AppSync also does not pass whether an absent variable has a default.

Therefore a link whose arguments differ or are unknown is left to its own resolver, and the object contains the link's source value
(`link_sources.py`). If a named fragment is spread, every object in the result is complete except for its links, so that the fragment finds its
fields under any alias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ....errors import Fault, InvalidInput, Unsupported
from ....model.meta import StoreMeta
from ..result_types import LinkField
from ..selection import CONDITIONS, TYPENAME, Selected, no_arguments
from ..types import Record, Ref, within_lists
from .link_sources import arguments_of, end_of
from .selection_text import Part, Parts, value_of, variables_in

LinksOf = Callable[[StoreMeta[Any]], Mapping[str, LinkField]]


class Paths(dict[str, "Paths"]):
    """The fields of a `selectionSetList`, by their response keys."""


def paths_of(listed: Any) -> Paths:
    """Return the tree of the paths. It is empty for anything but a list of paths."""
    root = Paths()
    for path in listed if isinstance(listed, list) else ():
        at = root
        for step in str(path).split("/"):
            at = at.setdefault(step, Paths())
    return root


class _Seen(Struct, frozen=True):
    """A selection of an object, as far as its text is known. `spread`: named fragments may add to it. `arguments`: None if they
    are unknown."""

    parts: Parts | None
    listed: Paths
    spread: bool = False
    arguments: Mapping[str, Any] | None = {}


class Picker(Struct, frozen=True):
    """Makes the tree of one event. `links`: an item → its links that are fields. `left`: collects the fields that are left to other resolvers."""

    variables: Mapping[str, Any]
    links: LinksOf
    left: list[str] = []

    def selected(
        self, name: str, ref: Ref, parts: Parts, listed: Paths, arguments: Mapping[str, Any] | None = None
    ) -> Selected:
        """Return the selected tree of a root field, or of a link with its arguments. `ref`: the type of its value."""
        below = self._below(_named(ref), [_Seen(parts, listed)])
        return Selected(name, name, no_arguments if arguments is None else lambda _: dict(arguments), below)

    def _below(self, record: Record | None, several: list[_Seen]) -> tuple[Selected, ...]:
        """Return the selected fields of a record, from several selections merged by field name."""
        if record is None:
            return ()
        fields_seen: dict[str, list[_Seen]] = {}
        spread = False
        for one in several:
            fields: list[Part] = []
            adds = self._flatten(one.parts, fields) or one.spread
            for part in fields:
                inside = _Seen(part.below, one.listed.get(part.key, Paths()), adds, self._arguments(part))
                fields_seen.setdefault(part.name, []).append(inside)
            if adds:
                written = {part.key for part in fields}
                self._of_named_fragments(
                    record, {key: inner for key, inner in one.listed.items() if key not in written}, fields_seen
                )
                if one.spread:
                    self._whole(record, fields_seen)
            spread = spread or adds
        found = [one for name, those in fields_seen.items() for one in self._field(record, name, those, spread)]
        return (*found, *(self._ends(record) if spread else ()))

    def _flatten(self, parts: Parts | None, fields: list[Part]) -> bool:
        """Gather the fields of a selection and of its inline fragments. Return whether named fragments are spread."""
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

    def _field(self, record: Record, name: str, those: list[_Seen], spread: bool) -> Iterator[Selected]:
        """Yield one field, merged from all selections of its name, and the source values of its links."""
        link = self._links(record).get(name)
        if link is None:
            if name != TYPENAME and not any(one.name == name and one.readable is not False for one in record.fields):
                fault = Fault("/selectionSetGraphQL", f"{record.name} has no such field", found=name[:64])
                raise InvalidInput("Not a selection of this field", faults=[fault])
            yield Selected(name, name, below=self._below(self._inside(record, name), those))
            return
        arguments = those[0].arguments
        if arguments is None or any(one.arguments != arguments for one in those):
            self.left.append(name)
            if not spread:  # with a named fragment, the object has the source values of all links
                yield end_of(name, link.link.ends.local)
            return
        taken = (lambda _: dict(arguments)) if arguments else no_arguments
        yield Selected(name, name, taken, self._below(_named(link.ref), those))
        if spread and link.parameters:
            yield arguments_of(name, arguments)

    def _arguments(self, part: Part) -> dict[str, Any] | None:
        """Return the arguments of a field. None if a variable was not passed, because it may have a default."""
        if any(name not in self.variables for value in part.arguments.values() for name in variables_in(value)):
            return None
        return {name: value_of(value, self.variables) for name, value in part.arguments.items()}

    def _of_named_fragments(self, record: Record, listed: Mapping[str, Paths], fields: dict[str, list[_Seen]]) -> None:
        """Add the fields of named fragments, as far as they are known.

        All attributes are added with everything in them, because their aliases are unknown, and fields with the name of a link without arguments.
        Every other link is left to its own resolver.
        """
        links, records = self._links(record), self._records(record)
        values = {field.name for field in record.fields if field.name in records and _is_value(field.ref)}
        for field in record.fields:
            if field.readable is not False and _named(field.ref) is None:
                fields.setdefault(field.name, [])
        for name in values:
            fields.setdefault(name, []).append(_Seen(None, Paths(), True))
        for key, inner in listed.items():
            link = links.get(key)
            if link is not None and not link.parameters:
                fields.setdefault(key, []).append(_Seen(None, inner, True))
            elif values and not links and values == set(records):
                continue  # each object is complete, so the alias does not matter
            elif key in records or (inner and not links and len(records) == 1):
                fields.setdefault(key if key in records else records[0], []).append(_Seen(None, inner, True))
            elif links and (
                inner or (key not in fields and any(one.link.kind == "has_count" for one in links.values()))
            ):
                self.left.append(key)
            elif inner:
                raise Unsupported(f"{key} is an alias in a named fragment, and AppSync does not pass the field's name")

    def _whole(self, record: Record, fields: dict[str, list[_Seen]]) -> None:
        """Add the items of a page, which a fragment may select under another alias."""
        if record.meta is None and len(records := self._records(record)) == 1:
            fields.setdefault(records[0], []).append(_Seen(None, Paths(), True))

    def _ends(self, record: Record) -> tuple[Selected, ...]:
        """Return the source values of all links, for fragments that may select any of them."""
        return tuple(end_of(name, link.link.ends.local) for name, link in self._links(record).items())

    def _records(self, record: Record) -> list[str]:
        """Return the fields that are objects or lists of objects, without links."""
        return [field.name for field in record.fields if field.readable is not False and _named(field.ref) is not None]

    def _links(self, record: Record) -> Mapping[str, LinkField]:
        return {} if record.meta is None else self.links(record.meta)

    def _inside(self, record: Record, name: str) -> Record | None:
        """Return the record of a field that is not a link, or None for a leaf."""
        return next((_named(field.ref) for field in record.fields if field.name == name), None)


def _is_value(ref: Ref, above: tuple[Record, ...] = ()) -> bool:
    """Return whether the type is finite: no object in it contains itself or an item with links."""
    record = _named(ref)
    if record is None:
        return True
    if record.meta is not None or record in above:
        return False
    return all(_is_value(field.ref, (*above, record)) for field in record.fields)


def _named(ref: Ref) -> Record | None:
    """Return the record of a type or of a list's members, or None."""
    found = within_lists(ref)
    return found if isinstance(found, Record) else None
