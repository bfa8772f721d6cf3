"""Requests that a client may send twice: what is kept of each, as an item like any other, in the app's own engine. No surface offers it.

`persisty/api/idempotency.py` says what is done with it. `App.requests` is the store.
"""

from __future__ import annotations

from uuid import UUID

from ..model.attribute_declaration import Attr
from ..model.generators import UUID4
from ..model.meta import StoreMeta, meta_of
from ..model.stored import stored
from ..naming import RESERVED


@stored(name=f"{RESERVED}request", expires="expires")
class KeptRequest:
    """`id`: a hash of who sent it, where to, and the key; `fingerprint`: one of what was sent; `holder` is another after every write;
    `until`: the request is being carried out, and whoever does it is given up then; `expires`: the second, counted from 1970, from which on
    all this counts for nothing. The answer has a `status` as soon as it is there, and no `body` if that was too large."""

    id: Attr[str]
    fingerprint: Attr[str]
    holder: Attr[UUID] = UUID4
    until: Attr[float]
    expires: Attr[int]
    status: Attr[int | None] = Attr(default=None)
    headers: Attr[dict[str, str] | None] = Attr(default=None)
    body: Attr[bytes | None] = Attr(default=None)


REQUESTS: StoreMeta[KeptRequest] = meta_of(KeptRequest)
