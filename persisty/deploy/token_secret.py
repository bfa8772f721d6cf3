"""The secret that signs persisty's tokens in a deployment: a configured one, or one that the deployment generates.

Without an issuer and an ARN, rules and actions that depend on the caller would reject every caller, and actions that sign tokens would fail. The
deployment then generates a secret in Secrets Manager. No template contains its value, and it is retained like a table. `PERSISTY_TOKEN_SECRET` and
`PERSISTY_TOKEN_KEY_FILE` belong to the deploying machine and are never deployed.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from .. import settings
from ..api.action_access import looks_at_callers
from ..application import App
from ..naming import secret_name
from ..security.authenticator import authenticator_of

RETAINED = "retained_secret"
"""The context of the CDK app that names a generated secret which already exists. The stack then does not create it."""
GENERATED = "generated"
"""Value of `PERSISTY_TOKEN_SECRET_ARN` that makes the deployment generate a secret, even if there are issuers."""


class TokenSecret(Struct, frozen=True):
    """`arn`: of a configured secret or parameter. `name`: of a secret that the deployment generates. At most one is set."""

    arn: str | None = None
    name: str | None = None

    @property
    def place(self) -> str | None:
        """Return the ARN or the name."""
        return self.arn or self.name


def token_secret_of(app: App, configured: settings.Settings) -> TokenSecret:
    """Return the secret of a deployment. `InvalidDeclaration` if a setting of identity is not valid."""
    arn = configured.token_secret_arn
    generated = arn == GENERATED
    checked = replace(configured, token_key_file=None, token_secret_arn=None if generated else arn)
    authenticator_of(checked, app.stage, None, needed=False)
    if arn and not generated:
        return TokenSecret(arn=arn)
    lacking = not configured.token_issuers and looks_at_callers(app)
    return TokenSecret(name=secret_name(app.name, app.stage)) if generated or lacking else TokenSecret()
