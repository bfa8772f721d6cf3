"""The socket of the commands that serve."""

from __future__ import annotations

import socket

import typer


def listen(host: str, port: int) -> socket.socket:
    """Bind the socket before anything else, so that a port in use is reported at once: it ends the command with exit code 1."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol: asyncio turns Nagle's algorithm off only for sockets that name TCP
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        typer.echo(f"Error: cannot listen at {host}:{port}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    return listening
