"""AppSync in small, made of the template that was deployed: its schema, its resolvers' own JavaScript, its data source.

graphql-core parses, validates and completes; every root field runs the resolver's `request` in Node, invokes the function
that the template wires to it, and runs the resolver's `response`. What AppSync would do with an error is done here: its
type and info stand beside the message, and errors that the resolver adds keep the field's path.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphql import GraphQLError, build_schema, graphql_sync

from ..appsync_schema import DECLARED
from ..graphql.asking import told

STUB = """
export const added = [];
export const util = {
  error: (message, type, data, info) => { throw { message, type, data, info }; },
  appendError: (message, type, data, info) => { added.push({ message, type, data, info }); },
};
"""
RUN = """
import * as resolver from "./resolver.mjs";
import { added } from "./utils.mjs";
import { readFileSync } from "node:fs";
const { step, context } = JSON.parse(readFileSync(0, "utf8"));
let out;
try { out = { value: resolver[step](context), added }; } catch (error) { out = { error: error instanceof Error ? { message: error.stack } : error }; }
process.stdout.write(JSON.stringify(out));
"""

Invoke = Callable[[dict[str, Any]], Any]


class AppSyncGateway:
    """`ask(query, variables)` answers as AppSync would. `functions` invokes the function of a logical id."""

    def __init__(self, template: Mapping[str, Any], functions: Mapping[str, Invoke], folder: Path) -> None:
        by_type: dict[str, dict[str, Any]] = {}
        for name, resource in template["Resources"].items():
            by_type.setdefault(resource["Type"], {})[name] = resource["Properties"]
        [schema] = by_type["AWS::AppSync::GraphQLSchema"].values()
        text: str = schema["Definition"]
        self._schema = build_schema(text + DECLARED)
        self._functions = functions
        self._folder = folder
        self._path: list[Any] = []
        self._headers: dict[str, str] = {}
        self._added: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "utils.mjs").write_text(STUB)
        (folder / "run.mjs").write_text(RUN)
        sources = {one["Name"]: one for one in by_type["AWS::AppSync::DataSource"].values()}
        for resolver in by_type["AWS::AppSync::Resolver"].values():
            self._wire(resolver, sources)

    def ask(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
        """`{"data": …, "errors": […]}`, errors with AppSync's `errorType` and `errorInfo` beside the message."""
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._added = []
        answer: dict[str, Any] = dict(graphql_sync(self._schema, query, variable_values=variables).formatted)
        errors = [{**error, **error.get("extensions", {}), "extensions": None} for error in answer.pop("errors", ())]
        return {**answer, "errors": errors + self._added} if errors or self._added else answer

    def _wire(self, resolver: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
        field = self._schema.get_type(resolver["TypeName"]).fields[resolver["FieldName"]]  # type: ignore[union-attr]
        name = resolver["DataSourceName"]
        source = sources[name if isinstance(name, str) else self._named(name, sources)]
        function = source["LambdaConfig"]["LambdaFunctionArn"]["Fn::GetAtt"][0]
        invoke = next(call for start, call in self._functions.items() if function.startswith(start))
        code = resolver["Code"].replace('"@aws-appsync/utils"', '"./utils.mjs"')

        def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            context = {
                "arguments": arguments,
                "identity": None,
                "request": {"headers": self._headers},
                "info": {"fieldName": info.field_name, **told(info)},
            }
            self._path = info.path.as_list()
            request = self._run(code, "request", context)
            return self._run(code, "response", {**context, "result": invoke(request["payload"])})

        field.resolve = resolve

    def _named(self, reference: Mapping[str, Any], sources: Mapping[str, Any]) -> str:
        [logical, _] = reference["Fn::GetAtt"]
        return next(name for name in sources if logical.endswith(name) or name in logical)

    def _run(self, code: str, step: str, context: Any) -> Any:
        (self._folder / "resolver.mjs").write_text(code)
        given = json.dumps({"step": step, "context": context})
        run = subprocess.run(
            ["node", self._folder / "run.mjs"], input=given, capture_output=True, text=True, check=True
        )
        out = json.loads(run.stdout)
        if "error" in out:
            error = out["error"]
            extensions = {"errorType": error.get("type"), "errorInfo": error.get("info")}
            raise GraphQLError(error.get("message") or str(error), extensions=extensions)
        path = list(self._path)
        self._added += [
            {"message": one["message"], "path": path, "errorType": one.get("type"), "errorInfo": one.get("info")}
            for one in out.get("added", ())
        ]
        return out.get("value")
