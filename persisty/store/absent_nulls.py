"""Optional attributes that are None where stored items lack them, by the records of applied schemas.

An index takes no null, so before an index is built, the nulls of its attributes are removed from the items. From then on, an absent attribute is None and not
its default. The record says so before the first null is removed: a process that is killed, or a declaration that takes the index back, reads no other value.

```
recorded               declared                          killed               then
note: str? = "n"       note: str? = "n", Index("note")   some nulls removed   recorded: note: str? = None
                       note: str? = "n"                                       a start is refused: `persisty migrate` stores null where note is absent
                       note: str? = "n", Index("note")                        no default is stored where note is absent; the other nulls are removed
```
"""

from __future__ import annotations

from typing import Any

from ..model.meta import StoreMeta
from ..model.schema_differences import absent_default
from ..model.stored_names import predecessors, stored_names_of
from .applied_schemas import AppliedSchemas
from .recorded_schemas import recorded
from .schema_records import LEFT, AppliedSchema


class RecordedNulls:
    """The attributes of an app's stores, by their records."""

    def __init__(self, applied: AppliedSchemas) -> None:
        self._applied = applied

    def is_null(self, meta: StoreMeta[Any], attribute: str) -> bool:
        """Return whether an attribute is None where stored items lack it. False without a record."""
        record = self._record(meta)
        if record is None:
            return False
        stored = recorded(record.schema).before(meta.schema)
        known = predecessors(stored, meta.schema).get(attribute)
        return known is not None and known.optional and absent_default(stored, known) is None

    def note(self, meta: StoreMeta[Any], attribute: str) -> None:
        """Record that an attribute is None where stored items lack it. Do nothing without a record."""
        record, place = self._record(meta), stored_names_of(meta)[attribute]
        if record is not None:
            self._applied.change(record, lambda found: found.null_where_absent(place))

    def _record(self, meta: StoreMeta[Any]) -> AppliedSchema | None:
        """Return the record of the items in the table of a store, perhaps under a former name."""
        applied = self._applied.all(again=False)
        for name in (meta.name, *meta.schema.former_names):
            found = applied.get(name)
            if found is not None and found.hash != LEFT:
                return found if recorded(found.schema).schema.table_or_name == meta.table else None
        return None
