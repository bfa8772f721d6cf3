"""The surfaces of the suite: Python, REST, GraphQL, AppSync's events and servey's actions, each with its own form of the verbs.

Answers have one form, `("ok", value)` or `("error", code)`; rows are dicts. GraphQL returns null for a hidden attribute, so its rows
are compared without nulls (`exact`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from persisty import ANONYMOUS, App, Create, Delete, EditResult, PersistyError, Store, Update
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.multi_store_operations import PATH
from persisty.api.rest.endpoint import Rest
from persisty.naming import camel, kebab, pascal
from persisty.query.filter_parsing import filter_of_json
from persisty.store.edits import Edit
from persisty.store.store import context_of

from .cast import Role
from .oracle import Answer, attributes

StoreEdit = tuple[str, str, Mapping[str, Any]]
"""An edit of a batch of several stores: kind, verb, and the item to create, or `key`, `changes` and `when`."""
JSON = {"content-type": "application/json"}
LIMIT = 100


class Surface:
    """One surface. The arguments of a verb have the names of its operation."""

    name = "surface"
    exact = True

    def __init__(self, app: App) -> None:
        self.app = app

    def speaks_for(self, role: Role) -> bool:
        """Return whether the surface can act as the role."""
        return not role.trusted

    def store(self, role: Role, kind: str) -> Store[Any]:
        """Return the store of a role in Python."""
        store: Store[Any] = self.app.store(kind)
        return store if role.caller is None else store.on_behalf_of(role.caller)

    def ask(self, role: Role, kind: str, verb: str, **given: Any) -> Answer:
        raise NotImplementedError

    def edit_stores(self, role: Role, edits: Sequence[StoreEdit], *, atomic: bool) -> Answer:
        """Send edits of several stores in one batch."""
        raise NotImplementedError


class Python(Surface):
    name = "python"

    def speaks_for(self, role: Role) -> bool:
        return True

    def ask(self, role: Role, kind: str, verb: str, **given: Any) -> Answer:
        try:
            return ("ok", _as_json(PYTHON[verb](self.store(role, kind), **given)))
        except PersistyError as error:
            return ("error", error.code)

    def edit_stores(self, role: Role, edits: Sequence[StoreEdit], *, atomic: bool) -> Answer:
        try:
            return ("ok", _as_json(self.app.edit_batch(self.batch(role, edits), atomic=atomic, caller=role.caller)))
        except PersistyError as error:
            return ("error", error.code)

    def batch(self, role: Role, edits: Sequence[StoreEdit]) -> list[Edit]:
        """Return the edits in the form of `App.edit_batch`."""
        return [
            msgspec.structs.replace(edit, store=kind)
            for kind, verb, body in edits
            for edit in _edits([{verb: self._with_filter(role, kind, body)}])
        ]

    def _with_filter(self, role: Role, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        when = {name: _filter(self.store(role, kind), body[name]) for name in ("when",) if name in body}
        return {**body, **when}


def _as_json(value: Any) -> Any:
    return msgspec.to_builtins([_result(one) for one in value] if isinstance(value, list) else value)


def _result(one: Any) -> Any:
    return {"code": one.code, "item": one.item} if isinstance(one, EditResult) else one


def _filter(store: Store[Any], where: Mapping[str, Any] | None) -> Any:
    return filter_of_json(store.meta, where, "/where", context_of(store).guard.view)


def _edits(given: Sequence[Any]) -> list[Any]:
    made: list[Any] = []
    for edit in given:
        [(verb, body)] = edit.items()
        made.append(Create(body) if verb == "create" else {"update": Update, "delete": Delete}[verb](**body))
    return made


def _search(store: Store[Any], where: Any = None, order: Any = ("id",), limit: int = LIMIT, query: Any = None) -> Any:
    return store.search(_filter(store, where), query=query, order=order, limit=limit).items


PYTHON: dict[str, Callable[..., Any]] = {
    "read": lambda store, key: store.read(key),
    "search": _search,
    "count": lambda store, where=None: store.count(_filter(store, where)),
    "read_batch": lambda store, keys: store.read_batch(keys),
    "create": lambda store, item: store.create(item),
    "update": lambda store, key, changes, when=None: store.update(key, changes, when=_filter(store, when)),
    "delete": lambda store, key, when=None: store.delete(key, when=_filter(store, when)) or None,
    "edit_batch": lambda store, edits, atomic=False: store.edit_batch(_edits(edits), atomic=atomic),
}
"""Verb → its call on a store. A missing item is None."""


class OverRest(Surface):
    name = "rest"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.rest = Rest(app)

    def ask(self, role: Role, kind: str, verb: str, **given: Any) -> Answer:
        response = self.rest.handle(request(role, kind, verb, **given))
        body: Any = json.loads(response.body) if response.body else True
        if response.status < 400:
            return ("ok", REST_ANSWERS.get(verb, lambda found: found)(body))
        if response.status != body["status"]:
            return ("error", f"status {response.status} and code {body['code']}")
        if verb in ("read", "update", "delete") and (body["code"], body.get("detail")) == ("not_found", None):
            return ("ok", None)
        if verb == "edit_batch" and "results" in body:
            return ("ok", REST_ANSWERS[verb](body))
        return ("error", body["code"])

    def edit_stores(self, role: Role, edits: Sequence[StoreEdit], *, atomic: bool) -> Answer:
        sent = {"edits": [{"store": kind, verb: body} for kind, verb, body in edits], "atomic": atomic}
        caller = role.caller or ANONYMOUS
        response = self.rest.handle(Request("POST", PATH, headers=JSON, body=json.dumps(sent).encode(), caller=caller))
        body: Any = json.loads(response.body)
        return ("ok", REST_ANSWERS["edit_batch"](body)) if "results" in body else ("error", body["code"])


def request(role: Role, kind: str, verb: str, headers: Mapping[str, str] | None = None, **given: Any) -> Request:
    """Return the request of a verb. `where` has simple equalities only: attribute → value."""
    store, key = f"/api/{kebab(kind)}", given.get("key", "")
    where = [
        (name, str(value).lower() if isinstance(value, bool) else value)
        for name, value in (given.get("where") or {}).items()
    ]
    if given.get("query"):
        where.append(("query", given["query"]))
    paging = [("order", ",".join(given.get("order", ("id",)))), ("limit", given.get("limit", LIMIT))]
    paging += [(name, given[name]) for name in ("cursor", "include") if given.get(name)]
    edits = {"edits": given.get("edits"), "atomic": given.get("atomic", False)}
    method, path, query, body = {
        "read": ("GET", f"{store}/{key}", [], None),
        "search": ("GET", store, [*where, *paging], None),
        "count": ("GET", f"{store}-count", where, None),
        "read_batch": ("GET", f"{store}-batch", [("key", one) for one in given.get("keys", ())], None),
        "create": ("POST", store, [], given.get("item")),
        "update": ("PATCH", f"{store}/{key}", list((given.get("when") or {}).items()), given.get("changes")),
        "delete": ("DELETE", f"{store}/{key}", list((given.get("when") or {}).items()), None),
        "edit_batch": ("POST", f"{store}-batch", [], edits),
    }[verb]
    content = b"" if body is None else json.dumps(body).encode()
    sent = {**(JSON if content else {}), **(headers or {})}
    return Request(method, path, urlencode(query), sent, content, role.caller or ANONYMOUS)


REST_ANSWERS: dict[str, Callable[[Any], Any]] = {
    "search": lambda body: body["items"],
    "count": lambda body: body["count"],
    "read_batch": lambda body: body["items"],
    "edit_batch": lambda body: [{"code": one["code"], "item": one.get("item")} for one in body["results"]],
}


class OverGraphql(Surface):
    name = "graphql"
    exact = False

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.endpoint = GraphqlEndpoint(app)

    def ask(self, role: Role, kind: str, verb: str, **given: Any) -> Answer:
        document, variables = graphql(kind, verb, given)
        answer = json.loads(self.send(role, document, variables).body)
        return graphql_answer(answer, lambda data: GRAPHQL_ANSWERS.get(verb, _same)(data[camel(f"{kind}_{verb}")]))

    def send(self, role: Role, document: str, variables: Mapping[str, Any]) -> Response:
        body = json.dumps({"query": document, "variables": variables}).encode()
        return self.endpoint.handle(
            Request("POST", "/graphql", headers=JSON, body=body, caller=role.caller or ANONYMOUS)
        )

    def edit_stores(self, role: Role, edits: Sequence[StoreEdit], *, atomic: bool) -> Answer:
        shown = " ".join(f"{kind} {{ {selection(kind)} }}" for kind in dict.fromkeys(kind for kind, _, _ in edits))
        document = (
            "mutation ($edits: [AnyStoreEdit!]!, $atomic: Boolean) "
            f"{{ editBatch(edits: $edits, atomic: $atomic) {{ code item {{ {shown} }} }} }}"
        )
        variables = {"edits": named(edits), "atomic": atomic}
        answer = json.loads(self.send(role, document, variables).body)
        return graphql_answer(answer, lambda data: [_one_item(one) for one in data["editBatch"]])


def named(edits: Sequence[StoreEdit]) -> list[dict[str, Any]]:
    """Return edits of several stores in the form of GraphQL."""
    return [{kind: {verb: body}} for kind, verb, body in edits]


def _one_item(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of an edit with its item, from any store."""
    items = [one for one in (result["item"] or {}).values() if one is not None]
    return {"code": result["code"], "item": items[0] if items else None}


def graphql_answer(answer: Mapping[str, Any], value: Callable[[Any], Any]) -> Answer:
    """Return GraphQL's answer in the common form."""
    if "errors" in answer:
        return ("error", answer["errors"][0].get("extensions", {}).get("code", "no code"))
    return ("ok", value(answer["data"]))


def selection(kind: str) -> str:
    return " ".join(name for name in attributes(kind) if name != "digest")


def graphql(kind: str, verb: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return (document, variables) of a verb."""
    item, fields = pascal(kind), selection(kind)
    types = {
        "key": "ID!", "keys": "[ID!]!", "item": f"{item}Create!", "changes": f"{item}Update!", "when": f"{item}Where",
        "where": f"{item}Where", "order": f"[{item}Order!]", "limit": "Int", "query": "String", "cursor": "String",
        "edits": f"[{item}Edit!]!", "atomic": "Boolean",
    }  # fmt: skip
    variables: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if verb == "search":
        variables = {"order": ["id"], "limit": LIMIT, **variables}
        variables["order"] = [_term(one) for one in variables["order"]]
    for name in ("where", "when"):
        if name in variables:
            variables[name] = {
                one: value if isinstance(value, Mapping | list) else {"eq": value}
                for one, value in variables[name].items()
            }
    chosen = {"count": "", "delete": "", "search": f"{{ items {{ {fields} }} cursor }}",
              "edit_batch": f"{{ code item {{ {fields} }} }}"}.get(verb, f"{{ {fields} }}")  # fmt: skip
    kind_of = "query" if verb in ("read", "search", "count", "read_batch") else "mutation"
    declared = ", ".join(f"${name}: {types[name]}" for name in variables)
    passed = ", ".join(f"{name}: ${name}" for name in variables)
    head = f"({declared})" if declared else ""
    call = camel(f"{kind}_{verb}") + (f"({passed})" if passed else "")
    return f"{kind_of} {head} {{ {call} {chosen} }}", variables


def _term(term: str) -> str:
    return f"{term[1:]}_desc" if term.startswith("-") else f"{term}_asc"


def _same(value: Any) -> Any:
    return value


GRAPHQL_ANSWERS: dict[str, Callable[[Any], Any]] = {
    "search": lambda found: found["items"],
    "delete": lambda found: found or None,
}


class OverAppSync(Surface):
    """AppSync's events without a selection; the function makes the caller from their identity."""

    name = "appsync"
    exact = False

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.appsync = AppSync(app)

    def ask(self, role: Role, kind: str, verb: str, **given: Any) -> Answer:
        _, variables = graphql(kind, verb, given)
        outcome, data = self._send(role, camel(f"{kind}_{verb}"), variables)
        if outcome == "ok" and verb == "edit_batch":
            data = [{"code": one["code"], "item": one["item"]} for one in data]
        return (outcome, data if outcome == "error" else GRAPHQL_ANSWERS.get(verb, _same)(data))

    def edit_stores(self, role: Role, edits: Sequence[StoreEdit], *, atomic: bool) -> Answer:
        outcome, data = self._send(role, "editBatch", {"edits": named(edits), "atomic": atomic})
        return (outcome, data if outcome == "error" else [_one_item(one) for one in data])

    def _send(self, role: Role, field: str, arguments: Mapping[str, Any]) -> Answer:
        envelope = self.appsync.handle({"fieldName": field, "arguments": arguments}, role.caller or ANONYMOUS)
        if "error" in envelope:
            return ("error", envelope["error"]["code"])
        return ("ok", json.loads(json.dumps(envelope["data"])))


SURFACES: tuple[type[Surface], ...] = (Python, OverRest, OverGraphql, OverAppSync)


def bare(value: Any) -> Any:
    """Return the value without nulls, as an inexact surface returns it."""
    if isinstance(value, Mapping):
        return {name: bare(one) for name, one in value.items() if one is not None}
    return [bare(one) for one in value] if isinstance(value, list | tuple) else value
