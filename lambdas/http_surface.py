"""CORS, the rate limit and authentication around a surface behind an HTTP API, as on the hosted server.

Each instance of a function counts the rate limit separately. An instance answers one request at a time, so a caller with parallel requests
has the limit once for each instance.
"""

from __future__ import annotations

from persisty import settings
from persisty.api.http.authentication import Handle, Identified
from persisty.api.http.cors import cross_origin
from persisty.api.http.rate_limit import Buckets, Limited, rate_of
from persisty.application import App


def surrounded(handle: Handle, app: App, configured: settings.Settings) -> Handle:
    """Return the surface with CORS, the rate limit and authentication. `InvalidDeclaration` if a setting is not valid."""
    rate = rate_of(configured.rate_limit)
    limited = None if rate is None else Limited(Buckets(rate))
    identified: Handle = Identified(handle if limited is None else limited.inside(handle), app.authenticator).handle
    return cross_origin(identified if limited is None else limited.outside(identified), configured.cors_origins)
