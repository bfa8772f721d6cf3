"""`App`, and the functions that load one."""

from .app import App
from .declaration import Action
from .loading import deployed_app, load_app, load_function

__all__ = ["Action", "App", "deployed_app", "load_app", "load_function"]
