"""The console of every command. Its lines have names, rules, values and ARNs of apps, so it replaces no text: rich would print `:secret:` as a picture,
and would color numbers."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """Return a console, with further options of rich. Texts of an app also need `markup=False`, or `escape` of rich."""
    return Console(highlight=False, emoji=False, **options)
