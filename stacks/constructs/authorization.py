"""The authorization modes of an AppSync API: the plan's modes as CDK constructs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import aws_cdk as cdk
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambdas
from constructs import Construct

from persisty.deploy.appsync_auth import API_KEY, COGNITO, IAM, LAMBDA, OIDC, AuthMode
from persisty.deploy.resources import Plan

KEY_LIFE = 11
"""Months until an API key of the GraphQL API expires. A deployment in a later month renews it."""
TOKEN = r"^([Bb]earer )?[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"
"""Pattern of a token. AppSync rejects other values without invoking the authorizer."""


class Modes:
    """Makes the configuration of the API in `scope`. `authorizer` is the function that verifies tokens, or None."""

    def __init__(self, scope: Construct, plan: Plan, authorizer: lambdas.IFunction | None) -> None:
        self._scope, self._plan, self._authorizer = scope, plan, authorizer

    def config(self) -> appsync.AuthorizationConfig:
        first, *additional = (MAKERS[mode.kind](self, mode) for mode in self._plan.auth)
        return appsync.AuthorizationConfig(
            default_authorization=first, additional_authorization_modes=additional or None
        )

    def narrow(self, api: appsync.GraphqlApi) -> None:
        """Allow only this API to invoke the authorizer. CDK allows all APIs."""
        permission = self._authorizer and self._authorizer.node.try_find_child(f"{api.node.id}-appsync")
        if isinstance(permission, lambdas.CfnPermission):
            permission.source_arn = api.arn

    def key(self, mode: AuthMode) -> appsync.AuthorizationMode:
        config = appsync.ApiKeyConfig(name=self._plan.prefix, expires=cdk.Expiration.at_date(_key_expiry()))
        return appsync.AuthorizationMode(authorization_type=appsync.AuthorizationType.API_KEY, api_key_config=config)

    def function(self, mode: AuthMode) -> appsync.AuthorizationMode:
        if self._authorizer is None:
            raise ValueError("The plan has a Lambda authorizer but no function for it")
        config = appsync.LambdaAuthorizerConfig(
            handler=self._authorizer,
            results_cache_ttl=cdk.Duration.seconds(0),  # the function decides for how long
            validation_regex=TOKEN,
        )
        return appsync.AuthorizationMode(
            authorization_type=appsync.AuthorizationType.LAMBDA, lambda_authorizer_config=config
        )

    def oidc(self, mode: AuthMode) -> appsync.AuthorizationMode:
        config = appsync.OpenIdConnectConfig(oidc_provider=mode.issuer or "", client_id=mode.clients)
        return appsync.AuthorizationMode(
            authorization_type=appsync.AuthorizationType.OIDC, open_id_connect_config=config
        )

    def pool(self, mode: AuthMode) -> appsync.AuthorizationMode:
        name = mode.issuer or ""
        if cdk.Token.is_unresolved(name):  # of the same CDK app, so of the region of the stack
            pool = cognito.UserPool.from_user_pool_id(self._scope, f"Pool{self._plan.auth.index(mode)}", name)
        else:
            arn = cdk.Stack.of(self._scope).format_arn(
                service="cognito-idp", region=name.partition("_")[0], resource="userpool", resource_name=name
            )
            pool = cognito.UserPool.from_user_pool_arn(self._scope, f"Pool{name}", arn)
        config = appsync.UserPoolConfig(user_pool=pool, app_id_client_regex=mode.clients)
        return appsync.AuthorizationMode(
            authorization_type=appsync.AuthorizationType.USER_POOL, user_pool_config=config
        )

    def iam(self, mode: AuthMode) -> appsync.AuthorizationMode:
        return appsync.AuthorizationMode(authorization_type=appsync.AuthorizationType.IAM)


MAKERS: dict[str, Callable[[Modes, AuthMode], appsync.AuthorizationMode]] = {
    API_KEY: Modes.key,
    LAMBDA: Modes.function,
    OIDC: Modes.oidc,
    COGNITO: Modes.pool,
    IAM: Modes.iam,
}
"""Mode → the method that makes it."""


def _key_expiry() -> datetime:
    """Return the first day of a month, so that the template changes once a month."""
    today = datetime.now(UTC)
    months = today.year * 12 + today.month - 1 + KEY_LIFE
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
