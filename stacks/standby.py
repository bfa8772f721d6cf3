"""The CDK app of a project without its own, started ahead: `python -m persisty_cdk.standby`. `persisty local` runs it.

It loads the CDK, which takes most of the time of a synth, and waits for a line on standard input: JSON with the context and the folder for the templates.
Then it loads the app as its files are now. It ends without a line.
"""

import sys
from typing import Any

import aws_cdk as cdk
import msgspec
from msgspec import Struct

from persisty.errors import PersistyError

from . import PersistyApp


class Order(Struct, frozen=True):
    """Templates to write: those of this context, into the folder `output`."""

    context: dict[str, Any]
    output: str


def write(order: Order) -> None:
    """Write the templates. `PersistyError` for mistakes in the options or the app."""
    cdk_app = cdk.App(context=order.context, outdir=order.output)
    PersistyApp.of_context(cdk_app)
    cdk_app.synth()


if __name__ == "__main__":
    line = sys.stdin.readline()
    try:
        if line:
            write(msgspec.json.decode(line, type=Order))
    except PersistyError as error:
        sys.exit(str(error))
