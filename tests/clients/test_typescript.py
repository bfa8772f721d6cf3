"""The TypeScript client: the compiler accepts it, and it works with a server. Code that it must reject is in the programs, as
`@ts-expect-error`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .conftest import Token, use


def test_the_whole_life_of_items(compiled: Path, token: Token, tmp_path: Path) -> None:
    use(["node", "use_shop.js"], compiled, "shop", [token("sam", "staff"), token("ann")], tmp_path)


def test_values_of_every_type_come_back_as_they_were_given(compiled: Path, token: Token, tmp_path: Path) -> None:
    use(["node", "use_museum.js"], compiled, "museum", [token("ann")], tmp_path)


def test_repeated_requests_and_errors(compiled: Path) -> None:
    run = subprocess.run(
        ["node", "use_faults.js"], cwd=compiled, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.stdout == "done\n", run.stderr
