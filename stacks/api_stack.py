"""The stack of APIs: functions with their layers, an HTTP API for REST and whole GraphQL requests, an AppSync API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_ssm as ssm
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from persisty.deploy.events import Events, events_of
from persisty.deploy.resources import Plan
from persisty.naming import pascal

from .constructs.authorization import Modes
from .constructs.functions import Functions
from .constructs.resolvers import add_resolvers
from .constructs.target import Target

RATE, BURST = 500, 1000
"""Requests a second that the HTTP API accepts before it answers 429."""
CACHE_INSTANCE = "SMALL"
"""Size of AppSync's response cache, if a store declares one: 1.5 GiB."""


class ApiStack(cdk.Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        plan: Plan,
        target: Target,
        **options: Any,
    ) -> None:
        super().__init__(scope, id, description=f"APIs of {plan.app}, stage {plan.stage}", **options)
        self._plan = plan
        functions = Functions(self, plan, target, plan.functions[0].environment["PERSISTY_APP"])
        self._functions = {function.name: functions.make(function) for function in plan.functions}
        self._http_api()
        if plan.sdl:
            self._graphql_api()

    def _http_api(self) -> None:
        api = http.HttpApi(self, "Http", api_name=self._plan.prefix, create_default_stage=False)
        http.HttpStage(
            self,
            "HttpStage",
            http_api=api,
            stage_name="$default",
            auto_deploy=True,
            throttle=http.ThrottleSettings(rate_limit=RATE, burst_limit=BURST),
        )
        integrations = {
            name: HttpLambdaIntegration(f"{pascal(name)}Integration", self._functions[name])
            for name in dict.fromkeys(route.function for route in self._plan.routes)
        }
        for route in self._plan.routes:
            api.add_routes(
                path=route.path, methods=[http.HttpMethod(route.method)], integration=integrations[route.function]
            )
        cdk.CfnOutput(self, "HttpUrl", value=api.api_endpoint, description="REST")

    def _graphql_api(self) -> None:
        plan = self._plan
        schema = Path(cdk.FileSystem.mkdtemp("sdl")) / "schema.graphql"
        schema.write_text(plan.sdl)
        modes = Modes(self, plan, self._functions.get("authorizer"))
        api = appsync.GraphqlApi(
            self,
            "Graphql",
            name=plan.prefix,
            definition=appsync.Definition.from_file(str(schema)),
            authorization_config=modes.config(),
            introspection_config=None if plan.introspection else appsync.IntrospectionConfig.DISABLED,
            query_depth_limit=20,
        )
        modes.narrow(api)
        add_resolvers(api, plan, self._functions)
        events = events_of(plan)
        if events is not None:
            self._publish_address(events, api)
        cached = [field.caching.seconds for field in plan.fields if field.caching]
        if cached:
            appsync.CfnApiCache(
                self,
                "GraphqlCache",
                api_id=api.api_id,
                api_caching_behavior="PER_RESOLVER_CACHING",
                type=CACHE_INSTANCE,
                ttl=max(cached),
                at_rest_encryption_enabled=True,
                transit_encryption_enabled=True,
            )
        cdk.CfnOutput(self, "GraphqlUrl", value=api.graphql_url, description="GraphQL")
        cdk.CfnOutput(self, "GraphqlApiId", value=api.api_id, description="aws appsync list-api-keys --api-id …")

    def _publish_address(self, events: Events, api: appsync.GraphqlApi) -> None:
        """Store the URL and ARN of the API for the stack of events. They are parameters: an export would keep the API from being replaced."""
        ssm.StringParameter(self, "GraphqlUrlParameter", parameter_name=events.url, string_value=api.graphql_url)
        ssm.StringParameter(self, "GraphqlArnParameter", parameter_name=events.arn, string_value=api.arn)
