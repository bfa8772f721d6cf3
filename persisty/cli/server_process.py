"""The steps of `persisty serve` in each process that serves: load the app, create its tables, seed it, build its server.

With `--reload` and `--workers`, uvicorn starts these processes, so everything here can be pickled.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from multiprocessing.synchronize import Event
from pathlib import Path
from socket import socket
from typing import Any

import typer
import uvicorn
from msgspec import Struct
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from .. import settings
from ..api.action_access import looks_at_callers
from ..api.http.messages import MAX_BODY
from ..application import App, load_app, load_function
from ..application.working import GRACE
from ..deploy.revision_files import FOLDER, has_revisions
from ..deploy.safe_start import check_revisions, follow_safe_changes
from ..errors import Conflict, PersistyError
from ..hosting.access_log import as_json, as_text
from ..hosting.logs import configuration
from ..hosting.observability import observed
from ..hosting.uvicorn_protocols import Protocol
from ..hosting.websocket_protocol import SocketProtocol
from ..security.local_secret import ensure
from .own_errors import LOG_HINT, explained, whole_traceback

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
    """The options of a server. `spec` is `module:attribute`. `url`: the engine, if not the app's. `place`: host and port to print. `people`: the
    log is read at a terminal. `work`: handle events of after triggers.
    `drain_timeout`: seconds that running requests and handlers have to end at shutdown."""

    spec: str
    url: str | None
    seed: str | None
    place: str
    access_log: bool
    metrics: bool
    create_tables: bool
    people: bool
    work: bool = True
    drain_timeout: float = GRACE


def log_configuration(options: Options) -> dict[str, Any]:
    return configuration(settings.load().log_level, people=options.people)


def uvicorn_configuration(options: Options, app: Any, drain_timeout: float, **more: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for an ASGI application, or for a factory of one with `factory=True`."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws=SocketProtocol,
        ws_max_size=MAX_BODY,
        log_config=log_configuration(options),
        log_level=settings.load().log_level.lower(),
        access_log=False,  # it would log query strings
        server_header=False,
        timeout_graceful_shutdown=drain_timeout,  # type: ignore[arg-type]  # declared int; passed to asyncio.wait_for
        **more,
    )


def loaded(options: Options) -> App:
    """Load the app with the engine of the options. Generate a secret for tokens if it needs one."""
    served = load_app(options.spec)
    if options.url:
        served.use(options.url)
    if looks_at_callers(served) and not settings.load().token_issuers:
        ensure(settings.load(), served.stage)
    return served


def begin(served: App, options: Options) -> None:
    """Create or verify the app's tables, seed it and print its URLs. The application is built first, so that a mistake in the app is reported before tables are created."""
    tables(served, options)
    if options.seed:
        seed(served, options.seed)
    announce(served, options)


def tables(served: App, options: Options) -> None:
    """Create missing tables. On DynamoDB only verify them, unless the options say otherwise.

    A SQLite file first follows changed declarations, if all changes are safe and the project has no revision files. With such files, a start makes no change.
    """
    try:
        if has_revisions(Path(FOLDER)):
            check_revisions(served)
        else:
            for change in follow_safe_changes(served):
                typer.echo(f"{change.path}: {change.message}")
    except Conflict as error:
        log.warning("%s", error)  # another process of this machine makes the changes
    if options.create_tables:
        served.prepare()
    else:
        served.verify()


def application(served: App, options: Options) -> ASGIApp:
    """Return the ASGI application. Requests are logged to standard error, as errors are."""
    spell = as_text if options.people else as_json
    out = sys.stderr.buffer if options.access_log else None
    return observed(
        served,
        access_log=out,
        spell=spell,
        metrics=options.metrics,
        create_tables=options.create_tables,
        work=options.drain_timeout if options.work else None,
    )


def serve_again(options: Options, drain_timeout: float, seeded: Event, sockets: list[socket]) -> None:
    """Serve the app with its current sources. A mistake in them is logged and ends only this process: the next change starts another.

    The app is seeded once, or each time if its items live in memory.
    """
    try:
        first = not seeded.is_set()
        served = loaded(options)
        built = application(served, options)
        if first:
            begin(served, options)
        else:
            tables(served, options)  # inside the try, so that a mismatch is logged without a traceback
            if options.seed and served.url.startswith(MEMORY):
                seed(served, options.seed)
    except PersistyError as error:
        log.error("%s; waiting for a change", error)
    except Exception as error:
        _log_failure(error, options, "; waiting for a change")
    else:
        seeded.set()
        uvicorn.Server(uvicorn_configuration(options, built, drain_timeout)).run(sockets)
        return
    sys.exit(STARTUP_FAILURE)


def worker(options: Options) -> ASGIApp:
    """Return the application of one worker. The supervisor has created the tables and seeded the app."""
    try:
        return application(loaded(options), options)
    except PersistyError as error:
        log.error("%s", error)
        sys.exit(STARTUP_FAILURE)
    except Exception as error:
        _log_failure(error, options)
        sys.exit(STARTUP_FAILURE)


def _log_failure(error: Exception, options: Options, next_step: str = "") -> None:
    """Log an error of the app's code: at a terminal by the frames of that code, else with the whole traceback."""
    text = explained(error, LOG_HINT) if options.people and not whole_traceback() else None
    if text is None:
        log.error("The app cannot be loaded%s", next_step, exc_info=error)
    else:
        log.error("%s%s", text, next_step)


def seed(app: App, spec: str) -> None:
    """Call the function that stores the first items of the app."""
    count = load_function(spec, "seed")(app)
    if count is None:
        typer.echo(f"{spec} has been called")
    else:
        typer.echo(f"seeded {count} item{'' if count == 1 else 's'}" if count else "the app has been seeded before")


def announce(app: App, options: Options) -> None:
    """Print the engine of the app and the URLs of its server."""
    typer.echo(f"{app.name}, stored in {app.url}")
    for label, path in PLACES:
        typer.echo(f"  {label:<9}http://{options.place}{path}")
    if options.metrics:
        typer.echo(f"  {'metrics':<9}http://{options.place}/metrics")
    if looks_at_callers(app):
        typer.echo("  token    persisty token --subject …, sent as `Authorization: Bearer …`")
