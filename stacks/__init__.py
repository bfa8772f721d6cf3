"""CDK constructs: each row of the plan becomes a construct. `persisty.deploy.plan` decides what is deployed. The wheel has this package as
`persisty_cdk`."""

try:
    from .constructs.app_constructs import Domain
    from .persisty_app import PersistyApp
except ModuleNotFoundError as error:
    if error.name not in ("aws_cdk", "constructs"):
        raise
    message = f"{error.name} is not installed: pip install 'persisty[deploy]'"
    raise ModuleNotFoundError(message, name=error.name) from None

__all__ = ["Domain", "PersistyApp"]
