"""The root path: the part of a URL before the paths of the app, such as `/shop` in `/shop/api/message`.

An app is below a root path behind a proxy (`PERSISTY_ROOT_PATH`), mounted in another ASGI app (`root_path` of the scope), and behind an API Gateway
with a named stage or an API mapping. Each host removes it from `Request.path` and gives it as `Request.root`, so that only the URLs in responses
(`Location`, `Link`, OpenAPI's `servers`) depend on it.
"""

from __future__ import annotations

import re

from ...errors import Fault, InvalidDeclaration
from ..routes import ACTIONS, API, ROUTES

_ROOT = re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)
_OWN = frozenset(path.split("/")[1] for path in (API, ACTIONS, *(route.path for route in ROUTES)))
"""First segments of the app's own paths. A root path may begin with one of them too."""


def root_path_of(configured: str | None) -> str:
    """Return the root path of `PERSISTY_ROOT_PATH`, without a slash at its end. Raises `InvalidDeclaration` for a text that is not a path."""
    root = (configured or "").rstrip("/")
    if not root:
        return ""
    if not _ROOT.fullmatch(root) or {".", ".."} & set(root.split("/")):
        expected = "a path such as /shop, of letters, digits and ._~-"
        fault = Fault("/PERSISTY_ROOT_PATH", "Not a root path", expected, root[:64])
        raise InvalidDeclaration("The environment is not valid", faults=[fault])
    return root


def below(root: str, path: str) -> str:
    """Return the path without the root path, which a proxy may already have removed. The root path itself becomes an empty text.

    Below a root path such as `/api`, the app's own path `/api/message` is distinguished from `/api/api/message`.
    """
    if not path.startswith(root):
        return path
    rest = path[len(root) :]
    if _first(root) in _OWN:
        return rest if rest.startswith("/") and _first(rest) in _OWN else path
    return rest if rest == "" or rest.startswith("/") else path


def _first(path: str) -> str:
    """Return the first segment of a path."""
    return path[1:].partition("/")[0]
