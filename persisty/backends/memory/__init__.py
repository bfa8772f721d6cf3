"""The engine of `memory://`: items and events in this process, lost at its end."""

from .engine import MemoryBackend, MemoryEngine, connect

__all__ = ["MemoryBackend", "MemoryEngine", "connect"]
