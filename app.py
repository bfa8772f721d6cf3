"""The CDK app: App → Plan → stacks.

`cdk deploy -c app=module:attribute -c stage=dev -c target=arm64-3.13|local -c graphql=both|http|appsync|none -c live=on|off`.
"""

import aws_cdk as cdk

from persisty.application import load_app
from persisty.deploy.deployed_settings import deployed_settings
from persisty.deploy.events import events_of
from persisty.deploy.plan import plan_of
from stacks.api_stack import ApiStack
from stacks.constructs.target import Target
from stacks.data_stack import DataStack
from stacks.events_stack import EventsStack

cdk_app = cdk.App()
spec = cdk_app.node.get_context("app")
app = load_app(spec)
app.stage = cdk_app.node.get_context("stage")
deployed = deployed_settings(app.stage, cdk_app.node.try_get_context("settings"))
plan = plan_of(
    app,
    spec,
    cdk_app.node.get_context("graphql"),
    live=cdk_app.node.get_context("live") == "on",
    configured=deployed.settings,
    variables=deployed.variables,
)
target = Target.parse(cdk_app.node.get_context("target"))

data = DataStack(cdk_app, f"{plan.prefix}-Data", plan)
api = ApiStack(cdk_app, f"{plan.prefix}-Api", plan, target)
api.add_stack_dependency(data)
events = events_of(plan)
if events is not None:
    EventsStack(cdk_app, f"{plan.prefix}-Events", plan, events, target).add_stack_dependency(api)
for note in deployed.notes:
    cdk.Annotations.of(api).add_warning_v2(f"persisty:{note.partition(' ')[0]}", note)
cdk.Tags.of(cdk_app).add("app", plan.app)
cdk.Tags.of(cdk_app).add("stage", plan.stage)

cdk_app.synth()
