"""A renamed attribute on PostgreSQL, for as long as older code runs: its values are in two columns, and a trigger copies each write.

```
older code   INSERT … odometer = 7     the trigger sets mileage = 7
newer code   UPDATE … mileage = 8      the trigger sets odometer = 8
```

The trigger's comment is the state of the rename: without one, the stored values are still being copied, and newer code must not
start. `--allow drop:car.odometer` says that no older code runs, and drops the former column with the trigger.

A mirrored column has no default of its own: the trigger could not distinguish it from a value that the other code has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from msgspec import Struct, structs

from .dialect import quoted

FILLED = "filled"
PREFIX = "persisty-rename-"
TRIGGERS = """
SELECT t.tgname::text, encode(t.tgargs, 'escape'), obj_description(t.oid, 'pg_trigger')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relname = $1 AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = COALESCE($2::text, current_schema()::text))
AND t.tgname LIKE 'persisty-rename-%'
""".strip()
BODY = """
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF {given}
    END IF;
  ELSE
    IF {changed}
    ELSIF NEW.{first} IS NOT NULL THEN NULL;
    ELSIF {filling}
    END IF;
  END IF;{giving}
  RETURN NEW;
END
""".strip()


class Mirror(Struct, frozen=True):
    """A column `old` whose values are also in `new`. `name`: the name of the trigger and its function. `filled`: the values stored before are
    copied."""

    name: str
    old: str
    new: str
    filled: bool = False

    def counterpart(self, column: str) -> str | None:
        """Return the other column, None if `column` is neither of the two."""
        return {self.old: self.new, self.new: self.old}.get(column)


def mirror_of(table: str, old: str, new: str) -> Mirror:
    """Return the mirror of a column without one."""
    whole = "\0".join((table, old, new)).encode()
    return Mirror(PREFIX + blake2b(whole, digest_size=12).hexdigest(), old, new)


def mirrors(rows: Callable[..., list[tuple[Any, ...]]], table: str, schema: str | None) -> list[Mirror]:
    """Return the mirrored columns of a table."""
    found = []
    for name, arguments, comment in rows(TRIGGERS, (table, schema)):
        old, new, *_ = str(arguments).split("\\000")
        found.append(Mirror(name, old, new, comment == FILLED))
    return found


class MirroredColumns:
    """The mirrored columns of one table, while its steps are planned. Columns that are mirrored with each other, directly or through another one, are a group: each trigger of a group writes all of
    its columns, so the order in which PostgreSQL fires them does not matter.

    `place`: the table in SQL. `in_schema`: the prefix of the names of functions.
    """

    def __init__(self, table: str, mirrors: Iterable[Mirror], place: str, in_schema: str) -> None:
        self._table, self.mirrors, self._place, self._in_schema = table, [*mirrors], place, in_schema

    @property
    def columns(self) -> list[str]:
        """The names of all mirrored columns."""
        return [*dict.fromkeys(name for one in self.mirrors for name in (one.old, one.new))]

    def group(self, column: str) -> tuple[str, ...]:
        """Return a column and those that are mirrored with it."""
        found = [column]
        for each in found:
            found += [other for one in self.mirrors if (other := one.counterpart(each)) and other not in found]
        return tuple(found)

    def add(self, old: str, new: str, default: str | None) -> list[str]:
        """Mirror a column. Return the statements. `default`: the value, in SQL, of items that neither older nor newer code gives one."""
        made = mirror_of(self._table, old, new)
        self.mirrors = [*(one for one in self.mirrors if one.name != made.name), made]
        return [*self.functions(new, default), *self._trigger(made)]

    def remove(self, column: str, default: str | None) -> list[str]:
        """End the mirroring of a column. Return the statements. The other columns of its group still mirror each other."""
        ended = [one for one in self.mirrors if one.counterpart(column)]
        neighbors = [str(one.counterpart(column)) for one in ended]
        is_filled = all(one.filled for one in ended)
        linked = [structs.replace(mirror_of(self._table, *pair), filled=is_filled) for pair in pairwise(neighbors)]
        return self._replace(ended, linked, neighbors[:1], default)

    def rename(self, column: str, name: str, default: str | None) -> list[str]:
        """Mirror a column under another name. Return the statements."""
        ended = [one for one in self.mirrors if one.counterpart(column)]
        made = [
            structs.replace(
                mirror_of(self._table, *(name if each == column else each for each in (one.old, one.new))),
                filled=one.filled,
            )
            for one in ended
        ]
        return self._replace(ended, made, [name], default)

    def _replace(
        self, ended: Sequence[Mirror], made: Sequence[Mirror], group: Iterable[str], default: str | None
    ) -> list[str]:
        self.mirrors = [*(one for one in self.mirrors if one not in ended), *made]
        statements = [statement for one in ended for statement in self._without(one)]
        for column in group:
            statements += self.functions(column, default)
        for one in made:
            statements += [*self._trigger(one), *([filled(one, self._place)] if one.filled else [])]
        return statements

    def functions(self, column: str, default: str | None) -> list[str]:
        """Return the statements that create the functions of a group, or replace them. Empty for a column that is not mirrored."""
        columns = self.group(column)
        if len(columns) == 1:
            return []
        body = _body([quoted(one) for one in columns], default)
        return [
            f"CREATE OR REPLACE FUNCTION {self._function(one)}() RETURNS trigger LANGUAGE plpgsql AS $persisty$\n{body}\n$persisty$"
            for one in self.mirrors
            if one.new in columns
        ]

    def _function(self, mirror: Mirror) -> str:
        return f"{self._in_schema}{quoted(mirror.name)}"

    def _trigger(self, mirror: Mirror) -> list[str]:
        """Return the statements that create the trigger of a mirror. Its arguments are the names of the columns."""
        trigger = quoted(mirror.name)
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in (mirror.old, mirror.new))
        return [
            f"DROP TRIGGER IF EXISTS {trigger} ON {self._place}",
            f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {self._place} FOR EACH ROW EXECUTE FUNCTION {self._function(mirror)}({names})",
        ]

    def _without(self, mirror: Mirror) -> list[str]:
        return [
            f"DROP TRIGGER IF EXISTS {quoted(mirror.name)} ON {self._place}",
            f"DROP FUNCTION IF EXISTS {self._function(mirror)}()",
        ]


def filled(mirror: Mirror, place: str) -> str:
    """Return the statement that says that all values are copied."""
    return f"COMMENT ON TRIGGER {quoted(mirror.name)} ON {place} IS '{FILLED}'"


def _body(columns: Sequence[str], default: str | None) -> str:
    """Return the body of the function for a group of columns. The types of the columns may differ, so each value is assigned, which converts it."""

    def branches(condition: str) -> str:
        return "\n    ELSIF ".join(f"{condition.format(one)} THEN {_copied(one, columns)}" for one in columns)

    first, *others = columns
    filling = "\n    ELSIF ".join(f"NEW.{one} IS NOT NULL THEN NEW.{first} := NEW.{one};" for one in others)
    giving = f"\n  IF NEW.{first} IS NULL THEN NEW.{first} := {default}; {_copied(first, columns)} END IF;"
    return BODY.format(
        given=branches("NEW.{} IS NOT NULL"),
        changed=branches("NEW.{0} IS DISTINCT FROM OLD.{0}"),
        first=first,
        filling=filling,
        giving="" if default is None else giving,
    )


def _copied(column: str, columns: Sequence[str]) -> str:
    return " ".join(f"NEW.{other} := NEW.{column};" for other in columns if other != column)
