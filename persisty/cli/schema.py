"""`persisty schema`: print the schemas of an app as JSON."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from ..application import load_app
from ..errors import Fault, InvalidDeclaration
from ..model.relations import resolved_schema
from ..model.schema_json import document_of, json_schema, schema_to_json
from .project import AppArgument, app_of


def command(
    app: AppArgument = None,
    store: Annotated[str | None, typer.Option("--store", help="Only the schema of this store")] = None,
    of_itself: Annotated[
        bool, typer.Option("--json-schema", help="The JSON Schema of this output, for no app")
    ] = False,
) -> None:
    """Print the schemas of an app as JSON, or the JSON Schema that describes them."""
    if of_itself:
        _print(msgspec.json.encode(json_schema()))
        return
    spec = app_of(app)
    schemas = {name: resolved_schema(meta) for name, meta in load_app(spec).metas.items()}
    if store is None:
        _print(schema_to_json(document_of(schemas.values())))
    elif store in schemas:
        _print(schema_to_json(schemas[store]))
    else:
        fault = Fault("/store", "Unknown store", "one of " + ", ".join(schemas), store)
        raise InvalidDeclaration(f"{spec} has no such store", faults=[fault])


def _print(text: bytes) -> None:
    sys.stdout.write(msgspec.json.format(text, indent=2).decode() + "\n")
