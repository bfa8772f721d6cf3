"""Find every mistake of an app and every probable one without running it: the checks of `persisty check`, in one table.

A mistake stops a server or a deployment. A warning does not, because the declaration is valid: for example, a store that no caller can reach, a rule
that no caller can meet, a link that DynamoDB can only follow by a scan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from msgspec import Struct

from .. import settings
from ..api.action_access import looks_at_callers
from ..api.actions import action_operations, operations
from ..api.graphql.sdl import sdl
from ..api.graphql.subscriptions import subscriptions
from ..api.openapi.document import document
from ..application import App
from ..errors import Fault, PersistyError
from ..model.declaration_checks import rules_of
from ..model.meta import StoreMeta
from ..model.rules import nobody
from ..model.verbs import VERBS
from ..security.authenticator import authenticator_of
from ..security.signing_secret import LOCAL_STAGES
from ..security.unmet_rules import is_unmet
from ..triggers.registry import trigger_faults
from ..triggers.unmet_triggers import unmet_triggers
from .action_functions import undeployable_triggers
from .deployed_settings import Deployed
from .plan import plan_of

EXPOSED = "access= of @stored, or access=nobody if no API should have it"
Severity = Literal["mistake", "warning"]


class Finding(Struct, frozen=True):
    """A mistake or a warning. `check`: the row of `CHECKS` that found it."""

    check: str
    severity: Severity
    fault: Fault


class Checked(Struct, frozen=True):
    """The input of the checks: an app, its place `module:attribute`, the settings of this process, and those of its deployment. `deploys`: whether the project is
    one that is deployed."""

    app: App
    spec: str
    here: settings.Settings
    deployed: Deployed
    deploys: bool


def findings(checked: Checked) -> Iterator[Finding]:
    """Yield the findings of every check. A mistake that two checks find is yielded once."""
    found: set[Fault] = set()
    for name, (severity, check) in CHECKS.items():
        for fault in _faults(check, checked):
            if fault not in found:
                found.add(fault)
                yield Finding(name, severity, fault)


def faults_of(error: PersistyError) -> tuple[Fault, ...]:
    """Return the faults of an error, or the error itself as one."""
    return error.faults or (Fault("", error.message),)


def _faults(check: Callable[[Checked], Iterator[Fault]], checked: Checked) -> Iterator[Fault]:
    try:
        yield from check(checked)
    except PersistyError as error:
        yield from faults_of(error)


def _actions(checked: Checked) -> Iterator[Fault]:
    """Find actions that no host can serve: without a rule, with a trigger that no host runs, with the name or path of another."""
    action_operations(checked.app)
    return iter(())


def _rest(checked: Checked) -> Iterator[Fault]:
    """Find names that collide in REST and OpenAPI."""
    document(checked.app)
    return iter(())


def _graphql(checked: Checked) -> Iterator[Fault]:
    """Find names that collide in GraphQL."""
    sdl(operations(checked.app).values(), subscriptions=subscriptions(checked.app.metas.values()))
    return iter(())


def _identity(checked: Checked) -> Iterator[Fault]:
    """Find settings of identity with which a server of this stage does not start."""
    needed = looks_at_callers(checked.app)
    authenticator_of(checked.here, checked.app.stage, settings.token_secret(), needed=needed)
    return iter(())


def _deployment(checked: Checked) -> Iterator[Fault]:
    """Find settings and names that a deployment rejects, and limits of AWS that it exceeds. An app that is not deployed may have triggers that no deployment runs."""
    deployed = checked.deployed
    if not checked.deploys and undeployable_triggers(checked.app):
        return iter(())
    plan_of(checked.app, checked.spec, configured=deployed.settings, variables=deployed.variables)
    return iter(())


def _workers(checked: Checked) -> Iterator[Fault]:
    """Find timers, scheduled calls and queues with which no worker starts."""
    return iter((*checked.app.detached.faults, *checked.app.queue_faults()))


def _undeployable(checked: Checked) -> Iterator[Fault]:
    """Find triggers that stop a deployment."""
    return iter(undeployable_triggers(checked.app))


def _local_stage(checked: Checked) -> Iterator[Fault]:
    """Find a server whose tokens are signed with a secret that was generated in its folder."""
    configured, stage = checked.here, checked.app.stage
    given = settings.token_secret() or configured.token_key_file or configured.token_secret_arn
    if stage in LOCAL_STAGES and not given and not configured.token_issuers and looks_at_callers(checked.app):
        yield Fault(
            "/stage",
            "Tokens are signed with a secret that is generated in this folder. A server for others needs another stage and PERSISTY_TOKEN_SECRET or "
            "PERSISTY_TOKEN_ISSUERS",
            found=stage,
        )


def _reachable(checked: Checked) -> Iterator[Fault]:
    """Find stores that only the app's own code can use, unless they declare so by `access=nobody`."""
    for meta in checked.app.metas.values():
        if meta.access != nobody and not any(meta.rule(verb).allows(verb) for verb in VERBS):
            yield Fault(f"/{meta.name}/access", "No API has this store: its access allows nothing", EXPOSED)


def _rules(checked: Checked) -> Iterator[Fault]:
    """Find rules that no caller can meet, and creates that no caller can complete."""
    for meta in checked.app.metas.values():
        for path, rule in rules_of(meta.access, meta.attributes.values()):
            if is_unmet(rule, meta):
                yield Fault(f"/{meta.name}{path}", "No caller can meet this rule", "a rule, or nobody", str(rule))
        if meta.rule("create").allows("create"):
            for one in meta.attributes.values():
                if one.required and (one.creatable is False or one.creatable == nobody):
                    message = "No caller can create this item: a value is required that no caller may give"
                    yield Fault(f"/{meta.name}/{one.name}", message, "a default, a generator, or creatable=True")


def _triggers(checked: Checked) -> Iterator[Fault]:
    """Find triggers of changes that can never fire."""
    declared, metas = checked.app.declared_triggers, checked.app.metas
    return iter(()) if trigger_faults(declared, metas) else unmet_triggers(declared, metas)


def _indexes(checked: Checked) -> Iterator[Fault]:
    """Find attributes of links and owners by which DynamoDB can only search with a scan."""
    users: dict[tuple[str, str], str] = {}
    metas = checked.app.metas
    for meta in metas.values():
        for link in meta.links.values():
            ends = link.ends
            where = (ends.target, ends.remote) if ends.middle is None else (ends.middle, ends.near)
            if where[0].name in metas and not _is_leading(*where):
                users.setdefault((where[0].name, where[1]), f"the link {meta.name}.{link.name}")
        for owner in meta.rule("search").owners:
            if owner in meta.attributes and not _is_leading(meta, owner):
                users.setdefault((meta.name, owner), "the access rule")
    for (store, attribute), user in users.items():
        message = f"On DynamoDB {user} scans the table: no key and no index begins with this attribute"
        yield Fault(f"/{store}/{attribute}", message, f'Index("{attribute}")')


def _is_leading(meta: StoreMeta[Any], attribute: str) -> bool:
    """Return whether the key or an index begins with the attribute."""
    return attribute in {meta.key_attributes[0].name, *(index.attributes[0] for index in meta.indexes)}


CHECKS: dict[str, tuple[Severity, Callable[[Checked], Iterator[Fault]]]] = {
    "actions": ("mistake", _actions),
    "workers": ("mistake", _workers),
    "rest": ("mistake", _rest),
    "graphql": ("mistake", _graphql),
    "identity": ("mistake", _identity),
    "deployment": ("mistake", _deployment),
    "secret": ("warning", _local_stage),
    "access": ("warning", _reachable),
    "rules": ("warning", _rules),
    "triggers": ("warning", _triggers),
    "undeployable": ("warning", _undeployable),
    "indexes": ("warning", _indexes),
}
"""Name → severity and check. A check yields faults, or raises what the host would raise."""
