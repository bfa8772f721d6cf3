"""Idempotency records: one item for each request with an idempotency key, in the app's own engine. No surface offers them.

`persisty/api/idempotency.py` reads and writes them. `App.requests` is the store.
"""

from __future__ import annotations

from uuid import UUID

from ..model.attribute_declaration import Attr
from ..model.generators import UUID4
from ..model.meta import StoreMeta, meta_of
from ..model.stored import stored
from ..naming import RESERVED


@stored(name=f"{RESERVED}request", expires="expires")
class IdempotencyRecord:
    """One request with an idempotency key.

    `id`: a hash of the caller, the path and the key. `fingerprint`: a hash of the request. `holder`: a new value after every write. `until`: end of the lease of the
    request in progress. `expires`: time in seconds since 1970, after which the record is no longer used. `status` is set with the response; `body` is missing if it was too large.
    """

    id: Attr[str]
    fingerprint: Attr[str]
    holder: Attr[UUID] = UUID4
    until: Attr[float]
    expires: Attr[int]
    status: Attr[int | None] = Attr(default=None)
    headers: Attr[dict[str, str] | None] = Attr(default=None)
    body: Attr[bytes | None] = Attr(default=None)


REQUESTS: StoreMeta[IdempotencyRecord] = meta_of(IdempotencyRecord)
