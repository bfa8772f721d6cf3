"""`PersistyApp` in CDK apps: the effects of its options, and its attributes. Code is not built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

from persisty import InvalidDeclaration
from persisty.deploy.options import TARGET
from persisty.deploy.stack_size import check_size, stack_sizes
from stacks import Domain, PersistyApp
from stacks.constructs import functions
from stacks.constructs.placement import part_of

from .test_template import as_list, properties, statements, text

Template = dict[str, Any]
APP = "examples.messenger.app:app"
pytestmark = pytest.mark.usefixtures("no_code")
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/abc"
ACL = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/shop/abc"


def within_a_stack(**options: Any) -> tuple[PersistyApp, Template]:
    """An app within a stack, and its template. Functions among the options are called with the stack."""
    stack = cdk.Stack(cdk.App(), "Mine", env=cdk.Environment(account="123456789012", region="eu-west-1"))
    given = {name: value(stack) if callable(value) else value for name, value in options.items()}
    made = PersistyApp(stack, "Messenger", **{"app": APP, "target": "local", **given})
    return made, template_of(stack)


def template_of(stack: cdk.Stack) -> Template:
    found: Template = cdk.App.of(stack).synth().get_stack_by_name(stack.stack_name).template  # type: ignore[union-attr]
    return found


def test_within_a_stack_parts_refer_to_each_other_and_need_no_parameter() -> None:
    made, found = within_a_stack()
    assert properties(found, "AWS::SSM::Parameter") == []
    assert found["Parameters"].keys() == {"BootstrapVersion"}
    streams = [one["EventSourceArn"] for one in properties(found, "AWS::Lambda::EventSourceMapping")]
    assert all(one["Fn::GetAtt"][1] == "StreamArn" for one in streams)
    assert made.tables.keys() == {
        "user", "message", "author_total", "counted_event", "persisty_request", "persisty_system",
    }  # fmt: skip
    functions = {"rest", "graphql_http", "appsync", "authorizer", "stream", "after_message"}
    assert made.functions.keys() == functions == made.roles.keys()
    assert made.stacks == []
    assert None not in (made.graphql, made.secret, made.dead_letters)


def test_stages_of_an_app_are_in_one_cdk_app() -> None:
    cdk_app = cdk.App()
    apps = [PersistyApp(cdk_app, stage, app=APP, stage=stage, target="local") for stage in ("dev", "prod")]
    assert [stack.stack_name for one in apps for stack in one.stacks] == [
        f"Messenger-{stage}-{part}" for stage in ("dev", "prod") for part in ("Data", "Api", "Events")
    ]
    tables = properties(template_of(apps[1].stacks[0]), "AWS::DynamoDB::Table")
    assert {one["TableName"] for one in tables} >= {"messenger-prod-user", "messenger-prod.system"}


def test_apps_are_side_by_side_in_one_cdk_app_and_in_one_stack() -> None:
    cdk_app = cdk.App()
    mine = cdk.Stack(cdk_app, "Mine")
    apps = {"Messenger": APP, "Shop": "tests.shop:app"}
    separate = [PersistyApp(cdk_app, name, app=app, target="local", graphql="http") for name, app in apps.items()]
    within = [PersistyApp(mine, name, app=app, target="local", stage="test") for name, app in apps.items()]
    assert [stack.stack_name for one in separate for stack in one.stacks] == [
        "Messenger-dev-Data", "Messenger-dev-Api", "Messenger-dev-Events", "Shop-dev-Data", "Shop-dev-Api",
    ]  # fmt: skip
    names = [one["TableName"] for one in properties(template_of(mine), "AWS::DynamoDB::Table")]
    assert {name.partition("-test")[0] for name in names} == {"messenger", "shop"}
    assert len(set(names)) == len(names) == sum(len(one.tables) for one in within)
    assert len(properties(template_of(mine), "AWS::ApiGatewayV2::Api")) == len(apps)


def test_context_gives_the_options() -> None:
    cdk_app = cdk.App(context={"app": APP, "stage": "test", "target": "local", "graphql": "http", "memory": "512"})
    made = PersistyApp.of_context(cdk_app)
    assert (made.options.stage, made.options.graphql, made.options.memory) == ("test", "http", 512)
    assert made.graphql is None


def test_functions_have_the_sizes_that_are_declared() -> None:
    rows = {"rest": {"memory": 2048, "reserved_concurrency": 5}}
    _, found = within_a_stack(memory=512, timeout=10, functions=rows, log_retention=90)
    sizes = {
        one["Handler"].split(".")[1]: (one["MemorySize"], one["Timeout"], one.get("ReservedConcurrentExecutions"))
        for one in properties(found, "AWS::Lambda::Function")
    }
    assert sizes["rest"] == (2048, 10, 5)
    assert sizes["appsync"] == (512, 10, None)
    assert {one["RetentionInDays"] for one in properties(found, "AWS::Logs::LogGroup")} == {90}


def test_options_of_an_unknown_function_are_refused() -> None:
    with pytest.raises(InvalidDeclaration, match="/functions/rset"):
        within_a_stack(functions={"rset": {}})


def test_functions_that_start_from_snapshots_are_invoked_by_an_alias() -> None:
    _, found = within_a_stack(snap_start=True, target="arm64-3.13")
    starts = {one["Handler"].split(".")[1]: "SnapStart" in one for one in properties(found, "AWS::Lambda::Function")}
    assert starts == {
        "rest": True,
        "graphql": True,
        "appsync": True,
        "authorizer": True,
        "stream": False,
        "after": False,
    }
    for one in properties(found, "AWS::ApiGatewayV2::Integration"):
        assert found["Resources"][one["IntegrationUri"]["Ref"]]["Type"] == "AWS::Lambda::Alias"


def test_traces_and_metrics_are_wired_by_option() -> None:
    _, plain = within_a_stack()
    _, found = within_a_stack(tracing=True, metrics=True)
    for template, mode, value in ((plain, None, None), (found, {"Mode": "Active"}, "on")):
        for one in properties(template, "AWS::Lambda::Function"):
            variables = one["Environment"]["Variables"]
            assert one.get("TracingConfig") == mode
            assert {variables.get("PERSISTY_TRACING"), variables.get("PERSISTY_METRICS")} == {value}
        [graphql] = properties(template, "AWS::AppSync::GraphQLApi")
        assert graphql.get("XrayEnabled") == (value and True)
        sending = [one for one in statements(template) if "xray:PutTraceSegments" in as_list(one["Action"])]
        assert len(sending) == (len(properties(template, "AWS::Lambda::Function")) if value else 0)


def test_functions_are_in_the_network_that_is_given() -> None:
    def network(stack: cdk.Stack) -> ec2.IVpc:
        return ec2.Vpc.from_vpc_attributes(
            stack, "Vpc", vpc_id="vpc-1", availability_zones=["a"], private_subnet_ids=["subnet-1"]
        )

    def groups(stack: cdk.Stack) -> list[ec2.ISecurityGroup]:
        return [ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-1")]

    def subnets(stack: cdk.Stack) -> ec2.SubnetSelection:
        return ec2.SubnetSelection(subnets=[ec2.Subnet.from_subnet_id(stack, "Subnet", "subnet-2")])

    _, chosen = within_a_stack(vpc=network, subnets=subnets, security_groups=groups)
    _, found = within_a_stack(vpc=network, security_groups=groups)
    for template, subnet in ((chosen, "subnet-2"), (found, "subnet-1")):
        for one in properties(template, "AWS::Lambda::Function"):
            assert one["VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "SubnetIds": [subnet]}
    allowed = [one for one in statements(found) if "ec2:CreateNetworkInterface" in as_list(one["Action"])]
    assert len(allowed) == len(properties(found, "AWS::Lambda::Function"))


def test_domains_and_a_web_acl_are_those_that_are_given() -> None:
    def domain(name: str) -> Callable[[cdk.Stack], Domain]:
        return lambda stack: Domain(name, certificates.Certificate.from_certificate_arn(stack, name, CERTIFICATE))

    made, found = within_a_stack(
        domain=domain("api.example.com"), graphql_domain=domain("graphql.example.com"), web_acl=ACL
    )
    [http] = properties(found, "AWS::ApiGatewayV2::DomainName")
    assert http["DomainName"] == "api.example.com"
    assert len(properties(found, "AWS::ApiGatewayV2::ApiMapping")) == 1
    [graphql] = properties(found, "AWS::AppSync::DomainName")
    assert graphql["DomainName"] == "graphql.example.com"
    outputs = [one["Value"] for one in found["Outputs"].values()]
    urls = {value for value in outputs if isinstance(value, str)}
    assert urls >= {"https://api.example.com", "https://graphql.example.com/graphql"}
    targets = [value["Fn::GetAtt"][1] for value in outputs if "DomainName" in str(value)]
    assert sorted(targets) == ["AppSyncDomainName", "RegionalDomainName"]
    [acl] = properties(found, "AWS::WAFv2::WebACLAssociation")
    assert acl["WebACLArn"] == ACL
    assert made.http_domain is not None


def test_alarms_publish_to_the_topic_that_is_given() -> None:
    made, found = within_a_stack(topic=lambda stack: sns.Topic(stack, "OnCall"))
    [topic] = [name for name, one in found["Resources"].items() if one["Type"] == "AWS::SNS::Topic"]
    assert topic.startswith("OnCall")
    alarms = properties(found, "AWS::CloudWatch::Alarm")
    assert {str(one["AlarmActions"]) for one in alarms} == {str([{"Ref": topic}])}
    assert made.topic is not None


def test_tables_are_protected_and_retained_unless_declared_otherwise() -> None:
    def tables(**options: Any) -> Iterator[tuple[str, bool, Any]]:
        for one in within_a_stack(**options)[1]["Resources"].values():
            if one["Type"] == "AWS::DynamoDB::Table":
                recovery = one["Properties"]["PointInTimeRecoverySpecification"]
                yield one["DeletionPolicy"], one["Properties"]["DeletionProtectionEnabled"], recovery

    assert set(map(str, tables())) == {str(("Retain", True, {"PointInTimeRecoveryEnabled": True}))}
    gone = ("Delete", False, {"PointInTimeRecoveryEnabled": False})
    assert set(map(str, tables(removal="destroy", recovery_days=0))) == {str(gone)}
    [(policy, _, week), *_] = tables(deletion_protection=False, recovery_days=7)
    assert policy == "RetainExceptOnCreate"  # a failed creation leaves no table that the next one would meet
    assert week == {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}


def test_stacks_are_in_the_account_and_region_that_are_given() -> None:
    cdk_app = cdk.App()
    apps = [
        PersistyApp(
            cdk_app, region, app=APP, target="local", graphql="none", termination_protection=region == "eu-west-1",
            env=cdk.Environment(account="123456789012", region=region),
        )
        for region in ("eu-west-1", "us-east-1")
    ]  # fmt: skip
    for made, region, protected in zip(apps, ("eu-west-1", "us-east-1"), (True, None), strict=True):
        names = [f"Messenger-dev-{part}" for part in ("Data", "Api", "Events")]
        assert [stack.stack_name for stack in made.stacks] == names
        assert {(stack.account, stack.region) for stack in made.stacks} == {("123456789012", region)}
        assert {bool(stack.termination_protection) for stack in made.stacks} == {bool(protected)}
    cdk_app.synth()


@pytest.mark.parametrize("option", [{"env": cdk.Environment(region="eu-west-1")}, {"termination_protection": True}])
def test_options_of_stacks_are_refused_within_a_stack(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidDeclaration, match=f"/{next(iter(option))}: "):
        within_a_stack(**option)


def test_a_stage_is_deployed_once_to_an_account_and_region() -> None:
    cdk_app = cdk.App()
    here, there = (cdk.Environment(account="123456789012", region=region) for region in ("eu-west-1", "us-east-1"))
    given = {"app": APP, "target": "local", "graphql": "none"}

    def made(name: str, env: cdk.Environment | None, **options: Any) -> PersistyApp:
        return PersistyApp(cdk.Stack(cdk_app, name, env=env), "Messenger", **given, **options)

    made("First", here)
    made("Second", there)
    made("Third", here, stage="prod")
    made("Unknown", None)
    for name, env in (("Fourth", here), ("Fifth", None)):
        with pytest.raises(InvalidDeclaration, match=r"/stage: .*found " + name):
            made(name, env)
    # each stage of the CDK may be deployed with other credentials
    PersistyApp(cdk.Stage(cdk_app, "Beta"), "Messenger", **given)


@pytest.mark.parametrize(
    ("stacks", "built"), [(None, True), (["**"], True), (["Messenger-dev-Api"], True), ([], False), (["Messenger-dev-Data"], False)]
)  # fmt: skip
def test_code_is_built_only_for_commands_that_deploy_it(
    stacks: list[str] | None, built: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CDK CLI names the stacks whose code a command needs: none for `cdk list` and `cdk destroy`."""
    monkeypatch.chdir(tmp_path)
    called: list[Any] = []
    for name in ("dependency_layer", "runtime_layer", "function_code"):
        monkeypatch.setattr(functions, name, lambda *some: called.append(some) or tmp_path / "nothing")
    cdk_app = cdk.App(context={} if stacks is None else {"aws:cdk:bundling-stacks": stacks})
    PersistyApp(cdk_app, "Messenger", app=APP, target="local", graphql="http")
    cdk_app.synth()
    assert bool(called) is built


def test_a_secret_that_exists_is_used_and_not_created() -> None:
    name = "persisty/messenger/dev/tokens"
    for context, created in (({}, 1), ({"retained_secret": name}, 0)):
        made = PersistyApp(cdk.App(context=context), "Messenger", app=APP, target="local")
        data, api = (template_of(stack) for stack in made.stacks[:2])
        assert len(properties(data, "AWS::SecretsManager::Secret")) == created
        assert f":secret:{name}" in str(api)
        assert made.secret is not None


def test_tags_are_on_every_resource_that_takes_them() -> None:
    _, found = within_a_stack(tags={"team": "sales"})
    for one in properties(found, "AWS::DynamoDB::Table"):
        assert {"Key": "team", "Value": "sales"} in one["Tags"]


def test_an_action_has_a_function_with_what_it_declares() -> None:
    row = {
        "memory": 256,
        "timeout": 20,
        "reserved_concurrency": 2,
        "environment": {"MAIL_URL": "https://mail.example.com"},
        "secrets": {"MAIL_KEY": "arn:aws:ssm:eu-west-1:123456789012:parameter/mail"},
        "statements": [{"actions": ["ses:SendEmail"], "resources": ["arn:aws:ses:eu-west-1:123456789012:identity/x"]}],
    }
    made, found = within_a_stack(actions={"sign_up": row})
    assert "action_sign_up" in made.functions
    [function] = [
        one for one in properties(found, "AWS::Lambda::Function") if one["Handler"] == "persisty_lambdas.action.handler"
    ]
    sizes = [function[name] for name in ("MemorySize", "Timeout", "ReservedConcurrentExecutions")]
    assert sizes == [256, 20, 2]
    variables = function["Environment"]["Variables"]
    assert (variables["MAIL_URL"], variables["MAIL_KEY"]) == ("https://mail.example.com", row["secrets"]["MAIL_KEY"])
    role = function["Role"]["Fn::GetAtt"][0]
    [policy] = [one for one in properties(found, "AWS::IAM::Policy") if one["Roles"] == [{"Ref": role}]]
    allowed = {action for one in policy["PolicyDocument"]["Statement"] for action in as_list(one["Action"])}
    assert {"ses:SendEmail", "ssm:GetParameter"} < allowed
    routes = {one["RouteKey"] for one in properties(found, "AWS::ApiGatewayV2::Route")}
    assert "POST /actions/sign-up" in routes


def test_grants_name_the_table_and_its_indexes() -> None:
    stack = cdk.Stack(cdk.App(), "Mine")
    made = PersistyApp(stack, "Messenger", app=APP, target="local", graphql="none")
    role = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("glue.amazonaws.com"))
    made.grant_read("message", role)
    made.grant_write("user", role)
    with pytest.raises(InvalidDeclaration, match="no store 'mesage'"):
        made.grant_read_write("mesage", role)
    [policy] = [one for one in properties(template_of(stack), "AWS::IAM::Policy") if "Reader" in one["PolicyName"]]
    allowed = {
        (action, text(resource).rpartition(":table/")[2])
        for one in policy["PolicyDocument"]["Statement"]
        for action in as_list(one["Action"])
        for resource in as_list(one["Resource"])
    }
    assert {("dynamodb:GetItem", "messenger-dev-message"), ("dynamodb:PutItem", "messenger-dev-user")} < allowed
    assert ("dynamodb:Query", "messenger-dev-message/index/by-author_id-created_at") in allowed
    assert ("dynamodb:PutItem", "messenger-dev-message") not in allowed


def test_a_grant_to_another_stack_exports_nothing() -> None:
    cdk_app = cdk.App()
    made = PersistyApp(cdk_app, "Messenger", app=APP, target="local", graphql="none")
    role = iam.Role(cdk.Stack(cdk_app, "Mine"), "Reader", assumed_by=iam.ServicePrincipal("glue.amazonaws.com"))
    made.grant_read("message", role)
    mine = template_of(cdk.Stack.of(role))
    assert "Fn::ImportValue" not in str(mine)
    assert len(list(statements(mine))) == 2
    assert "Outputs" not in template_of(made.stacks[0])


def test_a_split_deployment_places_tables_and_resolvers_in_stacks_by_their_names(tmp_path: Path) -> None:
    cdk_app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    made = PersistyApp(cdk_app, "Messenger", app=APP, target="local", split=True)
    *stored, api, _ = made.stacks
    assert {stack.stack_name for stack in stored} == {
        "Messenger-dev-Data", *(f"Messenger-dev-Data{part_of(store):02}" for store in made.tables)
    }  # fmt: skip
    assert {stack.stack_name for stack in api.dependencies} == {stack.stack_name for stack in stored}
    found = template_of(api)
    nested = [one for one in api.node.children if isinstance(one, cdk.NestedStack)]
    assert properties(found, "AWS::AppSync::Resolver") == []
    assert len(properties(found, "AWS::CloudFormation::Stack")) == len(nested)
    assert {one.node.id for one in nested} == {
        f"Part{part_of(f'{field.type}.{field.name}'):02}" for field in made.plan.fields
    }


@pytest.mark.parametrize("retained", [True, False])
def test_a_split_deployment_that_creates_no_secret_has_no_empty_stack(retained: bool) -> None:
    context = {"retained_secret": "persisty/messenger/dev/tokens"} if retained else {}
    made = PersistyApp(cdk.App(context=context), "Messenger", app=APP, target="local", split=True, graphql="none")
    names = {stack.stack_name for stack in made.stacks}
    assert ("Messenger-dev-Data" in names) is not retained
    assert made.secret is not None
    found = cdk.App.of(made.stacks[0]).synth().stacks  # type: ignore[union-attr]
    assert {one.stack_name for one in found} == names
    assert all(one.template.get("Resources") for one in found)
    arns = [one for stack in found for one in statements(stack.template) if "secretsmanager" in str(one["Action"])]
    assert all("persisty/messenger/dev/tokens" in str(one["Resource"]) for one in arns)


def test_a_split_deployment_within_a_stack_places_tables_in_nested_stacks() -> None:
    _, found = within_a_stack(split=True, graphql="none")
    assert properties(found, "AWS::DynamoDB::Table") == []
    assert len(properties(found, "AWS::CloudFormation::Stack")) >= 1


def test_a_split_deployment_has_no_nested_stacks_for_persisty_local() -> None:
    cdk_app = cdk.App(context={TARGET: "local"})
    made = PersistyApp(cdk_app, "Messenger", app=APP, target="arm64-3.13", split=True)
    assert (made.options.split, made.options.target) == (False, "local")
    assert [stack.stack_name.rpartition("-")[2] for stack in made.stacks] == ["Data", "Api", "Events"]
    assert properties(template_of(made.stacks[1]), "AWS::CloudFormation::Stack") == []


def test_a_name_is_always_placed_in_the_same_part() -> None:
    assert [part_of(name) for name in ("user", "message", "Query.userRead")] == [13, 3, 3]


def test_the_estimated_number_of_resources_is_an_upper_bound() -> None:
    made = PersistyApp(cdk.App(), "Messenger", app=APP, target="local")
    sizes = stack_sizes(made.plan)
    counted = [len(template_of(stack)["Resources"]) for stack in made.stacks]
    for bound, number in zip((sizes.data, sizes.api, sizes.events), counted, strict=True):
        assert number <= bound <= number + 60
    check_size(made.plan, split=False, together=True)
    many = tuple(made.plan.fields) * 20
    with pytest.raises(InvalidDeclaration, match=r"/split: Api: up to \d+ resources \(expected at most 500\)"):
        check_size(made.plan.__class__(**{**_fields(made.plan), "fields": many}), split=False, together=False)


def _fields(plan: Any) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__struct_fields__}


def test_an_item_in_another_table_is_another_resource_and_its_functions_reach_only_that() -> None:
    found = {
        name: within_a_stack(app=f"tests.template.moved_shop:{name}", stage="prod")[1] for name in ("before", "after")
    }
    tables = {
        name: {
            one["Properties"]["TableName"]: (logical, one["DeletionPolicy"])
            for logical, one in template["Resources"].items()
            if one["Type"] == "AWS::DynamoDB::Table"
        }
        for name, template in found.items()
    }
    former, [new] = (
        tables["before"]["shop-prod-car"],
        [tables["after"][name] for name in tables["after"] if "-car" in name],
    )
    assert tables["after"].keys() - tables["before"].keys() == {"shop-prod-car-2"}
    assert former[0] != new[0], "CloudFormation cannot replace a table that has a name"
    assert (former[1], new[1]) == ("Retain", "Retain")
    resources = [text(one) for each in statements(found["after"]) for one in as_list(each["Resource"])]
    assert any(one.endswith("table/shop-prod-car-2") for one in resources)
    assert any(one.endswith("table/shop-prod-car-2/index/by-id") for one in resources)
    assert not any(one.partition("/index")[0].endswith("table/shop-prod-car") for one in resources)
    mappings = {name: properties(template, "AWS::Lambda::EventSourceMapping") for name, template in found.items()}
    assert mappings["before"][0]["EventSourceArn"]["Fn::GetAtt"][0] == former[0]
    assert mappings["after"][0]["EventSourceArn"]["Fn::GetAtt"][0] == new[0]
