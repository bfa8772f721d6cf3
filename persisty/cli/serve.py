"""`persisty serve`: run an app on a server. Creates its tables, calls its seed function and prints its URLs.

The command's own process serves, except in two cases. With `--reload` it supervises one process, which it replaces when the sources change.
With `--workers` it supervises several processes that share the socket.
"""

from __future__ import annotations

import logging.config
import multiprocessing
import socket
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn
from uvicorn.supervisors import ChangeReload, Multiprocess

from .. import settings
from ..application.loading import module_of
from ..errors import InvalidDeclaration
from ..hosting.prometheus import remove_worker
from ..hosting.server import Server, seconds_of
from ..hosting.uvicorn_server import StoppingServer
from . import server_process as serving
from .listening import listen
from .project import AppArgument, app_of
from .server_process import Options

RELOAD_DRAIN = 1.0
"""Seconds that running requests have to finish when the sources have changed."""


def command(
    app: AppArgument = None,
    host: Annotated[str, typer.Option(help="Address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one")] = 8000,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    seed: Annotated[str | None, typer.Option(help="Function to call first, as module:function")] = None,
    create_tables: Annotated[
        bool | None,
        typer.Option(
            help="Create missing tables on DynamoDB too, which are otherwise verified; default: PERSISTY_CREATE_TABLES, or no"
        ),
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when the sources change")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processes that serve")] = 1,
    access_log: Annotated[
        bool | None,
        typer.Option(help="Log requests, as text at a terminal, else as JSON; default: PERSISTY_ACCESS_LOG, or yes"),
    ] = None,
    metrics: Annotated[
        bool | None, typer.Option(help="Serve Prometheus metrics at /metrics; default: PERSISTY_METRICS, or no")
    ] = None,
    work: Annotated[
        bool, typer.Option(help="Handle the events of triggers and fire timers in this process; see `persisty work`")
    ] = True,
    drain_timeout: Annotated[
        float | None,
        typer.Option(min=0, max=3600, help="Seconds that running requests have to finish at shutdown; default: 30"),
    ] = None,
) -> None:
    """Serve an app: REST, GraphQL and their pages."""
    configured = settings.load()
    spec = app_of(app)
    metrics = configured.metrics == "on" if metrics is None else metrics
    if reload and workers > 1:
        raise InvalidDeclaration("--reload serves with one process: leave out --workers")
    if drain_timeout is None:
        drain_timeout = RELOAD_DRAIN if reload else seconds_of("PERSISTY_DRAIN_TIMEOUT", configured.drain_timeout)
    listening = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    options = Options(
        spec=spec,
        url=url,
        seed=seed,
        place=f"{shown}:{listening.getsockname()[1]}",
        access_log=configured.access_log == "on" if access_log is None else access_log,
        metrics=metrics,
        create_tables=configured.create_tables == "on" if create_tables is None else create_tables,
        people=sys.stderr.isatty(),
        work=work,
        drain_timeout=drain_timeout,
    )
    logging.config.dictConfig(serving.log_configuration(options))
    if reload:
        _reload(options, listening, drain_timeout)
    elif workers > 1:
        _share(options, listening, workers, drain_timeout)
    else:
        served = serving.loaded(options)
        built = serving.application(served, options)
        serving.begin(served, options)
        config = serving.uvicorn_configuration(options, built, drain_timeout)
        StoppingServer(config).run(sockets=[listening])


def _reload(options: Options, listening: socket.socket, timeout: float) -> None:
    """Supervise one process that is replaced. The supervisor never imports the app, so a mistake in the app cannot stop it."""
    seeded = multiprocessing.get_context("spawn").Event()
    serve = partial(serving.serve_again, options, timeout, seeded)
    watched = _sources(options.spec)
    listening.listen()  # requests between two processes wait for the next
    config = serving.uvicorn_configuration(options, options.spec, timeout, reload=True, reload_dirs=watched)
    ChangeReload(config, target=serve, sockets=[listening]).run()


def _share(options: Options, listening: socket.socket, workers: int, timeout: float) -> None:
    """Supervise processes that share the socket and, if metrics are on, a folder of metrics."""
    served = serving.loaded(options)
    if served.url.startswith(serving.MEMORY):
        raise InvalidDeclaration("Each worker has its own memory: choose another engine with --url")
    Server(served)  # a mistake in the app stops this process, not each worker
    serving.begin(served, options)
    served.close()
    make = partial(serving.worker, options)
    config = serving.uvicorn_configuration(options, make, timeout, factory=True, workers=workers)
    if not options.metrics:
        Multiprocess(config, sockets=[listening]).run()
        return
    with TemporaryDirectory(prefix="persisty-metrics-") as folder:
        settings.share_metrics(folder)
        Workers(config, [listening], folder).run()


class Workers(Multiprocess):
    """Workers that count their requests in files of one folder."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], folder: str) -> None:
        super().__init__(config, sockets)
        self._folder, self._running = folder, frozenset[int | None]()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have ended, and forget their requests in progress. uvicorn calls this twice a second."""
        super().keep_subprocess_alive()
        running = frozenset(process.pid for process in self.processes)
        for pid in self._running - running:
            remove_worker(self._folder, pid)
        self._running = running


def _sources(spec: str) -> list[str]:
    """Return the folders to watch: the working directory, and the app's package if it is elsewhere. Imports nothing."""
    here = Path.cwd()
    if "" not in sys.path:
        sys.path.insert(0, "")
    found = find_spec(module_of(spec).partition(".")[0])
    origins = [] if found is None or found.origin is None else [Path(found.origin).resolve().parent]
    return [str(here), *(str(folder) for folder in origins if not folder.is_relative_to(here))]
