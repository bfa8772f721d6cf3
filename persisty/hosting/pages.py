"""The pages for people: a front page, the REST documentation and GraphiQL. They load files from this server only.

`ui/build.mjs` copies the scripts and styles of Swagger UI and GraphiQL from their npm packages into `static/` when the package is built. A
content security policy stops every page from loading files of other servers.
"""

from __future__ import annotations

import logging
import os
from html import escape
from pathlib import Path
from string import Template

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route, request_response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.http.request_ids import REQUEST_ID
from ..api.http.request_trace import CURRENT
from ..api.routes import Surface, fixed
from ..application import App
from .page_values import filled

log = logging.getLogger("persisty")

HERE = Path(__file__).parent
PAGES = {one.path: one.name for one in fixed(Surface.PAGE)}

WITHOUT_APP = ("docs.html", "graphiql.html")
"""Pages that need no more of an app than its name."""

POLICY = (
    "default-src 'self'; img-src 'self' data:; font-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""Inline styles are allowed, because GraphiQL and Swagger UI set style attributes. Inline scripts are not."""

HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


def routes(app: App) -> list[BaseRoute]:
    """Return the routes of the pages of an app and of the files that they load."""
    pages: list[BaseRoute] = [Route(path, _page(app, name)) for path, name in PAGES.items()]
    files = [Mount(one.stem.rstrip("/"), _files(one.name)) for one in fixed(Surface.FOLDER)]
    return [*pages, *files]


def routes_without_app(name: str) -> list[BaseRoute]:
    """Return the routes of the REST documentation and GraphiQL for an app that runs in other processes, and of the files that they load."""
    values = {"name": escape(name), "query": ""}

    def page(file: str) -> ASGIApp:
        async def show(request: Request) -> Response:
            return HTMLResponse(Template((HERE / "pages" / file).read_text()).substitute(values))

        return SecureHeaders(request_response(show))

    pages: list[BaseRoute] = [Route(path, page(file)) for path, file in PAGES.items() if file in WITHOUT_APP]
    return [*pages, *(Mount(one.stem.rstrip("/"), _files(one.name)) for one in fixed(Surface.FOLDER))]


def _page(app: App, name: str) -> ASGIApp:
    """Return a page, filled for the app's items as they are now."""
    filled_for: dict[int, str] = {}

    async def page(request: Request) -> Response:
        revision = app.catalogue.revision
        if revision not in filled_for:
            template = Template((HERE / "pages" / name).read_text())
            filled_for.clear()
            filled_for[revision] = filled(name, template, app)
        return HTMLResponse(filled_for[revision])

    return page  # type: ignore[return-value]


def _files(folder: str) -> ASGIApp:
    if (HERE / folder).is_dir():
        return Files(directory=HERE / folder)
    log.warning(
        "The folder %s is missing, so /docs and /graphiql are empty: in a checkout, `make run` builds it", folder
    )
    return _not_built


class Files(StaticFiles):
    """The files of a folder. A path that the file system does not accept is 404. A file is always sent whole, as HTTP allows (RFC 9110, 14.2),
    because thousands of ranges in one header would cost as many reads."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [one for one in scope["headers"] if one[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["accept-ranges"] = "none"
        return response

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        try:
            return super().lookup_path(path)
        except (OSError, ValueError):
            return "", None


async def _not_built(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for files of a folder that does not exist."""
    raise HTTPException(404)


class SecureHeaders:
    """Adds the security headers and the request's id to every response of the pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = CURRENT.get()
        request_id = [] if trace is None else [(REQUEST_ID.encode(), trace.request_id.encode())]

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS, *request_id]
            await send(message)

        await self._app(scope, receive, secured)
