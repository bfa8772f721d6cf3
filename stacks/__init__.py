"""CDK constructs: each row of the plan becomes a construct. `persisty.deploy.plan` decides what is deployed. The wheel has this package as
`persisty_cdk`."""

from .constructs.app_constructs import Domain
from .persisty_app import PersistyApp

__all__ = ["Domain", "PersistyApp"]
