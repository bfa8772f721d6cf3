"""The form of a Python client's methods: synchronous or asynchronous, with overloads if a type depends on the arguments."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from .python_types import doc, fitted


class Mode(Struct, frozen=True):
    """The words of the language that differ between the synchronous and the asynchronous client."""

    prefix: str
    define: str
    wait: str
    iterator: str
    close: str
    enter: str
    leave: str
    transport: str

    @property
    def sender(self) -> str:
        return f"_{self.prefix}Transport"


ASYNCHRONOUS = Mode(
    "Async", "async def", "await ", "_AsyncIterator", "aclose", "__aenter__", "__aexit__", "AsyncBaseTransport"
)
WAITING = Mode("", "def", "", "_Iterator", "close", "__enter__", "__exit__", "BaseTransport")

PLAIN: tuple[tuple[str, str], ...] = (
    ("async def", "def"),
    ("async for", "for"),
    ("await ", ""),
    ("_asyncio.", "_time."),
    ("aiter_bytes", "iter_bytes"),
    ("aread", "read"),
    ("aclose", "close"),
    ("_AsyncIterator", "_Iterator"),
    ("_AsyncTransport", "_Transport"),
    ("_httpx.Async", "_httpx."),
)
"""Replacements that turn the asynchronous part of the runtime into the synchronous one."""


class Overloads(Struct, frozen=True):
    """The overloads of a method: further parameters and the result of each. `every`: the parameters of the implementation."""

    ways: tuple[tuple[tuple[str, ...], str], ...]
    every: tuple[str, ...]


class Method(Struct, frozen=True):
    """A method. `parameters` are source text; those after None are keyword-only. `wait`: the method itself is awaited, not its result."""

    name: str
    parameters: tuple[str | None, ...]
    result: str
    body: str
    about: tuple[str, ...]
    overloads: Overloads | None = None
    wait: bool = True


def written(method: Method, mode: Mode) -> str:
    """Return the source of a method."""
    text = doc("\n\n".join([method.about[0], "\n".join(method.about[1:])]), " " * 8)
    named, overloads = method.parameters, ""
    if method.overloads:
        named = named if None in named else (*named, None)
        for more, result in method.overloads.ways:
            overloads += f"    @_t.overload\n{_signature(method, mode, (*named, *more), f'{result}: ...')}\n\n"
        named = (*named, *method.overloads.every)
    return f"{overloads}{_signature(method, mode, named, f'{method.result}:')}\n{text}{method.body}"


def _signature(method: Method, mode: Mode, parameters: Sequence[str | None], result: str) -> str:
    define = mode.define if method.wait else "def"
    return fitted(f"{define} {method.name}(", ["self", *(one or "*" for one in parameters)], f") -> {result}", " " * 4)
