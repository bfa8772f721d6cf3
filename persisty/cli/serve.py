"""`persisty serve`: an app on a server of one's own, with its tables made, its seeds sown and its URLs printed."""

from __future__ import annotations

import socket
from importlib import import_module
from typing import Annotated

import typer
import uvicorn

from .. import settings
from ..application import App, load_app
from ..errors import InvalidDeclaration
from ..hosting.protocol import Protocol
from ..hosting.server import Server
from ..security.local_secret import ensure

PLACES = (
    ("API", "/api/"),
    ("docs", "/docs"),
    ("GraphQL", "/graphql"),
    ("GraphiQL", "/graphiql"),
    ("OpenAPI", "/openapi.json"),
)


def command(
    app: Annotated[str | None, typer.Argument(help="The app, as module:attribute; default: PERSISTY_APP")] = None,
    host: Annotated[str, typer.Option(help="Address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one")] = 8000,
    url: Annotated[str | None, typer.Option(help="Where items are kept, instead of what the app says")] = None,
    seed: Annotated[str | None, typer.Option(help="A function of the app to call first, as module:function")] = None,
) -> None:
    """Serve an app: REST, GraphQL and their pages."""
    spec = app or settings.load().app
    if spec is None:
        raise InvalidDeclaration("Which app? Give module:attribute, or set PERSISTY_APP")
    served = load_app(spec)
    if url:
        served.use(url)
    if served.looks_at_callers and not settings.load().token_issuers:
        ensure(settings.load(), served.stage)
    listening = _listen(host, port)
    served.prepare()
    if seed:
        _sow(served, seed)
    _announce(served, host, listening.getsockname()[1])
    level = settings.load().log_level.lower()
    config = uvicorn.Config(Server(served), http=Protocol, log_level=level, access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """The socket, bound before anything else is done: a port in use is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with its protocol named: asyncio turns Nagle's delay off only for sockets that say they are TCP
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        typer.echo(f"Error: cannot listen at {host}:{port}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    return listening


def _sow(app: App, spec: str) -> None:
    module, _, function = spec.partition(":")
    seed = getattr(import_module(module), function or "seed", None)
    if seed is None:
        raise InvalidDeclaration(f"There is no {spec}")
    count = seed(app)
    typer.echo(f"seeded {count} items" if count else "seeds are there already")


def _announce(app: App, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"{app.name}, kept in {app.url}")
    for label, path in PLACES:
        typer.echo(f"  {label:<9}http://{shown}:{port}{path}")
    if app.looks_at_callers:
        typer.echo("  token    persisty token --subject …, sent as `Authorization: Bearer …`")
