"""AppSync's authorization modes and the directives of its fields, from the same settings and rules as REST, as plain data.

The Lambda authorizer verifies the tokens that persisty signs. It then verifies all other tokens too: if AppSync verifies an issuer's JWTs, it treats
every JWT as one of these. If persisty signs no tokens, AppSync verifies those of the issuers: Cognito's pools by one mode, every other OpenID
Connect issuer by another. An API key gives the access that the rules allow anonymous callers. If they allow none, the API has no key. The default mode
requires a token.

Source: "Configuring authorization and authentication to secure your GraphQL APIs" in the AWS AppSync Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import Struct

from .. import settings
from ..api.graphql.described_types import item_record
from ..api.graphql.reachable_types import reach, records_in
from ..api.graphql.result_types import ANY_ITEM, offered_in
from ..api.graphql.sdl import Directives
from ..api.graphql.subscriptions import Subscription
from ..api.graphql.types import Ref
from ..api.operations import MultiStoreOperation, Operation, StoreOperation
from ..application import App
from ..model.meta import StoreMeta
from ..naming import camel
from ..security.access_matrix import simplified
from ..security.caller import ANONYMOUS
from ..security.issuers import KINDS, Issuer, IssuerKind, audiences_in, issuers_in
from ..security.policy import Policy, cacheable

API_KEY, LAMBDA, OIDC, COGNITO, IAM = "API_KEY", "AWS_LAMBDA", "OPENID_CONNECT", "AMAZON_COGNITO_USER_POOLS", "AWS_IAM"
DIRECTIVES: dict[str, str] = {
    API_KEY: "@aws_api_key",
    LAMBDA: "@aws_lambda",
    OIDC: "@aws_oidc",
    COGNITO: "@aws_cognito_user_pools",
    IAM: "@aws_iam",
}
"""Mode → the directive of the fields and types that it may use."""


class AuthMode(Struct, frozen=True):
    """An authorization mode. `issuer`: the URL of the issuer whose tokens AppSync verifies, or the id of a Cognito pool; `clients`: a pattern of the
    audiences that it accepts."""

    kind: str
    issuer: str | None = None
    clients: str | None = None


def auth_modes(app: App, operations: Collection[Operation], configured: settings.Settings) -> tuple[AuthMode, ...]:
    """Return the modes of an app's API, the default first."""
    open_ = [anonymous(one) for one in operations]
    audiences = audiences_in(configured.token_audience)
    issuers = issuers_in(configured.token_issuers, audiences) if configured.token_issuers else ()
    own = configured.token_secret_arn is not None
    modes: list[AuthMode] = []
    if issuers and not own:
        modes += sorted((_of_issuer(one) for one in issuers), key=lambda mode: mode.kind)
    elif own or app.looks_at_callers or not all(open_):
        modes.append(AuthMode(LAMBDA))
    if any(open_) or not modes:
        modes.append(AuthMode(API_KEY))
    return tuple(modes)


def anonymous(operation: Operation) -> bool:
    """Return whether a caller without credentials may use the operation for some item."""
    if isinstance(operation, StoreOperation):
        return _may(operation.meta, operation.verb)
    if isinstance(operation, MultiStoreOperation):
        return any(_may(meta, operation.name) for meta in operation.stores)
    return simplified(operation.access, ANONYMOUS).constant is not False


def _may(meta: StoreMeta[Any], verb: str) -> bool:
    """Return whether the rules may allow an anonymous caller. A rule that is a function decides at each request, so it may."""
    return not cacheable(meta) or Policy(meta, ANONYMOUS).allows(verb)


def directives(modes: Collection[AuthMode], operations: Collection[Operation]) -> Directives:
    """Return the directives of fields and types. With one mode there are none.

    Types have all modes of the fields that return them. A link whose target an anonymous caller cannot read has only the modes of callers with a token.
    Attributes that a caller may not read are null, as in REST.
    """
    if len(modes) < 2:
        return Directives()
    everyone = _marks(mode.kind for mode in modes)
    identified = _marks(mode.kind for mode in modes if mode.kind != API_KEY)
    offered = offered_in(operations)
    public = {one.field for one in operations if anonymous(one)}
    public_reach = reach([one for one in operations if one.field in public], offered, _may)
    full_reach = reach(operations, offered)
    followed = {(record.name, name) for record, name, _ in public_reach.links}
    return Directives(
        roots={one.field: everyone if one.field in public else identified for one in operations},
        types={name: everyone if name in public_reach.types else identified for name in full_reach.types},
        fields={
            (record.name, name): identified
            for record, name, _ in full_reach.links
            if record.name in public_reach.types and (record.name, name) not in followed
        }
        | {
            (ANY_ITEM, name): identified
            for name in full_reach.edited
            if ANY_ITEM in public_reach.types and name not in public_reach.edited
        },
    )


def with_publishers(
    found: Directives, modes: Collection[AuthMode], subscriptions: Collection[Subscription]
) -> Directives:
    """Add the directives of subscriptions and of the mutations that publish to them.

    Only IAM may call these mutations, and it may read the types that they return. A subscription has the modes of the item's `read`.
    """
    iam = DIRECTIVES[IAM]
    default = _marks(mode.kind for mode in modes)[:1]
    roots, types = dict(found.roots), dict(found.types)
    for one in subscriptions:
        roots[one.publisher] = (iam,)
        follows = f'@aws_subscribe(mutations: ["{one.publisher}"])'
        roots[one.field] = (*found.roots.get(camel(f"{one.meta.name}_read"), ()), follows)
        for name in records_in(Ref(item_record(one.meta))):
            types[name] = (*found.types.get(name, default), iam)
    return Directives(roots, types, found.fields)


def _marks(kinds: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(DIRECTIVES[kind] for kind in kinds))


def _of_issuer(issuer: Issuer) -> AuthMode:
    kind, place = _PLACES.get(issuer.kind, (OIDC, _url))
    clients = "|".join(re.escape(one) for one in sorted(issuer.audiences))
    return AuthMode(kind, place(issuer), clients or None)


def _url(issuer: Issuer) -> str:
    return issuer.url


def _pool(issuer: Issuer) -> str:
    return issuer.url.rpartition("/")[2]


_PLACES: Mapping[IssuerKind, tuple[str, Callable[[Issuer], str]]] = {KINDS["cognito"]: (COGNITO, _pool)}
"""Kind of issuer → the mode that verifies its tokens, and the function that names the issuer to it. Any other kind uses OpenID Connect."""
