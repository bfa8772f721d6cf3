"""GraphQL over HTTP for any host: from a request to a response.

It follows the GraphQL-over-HTTP specification. If a request is not a GraphQL request (method, media type, size, JSON, no query), the response is
a problem document with a 4xx status, as over REST. Any other response is a GraphQL response with status 200. A client that accepts
application/graphql-response+json gets 400 if nothing was executed.

GET is for queries. Mutations need POST with a JSON body, which a page of another origin cannot send without a preflight. Several requests in one
array are not supported. A mutation with an `Idempotency-Key` is executed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from .... import settings
from ....application import App
from ....deferred import deferred
from ....errors import (
    Fault,
    InvalidQuery,
    MalformedGraphql,
    MalformedJson,
    MethodNotAllowed,
    PersistedQueryNotFound,
    PersistyError,
    UndeclaredDocument,
)
from ....model import nesting
from ....model.derived_names import value_type_faults
from ...http.compression import SMALL, coded
from ...http.messages import IDEMPOTENCY_KEY, JSON, MAX_BODY, Request, Response, json_body, without_content
from ...http.problem import refusal
from ...per_revision import PerRevision
from ..action_types import TypeCheck
from ..response import Answer, refused
from .document_limits import Limits
from .document_plans import GraphqlRequest
from .persisted_documents import Documents, declared_in
from .schema import GraphqlSchema
from .subscription import Live

RESPONSE_JSON = "application/graphql-response+json"
ALLOWED = "GET, HEAD, OPTIONS, POST"


class GraphqlEndpoint:
    """The GraphQL surface of an app. The host chooses its path."""

    def __init__(
        self, app: App, max_body: int = MAX_BODY, limits: Limits | None = None, documents: Documents | None = None
    ) -> None:
        configured = settings.load()
        self._app, self._max_body = app, max_body
        self._idempotency: Any = None
        self._documents = documents or declared_in(configured.graphql_documents)
        found = limits or Limits(introspection=configured.graphql_introspection != "off")
        app.check_changes_with(value_type_faults)
        app.check_changes_with(TypeCheck(app))
        self._schema = PerRevision(app, lambda _, before: GraphqlSchema(app, found, check=before is None))

    @property
    def schema(self) -> GraphqlSchema:
        """The schema of the app's current items."""
        return self._schema()

    def handle(self, request: Request) -> Response:
        """Return the response to a request. Never raises."""
        if request.method == "OPTIONS":
            return Response(204, {"allow": ALLOWED})
        if request.method == "HEAD":
            return without_content(self.handle(replace(request, method="GET")))
        response = self._answer(request)
        return response if len(response.body) < SMALL else coded(request, response)

    def handle_live(self, request: Request, begin: Callable[[Live], None]) -> Response:
        """Return the response to a request over a connection that stays open. A subscription is passed to `begin` and has an empty response. Never
        raises."""
        return self._answer(request, begin)

    def _answer(self, request: Request, begin: Callable[[Live], None] | None = None) -> Response:
        try:
            read = READERS.get(request.method)
            if read is None:
                raise MethodNotAllowed(allow=ALLOWED)
            text, variables, name = checked(self._documents, read(request, self._max_body))
            if IDEMPOTENCY_KEY in request.headers and request.method == "POST" and begin is None:
                return self._once(request, text, variables, name)
            read_only = request.method == "GET"
            return _response(
                request,
                self.schema.answer(GraphqlRequest(text, variables, name, request.caller, read_only, begin)),
            )
        except (PersistedQueryNotFound, UndeclaredDocument) as error:
            return _response(request, refused(error))
        except Exception as error:  # the edge of the program: every error becomes a problem document
            return refusal(error)

    def _once(self, request: Request, text: str, variables: Mapping[str, Any], name: str | None) -> Response:
        """Return the response to a request with an `Idempotency-Key`. Requests with the same key execute their mutation only once."""
        prepared = self.schema.prepare(GraphqlRequest(text, variables, name, request.caller))
        if isinstance(prepared, Answer):
            return _response(request, prepared)
        if self._app.idempotency is None or not prepared.mutations:
            return _response(request, prepared.execute())
        if self._idempotency is None:
            self._idempotency = deferred("persisty.api.idempotency").Idempotency(self._app)
        if not any(self._idempotency.admits(one, request) for one in prepared.mutations):
            return _response(request, prepared.execute())

        def carry_out() -> tuple[Response, bool]:
            try:
                answer = prepared.execute()
            except Exception as error:  # not an operation's error, which the response has: it may follow a write
                return refusal(error), True
            done = len(answer.rejected) < len(prepared.mutations)
            return _response(request, answer), done or any(map(self._idempotency.is_outcome, answer.rejected))

        # the text, so that a persisted document named by its hash is the same request
        content = msgspec.json.encode([text, variables, name])
        try:
            response: Response = self._idempotency.once(request, content, carry_out)
        except PersistyError as error:  # an error of the key, or of the store of idempotency records
            return _response(request, refused(error))
        return response


def _from_body(request: Request, max_body: int) -> Any:
    return json_body(request, max_body, rounded=True)


def _from_query_string(request: Request, max_body: int) -> Any:
    """Return the parameters of a GET, with `variables` and `extensions` decoded from JSON."""
    found: dict[str, Any] = {}
    for name, value in request.parameters():
        if name in found:
            raise InvalidQuery(faults=[Fault(f"/{name}", "Given twice")])
        found[name] = value
    for name in ("variables", "extensions"):
        if found.get(name):
            try:
                found[name] = nesting.decode(found[name])
            except msgspec.DecodeError as error:
                raise MalformedJson(f"The {name} are not JSON: {error}") from error
    return {name: value for name, value in found.items() if value != ""}


READERS: dict[str, Callable[[Request, int], Any]] = {"GET": _from_query_string, "POST": _from_body}
"""Method → the function that reads the members of a request."""

MEMBERS: dict[str, type] = {
    "query": str, "variables": dict, "operationName": str, "extensions": dict, "documentId": str,
}  # fmt: skip
"""Member of a request → its type, if it is given."""


def checked(documents: Documents, given: Any) -> tuple[str, Mapping[str, Any], str | None]:
    """Return the text of a request, its variables and the name of the operation to execute.

    Raises `MalformedGraphql`, and the errors of `Documents.text`.
    """
    if not isinstance(given, dict):
        fault = Fault("", "Expected one request; arrays of requests are not supported", "object", type(given).__name__)
        raise MalformedGraphql(faults=[fault])
    faults = [
        Fault(f"/{name}", f"Expected {kind.__name__}", found=type(given[name]).__name__)
        for name, kind in MEMBERS.items()
        if given.get(name) is not None and not isinstance(given[name], kind)
    ]
    text = None if faults else documents.text(given)
    if text is None:
        faults = faults or [Fault("/query", "Expected the text of a query", found="NoneType")]
        raise MalformedGraphql("Not a GraphQL request", faults=faults)
    return text, given.get("variables") or {}, given.get("operationName")


def _response(request: Request, answer: Answer) -> Response:
    if RESPONSE_JSON not in request.headers.get("accept", ""):
        return Response(200, {**JSON, **UNSHARED}, answer.body)
    return Response(200 if answer.executed else 400, {"content-type": RESPONSE_JSON, **UNSHARED}, answer.body)


UNSHARED = {"cache-control": "private, no-cache", "vary": "authorization, accept"}
"""Headers of a response, which depends on the caller. Without them, caches could store the response to a GET."""
