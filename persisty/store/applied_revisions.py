"""Records of the revision files that were run: one for each app and file, in the app's own engine."""

from __future__ import annotations

from datetime import datetime

from ..model.attribute_declaration import Attr
from ..model.generators import CREATED
from ..model.meta import StoreMeta, meta_of
from ..model.stored import stored
from ..naming import RESERVED


@stored(name=f"{RESERVED}revision", key=("app", "revision"))
class AppliedRevision:
    """A revision file that was run, by its name without the suffix."""

    app: Attr[str]
    revision: Attr[str]
    applied_at: Attr[datetime] = CREATED


REVISIONS: StoreMeta[AppliedRevision] = meta_of(AppliedRevision)
