"""`open_engine`, which the suite asks for, as the conformance suite has it."""

from __future__ import annotations

from ..conformance.conftest import open_engine, sqlite_folder

__all__ = ["open_engine", "sqlite_folder"]
