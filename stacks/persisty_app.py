"""`PersistyApp`: an app of persisty in a CDK app, as separate stacks or within another stack.

App → `Options` → `Plan` → parts. Under a `cdk.App` or a `cdk.Stage` each part is a stack, so that tables outlive the APIs: `Shop-dev-Data`, `Shop-dev-Api`,
`Shop-dev-Events`. Under a stack or a construct the parts are constructs of that stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct
from msgspec import structs

from persisty.deploy.events import events_of
from persisty.deploy.grants import INDEX_ACTIONS, READING, WRITING
from persisty.deploy.options import NAMES, TARGET, options_of
from persisty.deploy.plan_from_options import planned
from persisty.deploy.stack_size import check_size
from persisty.deploy.waves import CONTEXT, with_indexes
from persisty.errors import Fault, InvalidDeclaration

from .api import Api
from .constructs.app_constructs import AppConstructs, Domain
from .constructs.deploy_time_values import DeployTimeValues
from .constructs.environment import check_once, check_stacks
from .constructs.functions import FunctionSettings
from .constructs.passed_values import Parameters, References, Values
from .data import Data, creates_secret
from .events import EventsPart


class PersistyApp(Construct):
    """An app of persisty.

    Options are those of `persisty.deploy.options.Options`, by name, which docs/deploying.md describes. `InvalidDeclaration` lists every mistake.

    `plan` is the plan of the deployment. `tables` has the names of the stores as keys, `functions` the names in the plan: `rest`, `graphql_http`, `appsync`,
    `authorizer`, `stream`, `action_NAME`, `after_STORE`. `http` and `graphql` are the APIs; `secret` is the token secret, `dead_letters` the queue of changes that
    were not published, `event_dead_letters` that of events that no handler has handled, `topic` the receiver of alarms, each None if the app does not need it.
    `stacks` are the stacks that it has made.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        vpc: Any = None,
        subnets: Any = None,
        security_groups: Sequence[Any] | None = None,
        domain: Domain | None = None,
        graphql_domain: Domain | None = None,
        topic: Any = None,
        env: cdk.Environment | None = None,
        **options: Any,
    ) -> None:
        super().__init__(scope, id)
        target = self.node.try_get_context(TARGET)
        deploy_time = DeployTimeValues()
        declared = options_of(deploy_time.options(options))
        # the emulator of `persisty local` runs no nested stacks
        self.options = declared if target is None else structs.replace(declared, target=target, split=False)
        app_constructs = AppConstructs(
            vpc=vpc,
            subnets=subnets,
            security_groups=security_groups,
            domain=domain,
            graphql_domain=graphql_domain,
            topic=topic,
        )
        settings = FunctionSettings(self.options, app_constructs, deploy_time)
        plan, notes = planned(self.options)
        self.plan = with_indexes(deploy_time.filled(plan), self.node.try_get_context(CONTEXT))
        self._tables = {table.store: table for table in self.plan.tables}
        alone = isinstance(scope, cdk.App | cdk.Stage)
        check_stacks(declared, env, alone=alone)
        check_size(self.plan, split=declared.split, together=not alone)
        self.stacks: list[cdk.Stack] = []
        values: Values = Parameters() if alone else References()
        part = self._stack_of(scope, env) if alone else self._construct
        # separate stacks, not nested ones: CloudFormation imports no table into a nested stack
        tables_of = (lambda number: part(f"Data{number:02}", "Tables")) if alone else None
        # if tables are split, this part contains the secret alone, and CloudFormation accepts no empty stack
        empty = alone and self.options.split and not creates_secret(self, self.plan)
        data_scope = self if empty else part("Data", "Tables")
        data = Data(data_scope, self.plan, self.options, values, tables_of)
        stored = tuple(self.stacks)
        check_once(self, stored[0] if alone else cdk.Stack.of(self), self.plan)
        api_scope = part("Api", "APIs")
        api = Api(api_scope, self.plan, values, settings)
        self.tables, self.secret = data.tables, data.secret
        self.functions, self.http, self.graphql = dict(api.functions), api.http, api.graphql
        self.http_domain, self.topic = api.http_domain, api.topic
        self.dead_letters = self.event_dead_letters = None
        events = events_of(self.plan)
        if events is not None:
            found = EventsPart(part("Events", "Events"), self.plan, events, values, settings)
            self.functions |= found.functions
            self.dead_letters, self.event_dead_letters = found.dead_letters, found.event_dead_letters
        deployed = self.stacks[len(stored) :]
        for before, after in (*((one, deployed[0]) for one in stored), *pairwise(deployed)):
            after.add_stack_dependency(before)
        for note in notes:
            cdk.Annotations.of(api_scope).add_warning_v2(f"persisty:{note.partition(' ')[0]}", note)
        for name, value in {"app": self.plan.app, "stage": self.plan.stage, **self.options.tags}.items():
            for place in self.stacks or [self]:
                cdk.Tags.of(place).add(name, value)

    @classmethod
    def of_context(cls, scope: Construct, id: str = "PersistyApp", **others: Any) -> PersistyApp:  # noqa: A002 - CDK's name
        """Return an app with the options of the context: `cdk.json`, and `--context` of the command line."""
        declared = {name: scope.node.try_get_context(name) for name in NAMES}
        return cls(scope, id, **{**{name: value for name, value in declared.items() if value is not None}, **others})

    @property
    def roles(self) -> dict[str, iam.IRole]:
        """Return the roles of the functions."""
        return {name: function.role for name, function in self.functions.items() if function.role is not None}

    def grant_read(self, store: str, grantee: iam.IGrantable) -> None:
        """Allow to read the table of a store and its indexes, for example to a function of your own. `InvalidDeclaration` for an unknown store."""
        self._grant(store, grantee, READING)

    def grant_write(self, store: str, grantee: iam.IGrantable) -> None:
        """Allow to write the table of a store."""
        self._grant(store, grantee, WRITING)

    def grant_read_write(self, store: str, grantee: iam.IGrantable) -> None:
        """Allow to read and write the table of a store."""
        self._grant(store, grantee, (*READING, *WRITING))

    def _grant(self, store: str, grantee: iam.IGrantable, actions: Sequence[str]) -> None:
        table = self._tables.get(store)
        if table is None:
            expected = "one of " + ", ".join(self._tables)
            raise InvalidDeclaration(
                f"The app has no store {store!r}", faults=[Fault("/store", "Not a store of the app", expected, store)]
            )
        # by name, not by reference: a table with an export could not leave its stack
        arn = _arn(cdk.Stack.of(self.tables[store]), table.name)
        iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=[arn])
        on_indexes = [action for action in actions if action in INDEX_ACTIONS]
        if table.indexes and on_indexes:
            indexes = [f"{arn}/index/{index.name}" for index in table.indexes]
            iam.Grant.add_to_principal(grantee=grantee, actions=on_indexes, resource_arns=indexes)

    def _construct(self, name: str, title: str) -> Construct:
        return Construct(self, name)

    def _stack_of(self, scope: Construct, env: cdk.Environment | None) -> Callable[[str, str], Construct]:
        def make(name: str, title: str) -> cdk.Stack:
            stack_name = f"{self.plan.prefix}-{name}"
            # the same stage in another region is a second construct, whose stacks have the same names
            taken = scope.node.try_find_child(stack_name) is not None
            stack = cdk.Stack(
                self if taken else scope,
                stack_name,
                **({"stack_name": stack_name} if taken else {}),
                env=env,
                description=f"{title} of {self.plan.app}, stage {self.plan.stage}",
                termination_protection=self.options.termination_protection,
            )
            self.stacks.append(stack)
            return stack

        return make


def _arn(stack: cdk.Stack, table: str) -> str:
    """Return the ARN of a table. A region or account that is unknown before the deployment is that of the stack that uses the ARN."""
    place = {
        "region": cdk.Aws.REGION if cdk.Token.is_unresolved(stack.region) else stack.region,
        "account": cdk.Aws.ACCOUNT_ID if cdk.Token.is_unresolved(stack.account) else stack.account,
    }
    arn: str = cdk.Arn.format(
        cdk.ArnComponents(
            partition=cdk.Aws.PARTITION, service="dynamodb", resource="table", resource_name=table, **place
        )
    )
    return arn
