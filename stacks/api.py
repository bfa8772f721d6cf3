"""The part of APIs: functions with their layers, an HTTP API for REST and whole GraphQL requests, an AppSync API."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_sns as sns
from aws_cdk import aws_wafv2 as waf
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from persisty.deploy.alarms import GRAPHQL, HTTP
from persisty.deploy.aws_limits import APPSYNC_LEVELS
from persisty.deploy.events import Publishing, alarms_parameter, events_of
from persisty.deploy.resources import Plan
from persisty.naming import pascal

from .constructs.access_logs import log_fields, log_requests
from .constructs.authorization import Modes
from .constructs.exceptions import AUTHORIZATION, VERBOSE_LOGS, accept, accept_wildcards
from .constructs.functions import Functions, FunctionSettings
from .constructs.monitoring import Watched, add_alarms, add_dashboard, new_topic, watched_functions
from .constructs.passed_values import Values
from .constructs.placement import Placement
from .constructs.resolvers import add_resolvers
from .constructs.retention import RETENTIONS

SPLIT = "GraphqlSplit"
"""Id of an API whose resolvers are in nested stacks. It is a different API, because a resolver of an API cannot move to another stack."""
CACHE_INSTANCE = "SMALL"
"""Size of AppSync's response cache, if a store declares one: 1.5 GiB."""


class Api:
    """Adds the part to `scope`. `functions`: by their names in the plan; `http` and `graphql`: the APIs."""

    def __init__(self, scope: Construct, plan: Plan, values: Values, settings: FunctionSettings) -> None:
        self._scope, self._plan, self._values = scope, plan, values
        self._options, self._app_constructs = settings.options, settings.app_constructs
        functions = Functions(scope, plan, settings)
        self.functions = {
            function.name: functions.make(function, snap_start=settings.options.snap_start)
            for function in plan.functions
        }
        self._invoked = {name: functions.invoked(function) for name, function in self.functions.items()}
        self.http_domain: http.DomainName | None = None
        self.http = self._http_api()
        self.graphql = self._graphql_api() if plan.sdl else None
        self.topic = self._monitoring(plan) if settings.options.alarms else None

    def _monitoring(self, plan: Plan) -> sns.ITopic:
        """Add alarms and the dashboard. The topic is passed to the part of events."""
        topic = self._app_constructs.topic or new_topic(self._scope)
        resources = [*watched_functions(self.functions), Watched(HTTP, "http", self.http.api_id)]
        if self.graphql is not None:
            resources.append(Watched(GRAPHQL, "graphql", self.graphql.api_id))
        add_alarms(self._scope, resources, topic)
        if self._app_constructs.topic is None and events_of(plan) is not None:
            self._values.give(self._scope, "AlarmsParameter", alarms_parameter(plan), topic.topic_arn)
        add_dashboard(self._scope, plan.prefix, resources)
        return topic

    def _http_api(self) -> http.HttpApi:
        scope, options, domain = self._scope, self._options, self._app_constructs.domain
        api = http.HttpApi(scope, "Http", api_name=self._plan.prefix, create_default_stage=False)
        if domain is not None:
            self.http_domain = http.DomainName(
                scope, "HttpDomain", domain_name=domain.name, certificate=domain.certificate
            )
        stage = http.HttpStage(
            scope,
            "HttpStage",
            http_api=api,
            stage_name="$default",
            auto_deploy=True,
            throttle=http.ThrottleSettings(rate_limit=options.rate_limit, burst_limit=options.burst_limit),
            domain_mapping=self.http_domain and http.DomainMappingOptions(domain_name=self.http_domain),
        )
        if options.access_logs:
            log_requests(scope, stage, RETENTIONS[options.log_retention])
        integrations = {
            name: HttpLambdaIntegration(f"{pascal(name)}Integration", self._invoked[name])
            for name in dict.fromkeys(route.function for route in self._plan.routes)
        }
        for route in self._plan.routes:
            api.add_routes(
                path=route.path, methods=[http.HttpMethod(route.method)], integration=integrations[route.function]
            )
        accept(api, AUTHORIZATION)
        url = api.api_endpoint if domain is None else f"https://{domain.name}"
        cdk.CfnOutput(scope, "HttpUrl", value=url, description="REST")
        if self.http_domain is not None:
            target = self.http_domain.regional_domain_name
            cdk.CfnOutput(scope, "HttpDomainTarget", value=target, description="Point a CNAME of the domain here")
        return api

    def _graphql_api(self) -> appsync.GraphqlApi:
        plan, scope, domain = self._plan, self._scope, self._app_constructs.graphql_domain
        schema = Path(cdk.FileSystem.mkdtemp("sdl")) / "schema.graphql"
        schema.write_text(plan.sdl)
        modes = Modes(scope, plan, self._invoked.get("authorizer"))
        api = appsync.GraphqlApi(
            scope,
            SPLIT if self._options.split else "Graphql",
            name=plan.prefix,
            definition=appsync.Definition.from_file(str(schema)),
            authorization_config=modes.config(),
            introspection_config=None if plan.introspection else appsync.IntrospectionConfig.DISABLED,
            query_depth_limit=APPSYNC_LEVELS,
            xray_enabled=True if self._options.tracing else None,
            domain_name=domain and appsync.DomainOptions(domain_name=domain.name, certificate=domain.certificate),
        )
        modes.narrow(api)
        if self._options.access_logs:
            accept(api, VERBOSE_LOGS)
            log_fields(scope, api, RETENTIONS[self._options.log_retention])
        accept_wildcards(api, (arn for one in self._invoked.values() for arn in one.resource_arns_for_grant_invoke))
        add_resolvers(api, plan, self._invoked, Placement(scope, split=self._options.split))
        events = events_of(plan)
        if events is not None and events.publishing is not None:
            self._publish_address(events.publishing, api)
        cached = [field.caching.seconds for field in plan.fields if field.caching]
        if cached:
            appsync.CfnApiCache(
                scope,
                "GraphqlCache",
                api_id=api.api_id,
                api_caching_behavior="PER_RESOLVER_CACHING",
                type=CACHE_INSTANCE,
                ttl=max(cached),
                at_rest_encryption_enabled=True,
                transit_encryption_enabled=True,
            )
        if self._options.web_acl is not None:
            waf.CfnWebACLAssociation(scope, "GraphqlWebAcl", resource_arn=api.arn, web_acl_arn=self._options.web_acl)
        url = api.graphql_url if domain is None else f"https://{domain.name}/graphql"
        cdk.CfnOutput(scope, "GraphqlUrl", value=url, description="GraphQL")
        if domain is not None:
            target = api.app_sync_domain_name
            cdk.CfnOutput(scope, "GraphqlDomainTarget", value=target, description="Point a CNAME of the domain here")
        cdk.CfnOutput(scope, "GraphqlApiId", value=api.api_id, description="aws appsync list-api-keys --api-id …")
        return api

    def _publish_address(self, publishing: Publishing, api: appsync.GraphqlApi) -> None:
        """Pass the URL and ARN of the API to the part of events."""
        self._values.give(self._scope, "GraphqlUrlParameter", publishing.url, api.graphql_url)
        self._values.give(self._scope, "GraphqlArnParameter", publishing.arn, api.arn)
