"""A function has the layers of its imports: tokens if an issuer is trusted, servey if the app has actions, graphql-core for documents."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from examples.messenger.app import app as messenger
from persisty import Access, App, authenticated, everyone, public, stored
from persisty.deploy.events import events_of
from persisty.deploy.functions import FUNCTIONS
from persisty.deploy.layers import LAYERS, USES, imports_servey
from persisty.deploy.plan import plan_of

ROOT = Path(__file__).parents[2]
SPEC = "examples.messenger.app:app"


@stored(access=public)
class Leaflet:
    id: str
    text: str


@stored(access=Access(read=everyone, create=authenticated))
class Pamphlet:
    id: str
    text: str


def layers(app: App, spec: str = SPEC) -> dict[str, tuple[str, ...]]:
    plan = plan_of(app, spec)
    events = events_of(plan)
    functions = (*plan.functions, *(events.functions if events else ()))
    return {function.name: function.layers for function in functions}


def test_every_function_has_a_row_and_every_layer_a_file() -> None:
    assert USES.keys() == {*FUNCTIONS, "stream", "after", "timer"}
    assert {name for used in USES.values() for name in used} == LAYERS.keys()
    assert {f"{name}.txt" for name in LAYERS} == {path.name for path in (ROOT / "lambdas/requirements").iterdir()}
    assert len(LAYERS) < 5  # Lambda takes five, and one is persisty's own code


@pytest.mark.parametrize("layer", ["actions", "graphql", "tokens"])
def test_a_layer_lists_the_dependencies_of_what_it_lists_but_for_those_never_imported(layer: str) -> None:
    lines = (ROOT / f"lambdas/requirements/{layer}.txt").read_text().lower().replace("_", "-").splitlines()
    listed = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    needed = {
        re.split("[^a-z0-9-]", one.lower().replace("_", "-"))[0]
        for name in listed
        for one in requires(name) or ()
        if "extra ==" not in one and "python_version <" not in one and "python_full_version <" not in one
    }
    never = {"actions": {"pyjwt", "cryptography"}, "tokens": {"pycparser"}}
    assert needed - listed == never.get(layer, set())


def test_an_app_without_actions_and_tokens_has_neither_layer() -> None:
    assert layers(App("leaflets", items=[Leaflet])) == {
        "rest": ("base",),
        "graphql_http": ("base", "graphql"),
        "appsync": ("base",),
        "stream": ("base",),
    }


def test_an_app_whose_rules_look_at_callers_has_the_layer_that_verifies_tokens() -> None:
    assert layers(App("pamphlets", items=[Pamphlet])) == {
        "rest": ("base", "tokens"),
        "graphql_http": ("base", "tokens", "graphql"),
        "appsync": ("base", "tokens"),
        "authorizer": ("base", "tokens"),
        "stream": ("base",),
    }


def test_trusted_issuers_and_actions_bring_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET_ARN", "arn:aws:ssm:eu-west-1:123456789012:parameter/secret")
    assert layers(messenger) == {
        "rest": ("base", "tokens", "actions"),
        "graphql_http": ("base", "tokens", "actions", "graphql"),
        "appsync": ("base", "tokens", "actions"),
        "authorizer": ("base", "tokens"),
        "stream": ("base",),
        "after_message": ("base", "actions"),
    }


def test_an_app_whose_own_module_imports_servey_has_it_in_every_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "press"
    package.mkdir()
    action = "from servey.action.action import action\n\n\n@action\ndef greet() -> str:\n    return 'hello'\n"
    files = {
        "__init__": "",
        "aside": action,
        "through": "from .aside import greet\n\nhi = greet\n",
        "lazy": "from persisty import App\n\napp = App('lazy', items=[], actions=['press.aside'])\n",
        "eager": "from persisty import App\n\nfrom .through import hi\n\napp = App('eager', items=[], actions=[hi])\n",
        "own": f"from persisty import App\n{action}\n\napp = App('own', items=[], actions=[__name__])\n",
        "distant": "from persisty import App\n\nfrom . import through\n\napp = App('distant', items=[], actions=[])\n",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    found: dict[str, bool] = {}
    for name in ("lazy", "eager", "own", "distant"):
        module = __import__(f"press.{name}", fromlist=["app"])
        app: App = module.app
        assert app.actions or name == "distant"
        found[name] = imports_servey(f"press.{name}:app", app.actions)
    assert found == {"lazy": False, "eager": True, "own": True, "distant": True}


@pytest.mark.parametrize("handler", ["rest", "graphql", "appsync", "authorizer", "stream"])
def test_a_deployment_without_issuers_starts_and_rejects_tokens_without_their_library(handler: str) -> None:
    script = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(('jwt', 'cryptography', 'boto3'))\n"
        f"import lambdas.{handler} as function\n"
        "from persisty.application import load_app\n"
        "from persisty.errors import Unauthenticated\n"
        "try: load_app('examples.messenger.app:app').authenticator.caller('a.b.c')\n"
        "except Unauthenticated as error: print(error)\n"
    )
    environment = {
        "PERSISTY_APP": SPEC,
        "PERSISTY_URL": "dynamodb://eu-west-1",
        "PERSISTY_GRAPHQL_URL": "https://abc.appsync-api.eu-west-1.amazonaws.com/graphql",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "PATH": "",
    }
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "The token is from an issuer that is not trusted\n"), run.stderr
