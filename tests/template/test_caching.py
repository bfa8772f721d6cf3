"""AppSync's cache in the template: encrypted, and only if a store declares it.

No emulator caches responses, so the effect can be seen only on AWS.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from msgspec import structs

from examples.messenger.app import app
from persisty.api.graphql.appsync.resolver_caching import Caching
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan
from tests.parts import api_stack

from .test_template import properties

Template = dict[str, Any]


def synthesised(plan: Plan) -> Template:
    stage = cdk.App()
    stack = api_stack(stage, plan)
    template: Template = stage.synth().get_stack_by_name(stack.stack_name).template
    return template


def test_resolvers_of_declared_stores_use_an_encrypted_cache() -> None:
    plan = plan_of(app, "examples.messenger.app:app")
    kept = {
        "messageRead": Caching(60),
        "messageCount": Caching(90),
    }
    fields = tuple(structs.replace(field, caching=kept.get(field.name)) for field in plan.fields)
    template = synthesised(structs.replace(plan, fields=fields))
    [cache] = properties(template, "AWS::AppSync::ApiCache")
    assert cache.pop("ApiId")
    assert cache == {
        "ApiCachingBehavior": "PER_RESOLVER_CACHING",
        "AtRestEncryptionEnabled": True,
        "TransitEncryptionEnabled": True,
        "Ttl": 90,
        "Type": "SMALL",
    }
    found = {one["FieldName"]: one.get("CachingConfig") for one in properties(template, "AWS::AppSync::Resolver")}
    assert {name: config for name, config in found.items() if config} == {
        "messageRead": {"Ttl": 60, "CachingKeys": ["$context.arguments"]},
        "messageCount": {"Ttl": 90, "CachingKeys": ["$context.arguments"]},
    }


def test_without_a_store_that_declares_caching_there_is_no_cache(api: Template) -> None:
    assert properties(api, "AWS::AppSync::ApiCache") == []
    assert all("CachingConfig" not in one for one in properties(api, "AWS::AppSync::Resolver"))
