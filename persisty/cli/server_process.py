"""What `persisty serve` does in each process that serves: the app loaded, its tables made, its seeds sown, its server built.

With `--reload` and `--workers` that is another process than the command's, started by uvicorn, so all of this can be pickled.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from importlib import import_module
from multiprocessing.synchronize import Event
from socket import socket
from typing import Any

import typer
import uvicorn
from msgspec import Struct
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from .. import settings
from ..api.http.messages import MAX_BODY
from ..application import App, load_app
from ..errors import InvalidDeclaration, PersistyError
from ..hosting.access_log import as_json, as_text
from ..hosting.logs import configuration
from ..hosting.observability import observed
from ..hosting.uvicorn_protocols import Protocol
from ..security.local_secret import ensure

PLACES = (
    ("API", "/api/"),
    ("docs", "/docs"),
    ("GraphQL", "/graphql"),
    ("GraphiQL", "/graphiql"),
    ("OpenAPI", "/openapi.json"),
)
MEMORY = "memory:"

log = logging.getLogger("persisty")


class Options(Struct, frozen=True):
    """What to serve and how. `spec` is `module:attribute`; `url`: where items are kept, if not where the app says; `place`: host and port
    that are shown; `people`: the log is read by them."""

    spec: str
    url: str | None
    seed: str | None
    place: str
    access_log: bool
    metrics: bool
    people: bool


def log_configuration(options: Options) -> dict[str, Any]:
    return configuration(settings.load().log_level.upper(), people=options.people)


def uvicorn_configuration(options: Options, app: Any, drain_timeout: float, **more: Any) -> uvicorn.Config:
    """How uvicorn runs an ASGI application, or with `factory=True` what makes one."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws_max_size=MAX_BODY,
        log_config=log_configuration(options),
        log_level=settings.load().log_level.lower(),
        access_log=False,  # which would tell query strings
        server_header=False,
        timeout_graceful_shutdown=drain_timeout,  # type: ignore[arg-type]  # which it hands to asyncio.wait_for
        **more,
    )


def loaded(options: Options) -> App:
    """The app, kept where the options say, with a secret for tokens if it needs one."""
    served = load_app(options.spec)
    if options.url:
        served.use(options.url)
    if served.looks_at_callers and not settings.load().token_issuers:
        ensure(settings.load(), served.stage)
    return served


def begun(options: Options) -> App:
    """The app, prepared, seeded and announced."""
    served = loaded(options)
    served.prepare()
    if options.seed:
        sow(served, options.seed)
    announce(served, options)
    return served


def application(served: App, options: Options) -> ASGIApp:
    """What answers requests. Requests are logged where errors are."""
    spell = as_text if options.people else as_json
    out = sys.stderr.buffer if options.access_log else None
    return observed(served, access_log=out, spell=spell, metrics=options.metrics)


def serve_anew(options: Options, drain_timeout: float, sown: Event, sockets: list[socket]) -> None:
    """Serve the app as its sources are now. What they have wrong is told, and ends this process alone: the next change starts another.

    Seeds are sown once, and again only where all is lost with the process."""
    try:
        first = not sown.is_set()
        served = begun(options) if first else loaded(options)
        if not first and options.seed and served.url.startswith(MEMORY):
            served.prepare()
            sow(served, options.seed)
        built = application(served, options)
    except PersistyError as error:
        log.error("%s; waiting for a change", error)
    except Exception:
        log.exception("The app cannot be loaded; waiting for a change")
    else:
        sown.set()
        uvicorn.Server(uvicorn_configuration(options, built, drain_timeout)).run(sockets)
        return
    sys.exit(STARTUP_FAILURE)


def worker(options: Options) -> ASGIApp:
    """The application of one of several workers: the command has begun it."""
    try:
        return application(loaded(options), options)
    except Exception:
        log.exception("The app cannot be loaded")
        sys.exit(STARTUP_FAILURE)


def sow(app: App, spec: str) -> None:
    """Call the function that puts the first items into the app."""
    module, _, function = spec.partition(":")
    seed = getattr(import_module(module), function or "seed", None)
    if seed is None:
        raise InvalidDeclaration(f"There is no {spec}")
    count = seed(app)
    typer.echo(f"seeded {count} items" if count else "seeds are there already")


def announce(app: App, options: Options) -> None:
    typer.echo(f"{app.name}, kept in {app.url}")
    for label, path in PLACES:
        typer.echo(f"  {label:<9}http://{options.place}{path}")
    if options.metrics:
        typer.echo(f"  {'metrics':<9}http://{options.place}/metrics")
    if app.looks_at_callers:
        typer.echo("  token    persisty token --subject …, sent as `Authorization: Bearer …`")
