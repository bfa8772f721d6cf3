"""AppSync of the deployed template: the AppSync of `persisty local`, with the functions that a test gives.

With an `authorizer`, callers with a token are authorized by it, and all other callers have an API key. Both reach only the fields with the directive of
their mode. Without one, every caller reaches every field but those of IAM, and the function verifies the token.

More is checked here than by AppSync: filters that AppSync would refuse or whose result it does not document, aliases that a publisher selects, and the
result of a subscription's resolver.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from graphql import GraphQLError
from msgspec import structs

from persisty.local.appsync import SIGNED, AppSync, Caller, Refused, fresh
from persisty.local.deployed import graphql_api
from persisty.local.graphql_fields import KEY, schema_of
from persisty.local.resolvers import Resolvers
from persisty.local.subscriptions import Subscription, begin, received

from ..appsync_endpoint import aliases
from ..appsync_filter import check, lets_through

Invoke = Callable[[Any], Any]
API_KEY = "the-key"
FIELDS_OF_CALLERS = re.compile(r" @aws_(lambda|api_key)\b")


class Subscriber:
    """A subscription that has begun. `events`: the events that it received, with its own keys."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.events: list[dict[str, Any]] = []


class AppSyncGateway:
    """Answers requests to the API of a template. `functions`: the beginning of a logical id → what invokes that function. `batches`: the sizes of the
    batches of links."""

    def __init__(
        self,
        template: Mapping[str, Any],
        functions: Mapping[str, Invoke],
        resolvers: Resolvers,
        authorizer: Invoke | None = None,
    ) -> None:
        api = graphql_api(template["Resources"], "api", (API_KEY,))
        if authorizer is None:
            api = structs.replace(api, sdl=FIELDS_OF_CALLERS.sub("", api.sdl))
        self._functions, self._authorizer, self._name = functions, authorizer, api.authorizer
        self._one_at_a_time = Lock()  # a process of Lambda has one event at a time
        self._api, self._plain = AppSync(api, self._invoke, resolvers), schema_of(api.sdl)
        self.batches: list[int] = []
        self.subscribers: list[Subscriber] = []

    def ask(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
        """Return `{"data": …, "errors": […]}`. Errors have AppSync's `errorType` and `errorInfo` next to the message."""
        try:
            return asyncio.run(self._ask(query, variables, self._headers(token)))
        except Refused as refused:
            return {"errors": [{"errorType": str(refused), "message": "You are not authorized"}]}

    def subscribe(
        self, document: str, variables: dict[str, Any] | None = None, token: str | None = None
    ) -> Subscriber | dict[str, Any]:
        """Return a subscription, or the response if it is rejected."""

        async def begun() -> Subscription | list[dict[str, Any]]:
            caller = await self._caller(self._headers(token))
            return await begin(self._api, {"query": document, "variables": variables}, caller)

        try:
            found = asyncio.run(begun())
        except GraphQLError as error:
            return {"errors": [error.formatted]}
        if not isinstance(found, Subscription):
            return {"errors": found}
        assert found.filter is not None
        check(found.filter)
        self.subscribers.append(Subscriber(found))
        return self.subscribers[-1]

    def publish(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a request that IAM signed, and deliver its events to subscribers."""
        assert aliases(query) == []
        answer = asyncio.run(self._ask(query, variables, {"authorization": SIGNED}))
        for name, event in (answer.get("data") or {}).items():
            for one in self.subscribers if event is not None else ():
                data = received(self._plain, one.subscription, name, event)
                follows = name in one.subscription.mutations
                assert (data is not None) == (follows and lets_through(one.subscription.filter or {}, event))
                one.events += [] if data is None else [data]
        return answer

    async def _ask(self, query: str, variables: dict[str, Any] | None, headers: dict[str, str]) -> dict[str, Any]:
        return await self._api.execute(query, variables, None, fresh(await self._caller(headers)))

    async def _caller(self, headers: dict[str, str]) -> Caller:
        if self._authorizer is None and headers.get("authorization") != SIGNED:
            return Caller(KEY, True, None, headers)
        return await self._api.caller(headers)

    @staticmethod
    def _headers(token: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {token}"} if token else {"x-api-key": API_KEY}

    def _invoke(self, function: str, event: Any) -> Any:
        if isinstance(event, list):
            self.batches.append(len(event))
        own = {} if self._name is None or self._authorizer is None else {self._name: self._authorizer}
        call = next(call for start, call in {**own, **self._functions}.items() if function.startswith(start))
        with self._one_at_a_time:
            return call(event)


@contextmanager
def appsync(
    template: Mapping[str, Any], functions: Mapping[str, Invoke], folder: Path, authorizer: Invoke | None = None
) -> Iterator[AppSyncGateway]:
    """Run the API of a template until the context ends, with the files of its resolvers in `folder`."""
    resolvers = Resolvers(folder / "resolvers")
    try:
        yield AppSyncGateway(template, functions, resolvers, authorizer)
    finally:
        resolvers.close()
