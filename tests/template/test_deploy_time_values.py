"""Options with constructs of the same CDK app: secrets, parameters, statements, a pool of Cognito. Their values are known only after the deployment."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm

from persisty import InvalidDeclaration
from stacks import PersistyApp
from stacks.constructs.deploy_time_values import POOL_STAND_IN, SECRET_STAND_IN, URL_STAND_IN, WORD_STAND_IN

from .test_template import as_list, properties

Template = dict[str, Any]
APP = "examples.messenger.app:app"
pytestmark = pytest.mark.usefixtures("no_code")


@pytest.fixture
def mine() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Mine", env=cdk.Environment(account="123456789012", region="eu-west-1"))


def synthesised(mine: cdk.Stack, **options: Any) -> Template:
    """The template of the APIs of an app in the same CDK app. No stand-in is left in it."""
    cdk_app = cdk.App.of(mine)
    made = PersistyApp(cdk_app, "Messenger", app=APP, target="local", env=cdk.Environment(account=mine.account, region=mine.region), **options)  # fmt: skip
    found: Template = cdk_app.synth().get_stack_by_name(made.stacks[1].stack_name).template  # type: ignore[union-attr]
    shapes = (SECRET_STAND_IN, POOL_STAND_IN, URL_STAND_IN, WORD_STAND_IN)
    assert not [shape for shape in shapes if shape.partition("{")[0] in str(found)]
    return found


def allowed(found: Template, function: str) -> dict[str, list[Any]]:
    """Action → the resources on which a function may take it."""
    actions: dict[str, list[Any]] = {}
    for one in properties(found, "AWS::IAM::Policy"):
        if f"{function}Role" in str(one["Roles"]):
            for statement in one["PolicyDocument"]["Statement"]:
                for action in as_list(statement["Action"]):
                    actions.setdefault(action, []).extend(map(str, as_list(statement["Resource"])))
    return actions


def variables(found: Template, function: str) -> dict[str, Any]:
    [name] = [one for one in found["Resources"] if one.startswith(function) and found["Resources"][one]["Type"] == "AWS::Lambda::Function"]  # fmt: skip
    made: dict[str, Any] = found["Resources"][name]["Properties"]["Environment"]["Variables"]
    return made


def test_an_action_reads_secrets_and_parameters_of_the_cdk_app_and_decrypts_them(mine: cdk.Stack) -> None:
    key = kms.Key(mine, "Key")
    stripe = secrets.Secret(mine, "Stripe", encryption_key=key)
    flag = ssm.StringParameter(mine, "Flag", string_value="x")
    named = secrets.Secret.from_secret_name_v2(mine, "Named", "mail")
    found = synthesised(
        mine,
        actions={"sign_up": {"secrets": {"STRIPE": stripe, "FLAG": flag, "MAIL": named, "RAW": flag.parameter_arn}}},
    )
    actions = allowed(found, "ActionSignUp")
    readable = actions["secretsmanager:GetSecretValue"]
    assert any("ExportsOutputRefStripe" in one for one in readable)
    assert [one.partition(":secret:mail")[2][:7] for one in readable if ":secret:mail" in one] == ["']]}", "-??????"]
    assert [one for one in actions["ssm:GetParameter"] if "ExportsOutputRefFlag" in one]
    assert len(actions["kms:Decrypt"]) == 1
    assert "Stripe" in str(variables(found, "ActionSignUp")["STRIPE"])
    assert "STRIPE" not in variables(found, "Rest")
    assert "kms:Decrypt" not in allowed(found, "Rest")


def test_an_arn_that_is_not_known_yet_may_be_of_a_secret_or_of_a_parameter(mine: cdk.Stack) -> None:
    stripe = secrets.Secret(mine, "Stripe")
    found = synthesised(mine, actions={"sign_up": {"secrets": {"STRIPE": stripe.secret_arn}}})
    actions = allowed(found, "ActionSignUp")
    [arn] = [one for one in actions["secretsmanager:GetSecretValue"] if "Stripe" in one]
    assert arn in actions["ssm:GetParameter"]


def test_tokens_are_signed_with_a_secret_of_the_cdk_app(mine: cdk.Stack) -> None:
    tokens = secrets.Secret(mine, "Tokens")
    found = synthesised(mine, graphql="http", settings={"*": {"PERSISTY_TOKEN_SECRET_ARN": tokens}})
    assert "ExportsOutputRefTokens" in str(variables(found, "Rest")["PERSISTY_TOKEN_SECRET_ARN"])
    [arn] = allowed(found, "Rest")["secretsmanager:GetSecretValue"]
    assert "ExportsOutputRefTokens" in arn


def test_appsync_verifies_the_tokens_of_a_pool_of_the_cdk_app(mine: cdk.Stack) -> None:
    pool = cognito.UserPool(mine, "Pool")
    client = pool.add_client("Web")
    given = {
        "PERSISTY_TOKEN_ISSUERS": f"cognito:{pool.user_pool_id}",
        "PERSISTY_TOKEN_AUDIENCE": client.user_pool_client_id,
    }
    found = synthesised(mine, settings={"*": given})
    [api] = properties(found, "AWS::AppSync::GraphQLApi")
    config = api["UserPoolConfig"]
    assert (config["AwsRegion"], "ExportsOutputRefPool" in str(config["UserPoolId"])) == ("eu-west-1", True)
    assert "ExportsOutputRefPoolWeb" in str(config["AppIdClientRegex"])
    assert "ExportsOutputRefPool" in str(variables(found, "Rest")["PERSISTY_TOKEN_ISSUERS"])


def test_an_issuer_by_its_url_is_known_at_the_deployment(mine: cdk.Stack) -> None:
    url = cdk.CfnParameter(mine, "Issuer").value_as_string
    given = {"PERSISTY_TOKEN_ISSUERS": f"oidc:{url}, cognito:eu-west-1_AbC", "PERSISTY_TOKEN_AUDIENCE": "web"}
    found = synthesised(mine, settings={"*": given})
    [api] = properties(found, "AWS::AppSync::GraphQLApi")
    modes = [api, *api["AdditionalAuthenticationProviders"]]
    [issuer] = [one["OpenIDConnectConfig"]["Issuer"] for one in modes if "OpenIDConnectConfig" in one]
    assert "ExportsOutputRefIssuer" in str(issuer)
    text_of = str(variables(found, "Rest")["PERSISTY_TOKEN_ISSUERS"])
    assert "ExportsOutputRefIssuer" in text_of
    assert "cognito:eu-west-1_AbC" in text_of


def test_variables_are_values_of_the_cdk_app(mine: cdk.Stack) -> None:
    queue = sqs.Queue(mine, "Queue")
    found = synthesised(
        mine,
        settings={"*": {"QUEUE_URL": queue.queue_url}},
        actions={"sign_up": {"environment": {"QUEUE": queue.queue_url}}},
    )
    assert "Queue" in str(variables(found, "Rest")["QUEUE_URL"])
    assert "Queue" in str(variables(found, "ActionSignUp")["QUEUE"])


def test_statements_are_those_of_iam_with_their_conditions(mine: cdk.Stack) -> None:
    queue = sqs.Queue(mine, "Queue")
    condition = {"StringEquals": {"ses:FromAddress": "shop@example.com"}}
    statements = [
        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn]),
        {
            "actions": ["ses:SendEmail"],
            "resources": ["arn:aws:ses:eu-west-1:123456789012:identity/x"],
            "conditions": condition,
        },
    ]
    found = synthesised(mine, actions={"sign_up": {"statements": statements}})
    actions = allowed(found, "ActionSignUp")
    assert "Queue" in actions["sqs:SendMessage"][0]
    [mail] = [
        one
        for policy in properties(found, "AWS::IAM::Policy")
        if "ActionSignUpRole" in str(policy["Roles"])
        for one in policy["PolicyDocument"]["Statement"]
        if one["Action"] == "ses:SendEmail"
    ]
    assert mail["Condition"] == condition


def test_a_statement_that_denies_is_refused(mine: cdk.Stack) -> None:
    denying = iam.PolicyStatement(effect=iam.Effect.DENY, actions=["s3:*"], resources=["*"])
    with pytest.raises(InvalidDeclaration, match="/actions/sign_up/statements/0: Not an Allow"):
        synthesised(mine, actions={"sign_up": {"statements": [denying]}})


def test_a_mistake_next_to_a_construct_is_still_named(mine: cdk.Stack) -> None:
    with pytest.raises(InvalidDeclaration, match="/actions/sign_up/secrets/KEY: Not the ARN"):
        synthesised(mine, actions={"sign_up": {"secrets": {"KEY": "sk_live", "OTHER": secrets.Secret(mine, "S")}}})
