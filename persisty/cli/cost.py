"""`persisty cost`: print the cost of a deployment in a month under a declared load, a line for each resource."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from ..application import load_app
from ..deploy.cdk_cli import configuration
from ..deploy.cost import CostLine, cost_of
from ..deploy.expected_load import load_of
from ..deploy.options import NAMES, options_of
from ..deploy.plan_from_options import planned
from ..deploy.prices import AS_OF, prices_of
from ..errors import InvalidDeclaration
from .cdk_options import StageOption, stage_of
from .project import AppArgument, app_of
from .tables import print_table


def command(
    app: AppArgument = None,
    load: Annotated[Path, typer.Option(help="TOML file with the load of a month")] = Path("load.toml"),
    stage: StageOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the lines as JSON")] = False,
) -> None:
    """Print the cost of a deployment in a month."""
    context = configuration(Path.cwd()).get("context")
    declared = {name: value for name, value in context.items() if name in NAMES} if isinstance(context, dict) else {}
    spec = declared.get("app") if app is None and "app" in declared else app_of(app)
    chosen = stage_of(stage, declared)
    given = {**declared, "app": spec, **({} if chosen is None else {"stage": chosen})}
    options = options_of(given)
    loaded = load_app(options.app)
    month = load_of(_read(load), loaded.metas)
    lines = cost_of(loaded, planned(options)[0], options, month, prices_of(month.prices))
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(lines), indent=2).decode() + "\n")
    else:
        _print(lines)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidDeclaration(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"{file} is not TOML: {error}") from None


def _print(lines: list[CostLine]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("resource")
    table.add_column("units", justify="right")
    table.add_column("of")
    table.add_column("USD a month", justify="right")
    for one in lines:
        units = f"{one.units:,.0f}" if one.units >= 10 else f"{one.units:,.2f}"
        table.add_row(one.resource, units, one.unit, f"{one.usd:,.2f}")
    table.add_row("total", "", "", f"{sum(one.usd for one in lines):,.2f}")
    print_table(table)
    typer.echo(f"Prices of us-east-1 as of {AS_OF}, without free tiers")
