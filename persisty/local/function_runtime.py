"""The process of a function: `python -S -P function_runtime.py HANDLER NAME MEMORY ARN`, with the function's code and layers on the path and nothing else.

It reads a line of JSON for each event from standard input and writes a line for each result. The first line says whether the handler was imported.
The output of the function goes to standard error. It ends when standard input closes. Uses nothing but Python's own library.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from importlib import import_module
from typing import Any
from uuid import uuid4


class Context:
    """The context of an invocation, with the names that AWS gives its members."""

    def __init__(self, name: str, memory: int, arn: str, seconds: float) -> None:
        self.function_name = name
        self.function_version = "$LATEST"
        self.memory_limit_in_mb = memory
        self.invoked_function_arn = arn
        self.aws_request_id = str(uuid4())
        self.log_group_name, self.log_stream_name = f"/aws/lambda/{self.function_name}", "local"
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def failure(error: BaseException) -> dict[str, Any]:
    """Return an error as Lambda returns it."""
    return {"errorMessage": str(error), "errorType": type(error).__name__}


def place_of(error: BaseException) -> str:
    """Return the file and line from which an error comes, without Python's own machinery of imports."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<frozen")]
    return f"{frames[-1].filename}:{frames[-1].lineno}"


def main() -> None:
    events, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def send(**members: Any) -> None:
        results.write(json.dumps(members).encode() + b"\n")
        results.flush()

    handler_name, name, memory, arn = sys.argv[1:]
    module, _, attribute = handler_name.rpartition(".")
    try:
        handler = getattr(import_module(module), attribute)
    except BaseException as error:  # the parent reports every error of a module
        send(error={**failure(error), "errorMessage": f"{error} ({place_of(error)})"})
        return
    send(ready=True)
    for line in events:
        given = json.loads(line)
        try:
            context = Context(name, int(memory), arn, given["seconds"])
            result = json.loads(json.dumps(handler(given["event"], context)))
        except Exception as error:  # the error is the result, as on Lambda
            traceback.print_exc()
            send(error=failure(error))
        else:
            send(result=result)


if __name__ == "__main__":
    main()
