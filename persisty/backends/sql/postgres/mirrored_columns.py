"""A renamed attribute on PostgreSQL, for as long as older code runs: its values are in two columns, and a trigger copies each write.

```
older code   INSERT … odometer = 7     the trigger sets mileage = 7
newer code   UPDATE … mileage = 8      the trigger sets odometer = 8
```

The trigger's comment is the state of the rename: without one, the stored values are still being copied, and newer code must not
start. `--allow drop:car.odometer` says that no older code runs, and drops the former column with the trigger.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from msgspec import Struct

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
    IF NEW.{new} IS NULL THEN NEW.{new} := NEW.{old}; ELSE NEW.{old} := NEW.{new}; END IF;
  ELSIF NEW.{new} IS DISTINCT FROM OLD.{new} THEN NEW.{old} := NEW.{new};
  ELSIF NEW.{old} IS DISTINCT FROM OLD.{old} THEN NEW.{new} := NEW.{old};
  ELSIF NEW.{new} IS NULL THEN NEW.{new} := NEW.{old};
  END IF;
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


def mirroring(mirror: Mirror, place: str, in_schema: str) -> list[str]:
    """Return the statements that make the trigger. `place`: the table in SQL. `in_schema`: the prefix of the function's name."""
    function, trigger = f"{in_schema}{quoted(mirror.name)}", quoted(mirror.name)
    body = BODY.format(old=quoted(mirror.old), new=quoted(mirror.new))
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in (mirror.old, mirror.new))
    return [
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $persisty$\n{body}\n$persisty$",
        f"DROP TRIGGER IF EXISTS {trigger} ON {place}",
        f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {place} FOR EACH ROW EXECUTE FUNCTION {function}({names})",
    ]


def filled(mirror: Mirror, place: str) -> str:
    """Return the statement that says that all values are copied."""
    return f"COMMENT ON TRIGGER {quoted(mirror.name)} ON {place} IS '{FILLED}'"


def unmirroring(mirror: Mirror, place: str, in_schema: str) -> list[str]:
    """Return the statements that remove the trigger."""
    return [
        f"DROP TRIGGER IF EXISTS {quoted(mirror.name)} ON {place}",
        f"DROP FUNCTION IF EXISTS {in_schema}{quoted(mirror.name)}()",
    ]
