"""Load an app, or a function such as its seeds, from `module:attribute`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .. import settings
from ..errors import Fault, InvalidDeclaration
from ..model.nesting import raise_recursion_limit
from .app import App
from .declaration_errors import explained


def deployed_app(configured: settings.Settings) -> App:
    """Return the app that a deployment runs, with the stage and the engine of the settings. They replace those of the
    declaration. Raises `InvalidDeclaration` if the settings lack the app or the URL."""
    if not configured.app or not configured.url:
        raise InvalidDeclaration("A deployed app needs PERSISTY_APP and PERSISTY_URL")
    raise_recursion_limit()
    app = load_app(configured.app)
    app.stage = configured.stage
    app.use(configured.url)
    return app


def load_app(spec: str) -> App:
    """Return the app at `module:attribute` (default: the attribute `app`). Modules are also searched in the working directory."""
    app = _load(spec, "app")
    if not isinstance(app, App):
        raise InvalidDeclaration(f"{spec} is not an App{_apps_of(spec)}")
    return app


def _apps_of(spec: str) -> str:
    """Return the rest of the message for a name that is not an app: whether the module has the name, and the apps that it has."""
    name, _, attribute = spec.partition(":")
    members = vars(sys.modules[name])
    missing = "" if (attribute or "app") in members else f": {name} has no `{attribute or 'app'}`"
    apps = ", ".join(f"{name}:{one}" for one, value in members.items() if isinstance(value, App))
    return f"{missing}. " + (f"Its apps: {apps}" if apps else f"{name} has no App")


def load_function(spec: str, default: str) -> Callable[[App], Any]:
    """Return the function at `module:attribute`, for example one that seeds an app. `default`: the attribute if `spec` has none."""
    function: Callable[[App], Any] | None = _load(spec, default)
    if not callable(function):
        raise InvalidDeclaration(
            f"{spec} is not a function", faults=[Fault("", "Not a function", "module:function", spec)]
        )
    return function


def module_of(spec: str) -> str:
    """Return the name of the module of `module:attribute`. Raises `InvalidDeclaration` if it cannot be one, such as a path."""
    name = spec.partition(":")[0]
    if not all(part.isidentifier() for part in name.split(".")):
        raise InvalidDeclaration(f"{spec} does not name a module: give module:attribute, such as shop.app:app")
    return name


def _load(spec: str, default: str) -> Any:
    """Return what is at `module:attribute`, None if the module lacks it.

    Raises `InvalidDeclaration` if the module does not exist, or a declaration in it has an argument that does not exist.
    """
    module_name, attribute = module_of(spec), spec.partition(":")[2]
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(import_module(module_name), attribute or default, None)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise
        raise InvalidDeclaration(f"There is no module {module_name}") from error
    except TypeError as error:
        if (declared := explained(error)) is None:
            raise
        raise declared from error
