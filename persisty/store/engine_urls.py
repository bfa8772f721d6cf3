"""Read the URLs of engines: `scheme://host/path?option=value`.

Percent escapes are decoded once, as UTF-8, in the path and the options (RFC 3986). A plus sign is a plus sign. Parts that an engine does not use are rejected,
because an ignored option, host, path or fragment would hide a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from ..errors import Fault, InvalidDeclaration

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class EngineUrl(Struct, frozen=True):
    """The parts of a URL, decoded. `path` begins after the slash that ends the host; `host` is not decoded."""

    host: str
    path: str
    options: Mapping[str, str]


def read_url(url: str, *, options: Iterable[str], host: str | None = None, path: str | None = None) -> EngineUrl:
    """Return the parts of an engine's URL. Raise `InvalidDeclaration` with every fault.

    `options`: the names of the engine's options. `host`, `path`: examples of a URL with one; None if the engine does not use it.
    """
    names, faults = tuple(options), list[Fault]()
    whole, hash_, _ = url.partition("#")
    if hash_:
        faults.append(Fault("/url", "A fragment has no meaning; write %23 for #", found=url[len(whole) :][:64]))
    server, _, query = whole.partition("://")[2].partition("?")
    named, slash, rest = server.partition("/")
    if named and host is None:
        faults.append(Fault("/url", "Unexpected host", path or url.partition("://")[0] + "://", named[:64]))
    if rest and path is None:
        faults.append(Fault("/url", "Unexpected path", host or url.partition("://")[0] + "://", (slash + rest)[:64]))
    given: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        name = _decoded(name, faults)
        if name not in names:
            expected = "one of " + ", ".join(names) if names else "none"
            faults.append(Fault(f"/url/{name}", "Unknown option", expected, name[:64]))
        elif name in given:
            faults.append(Fault(f"/url/{name}", "Option given twice"))
        given[name] = _decoded(value, faults)
    found = EngineUrl(named, _decoded(rest, faults), given)
    if faults:
        raise InvalidDeclaration("No engine for this URL", faults=faults)
    return found


def _decoded(text: str, faults: list[Fault]) -> str:
    message = "Not a percent escape of UTF-8; write %25 for %"
    try:
        if not _BAD_ESCAPE.search(text):
            decoded = unquote(text, errors="strict")
            if "\0" not in decoded:
                return decoded
            message = "Contains the character NUL"
    except UnicodeDecodeError:
        pass
    faults.append(Fault("/url", message, found=text[:64]))
    return text


def is_origin(endpoint: str) -> bool:
    """Return whether the endpoint has a scheme, a host, perhaps a port, and no other part."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return False
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc or port == 0
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not extra
