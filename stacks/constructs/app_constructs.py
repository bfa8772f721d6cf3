"""Constructs of the CDK app that a deployment uses: a network, certificates of domains, a topic. They are not `Options`, because constructs are not data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Domain(Struct, frozen=True):
    """A name such as `api.example.com`, and its certificate (`aws_certificatemanager.ICertificate`). AppSync accepts only certificates of us-east-1."""

    name: str
    certificate: Any


class AppConstructs(Struct, frozen=True, kw_only=True):
    """`vpc`, `subnets` (`ec2.SubnetSelection`) and `security_groups`: the network of the functions, which then reach DynamoDB, AppSync and Secrets
    Manager through its endpoints or NAT gateway. `domain`: of the HTTP API. `graphql_domain`: of AppSync. `topic`: receives the alarms."""

    vpc: Any = None
    subnets: Any = None
    security_groups: Sequence[Any] | None = None
    domain: Domain | None = None
    graphql_domain: Domain | None = None
    topic: Any = None
