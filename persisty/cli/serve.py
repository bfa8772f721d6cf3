"""`persisty serve`: an app on a server of one's own, with its tables made, its seeds sown and its URLs printed.

One process serves and this is it, unless it watches over others: with `--reload` over one that is replaced whenever the sources change,
with `--workers` over several that share the socket.
"""

from __future__ import annotations

import logging.config
import multiprocessing
import socket
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from uvicorn.supervisors import ChangeReload, Multiprocess

from .. import settings
from ..errors import InvalidDeclaration
from ..hosting.server import seconds_of
from . import server_process as serving
from .server_process import Options

RELOAD_DRAIN = 1.0
"""Seconds that requests have to end when the sources changed."""


def command(
    app: Annotated[str | None, typer.Argument(help="The app, as module:attribute; default: PERSISTY_APP")] = None,
    host: Annotated[str, typer.Option(help="Address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one")] = 8000,
    url: Annotated[str | None, typer.Option(help="Where items are kept, instead of what the app says")] = None,
    seed: Annotated[str | None, typer.Option(help="A function of the app to call first, as module:function")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew whenever the sources change")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve")] = 1,
    access_log: Annotated[
        bool | None,
        typer.Option(help="Log requests, as JSON unless at a terminal; default: PERSISTY_ACCESS_LOG, or yes"),
    ] = None,
    metrics: Annotated[
        bool | None, typer.Option(help="Tell Prometheus at /metrics; default: PERSISTY_METRICS, or no")
    ] = None,
    drain_timeout: Annotated[
        float | None, typer.Option(min=0, max=3600, help="Seconds that requests have to end when it stops; default: 30")
    ] = None,
) -> None:
    """Serve an app: REST, GraphQL and their pages."""
    configured = settings.load()
    spec = app or configured.app
    if spec is None:
        raise InvalidDeclaration("Which app? Give module:attribute, or set PERSISTY_APP")
    metrics = _switch("PERSISTY_METRICS", configured.metrics, metrics)
    _check(reload, workers, metrics)
    timeout = seconds_of("PERSISTY_DRAIN_TIMEOUT", configured.drain_timeout) if drain_timeout is None else drain_timeout
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    options = Options(
        spec=spec,
        url=url,
        seed=seed,
        place=f"{shown}:{listening.getsockname()[1]}",
        access_log=_switch("PERSISTY_ACCESS_LOG", configured.access_log, access_log),
        metrics=metrics,
        people=sys.stderr.isatty(),
    )
    logging.config.dictConfig(serving.log_configuration(options))
    if reload:
        _reload(options, listening, RELOAD_DRAIN if drain_timeout is None else drain_timeout)
    elif workers > 1:
        _share(options, listening, workers, timeout)
    else:
        served = serving.begun(options)
        config = serving.uvicorn_configuration(options, serving.application(served, options), timeout)
        uvicorn.Server(config).run(sockets=[listening])


def _reload(options: Options, listening: socket.socket, timeout: float) -> None:
    """Watch over one process that is replaced. This one never imports the app, so no mistake in it can end it."""
    sown = multiprocessing.get_context("spawn").Event()
    serve = partial(serving.serve_anew, options, timeout, sown)
    watched = _sources(options.spec)
    listening.listen()  # who asks between two processes waits for the next
    config = serving.uvicorn_configuration(options, options.spec, timeout, reload=True, reload_dirs=watched)
    ChangeReload(config, target=serve, sockets=[listening]).run()


def _share(options: Options, listening: socket.socket, workers: int, timeout: float) -> None:
    """Watch over processes that share the socket."""
    served = serving.begun(options)
    if served.url.startswith(serving.MEMORY):
        raise InvalidDeclaration("Workers have each its own memory: keep items elsewhere, see --url")
    served.close()
    make = partial(serving.worker, options)
    config = serving.uvicorn_configuration(options, make, timeout, factory=True, workers=workers)
    Multiprocess(config, sockets=[listening]).run()


def _check(reload: bool, workers: int, metrics: bool) -> None:
    """Options that cannot go together."""
    if reload and workers > 1:
        raise InvalidDeclaration("--reload serves with one process: leave out --workers")
    if metrics and workers > 1:
        raise InvalidDeclaration(
            "Prometheus would meet another worker each time: with --metrics, scrape servers of one process"
        )


def _switch(name: str, configured: str, given: bool | None) -> bool:
    """What an option says, or without it its variable."""
    if given is not None:
        return given
    if configured not in {"on", "off"}:
        raise InvalidDeclaration(f"{name} is `on` or `off`")
    return configured == "on"


def _sources(spec: str) -> list[str]:
    """The folders to watch: the working directory, and that of the app's package if it is elsewhere. Imports nothing."""
    here = Path.cwd()
    if "" not in sys.path:
        sys.path.insert(0, "")
    found = find_spec(spec.partition(":")[0].partition(".")[0])
    origins = [] if found is None or found.origin is None else [Path(found.origin).resolve().parent]
    return [str(here), *(str(folder) for folder in origins if not folder.is_relative_to(here))]


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
