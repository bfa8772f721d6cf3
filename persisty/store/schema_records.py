"""The record of the schema of a store that was applied last: one for each app and store, in the app's own engine."""

from __future__ import annotations

from datetime import datetime

from ..model.attribute_declaration import Attr
from ..model.generators import UPDATED
from ..model.meta import StoreMeta, meta_of
from ..model.stored import stored
from ..naming import RESERVED

LEFT = ""
"""Hash of a store or a table whose items were copied to another one, see `AppliedSchemas.leave`."""
TABLE = "table:"
"""Prefix of the name of the record of a table whose items were copied to another table of the same store."""


@stored(name=f"{RESERVED}schema", key=("app", "store"))
class AppliedSchema:
    """The schema of a store when its app was last prepared. `engine`: the name of its engine, None for the app's own."""

    app: Attr[str]
    store: Attr[str]
    hash: Attr[str]
    schema: Attr[str]
    engine: Attr[str | None] = Attr(default=None)
    applied_at: Attr[datetime] = UPDATED


APPLIED: StoreMeta[AppliedSchema] = meta_of(AppliedSchema)
