"""The deployed functions, each in processes of its own: its code, its layers and its environment, and no other library of this machine.

As on Lambda, an instance handles one event at a time, and stays for the next ones. Events that come together start more instances.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

import msgspec
from msgspec import Struct

from . import function_runtime

MOST = 4
"""Instances of one function. Further events wait."""
EXIT_TIMEOUT = 2.0
"""Seconds in which an instance ends when its input closes."""
START = 30.0
"""Seconds in which a handler has to be imported."""


class FunctionFailed(Exception):
    """An invocation that ended with an error of the function. `kind`: the name of the error's class, as Lambda returns it."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class FunctionCode(Struct, frozen=True):
    """A function as the stacks declare it. `paths`: its code, then its layers. `seconds`: its timeout."""

    name: str
    handler: str
    paths: tuple[Path, ...]
    variables: Mapping[str, str]
    seconds: float
    memory: int
    arn: str


class Instance:
    """A process of a function. `FunctionFailed` if its handler cannot be imported."""

    def __init__(self, function: FunctionCode) -> None:
        self._seconds = function.seconds
        environment = {
            **function.variables,
            "PATH": str(Path(sys.executable).parent),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's folders are read-only
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "LAMBDA_TASK_ROOT": str(function.paths[0]),
            "PYTHONPATH": ":".join(map(str, function.paths)),
        }
        arguments = (function.handler, function.name, str(function.memory), function.arn)
        command = [sys.executable, "-S", "-P", function_runtime.__file__, *arguments]
        self._process = Popen(
            command, cwd=function.paths[0], env=environment, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        self._read(START, f"{function.handler} was not imported within {START:g} s")

    def invoke(self, event: Any) -> Any:
        """Return the result for an event. `FunctionFailed` for an error or when the time is over."""
        line = msgspec.json.encode({"event": event, "seconds": self._seconds}) + b"\n"
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except OSError as error:
            raise FunctionFailed("The function's process has ended", "Runtime.ExitError") from error
        return self._read(self._seconds, f"Task timed out after {self._seconds:g} seconds").get("result")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(EXIT_TIMEOUT)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, seconds: float, late: str) -> dict[str, Any]:
        """Return the next line of the process, which is killed if none comes in time."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline() if self._process.stdout else b""
        finally:
            timer.cancel()
        if not line:
            code = self._process.wait()
            timed_out = code < 0
            message = late if timed_out else f"The function's process ended with {code}"
            raise FunctionFailed(message, "Sandbox.Timedout" if timed_out else "Runtime.ExitError")
        found: dict[str, Any] = msgspec.json.decode(line)
        if "error" in found:
            raise FunctionFailed(found["error"]["errorMessage"], found["error"]["errorType"])
        return found


class RunningFunction:
    """A function with its instances. Safe to share between threads."""

    def __init__(self, code: FunctionCode) -> None:
        self.code = code
        self._idle: list[Instance] = []
        self._free, self._lock = threading.Semaphore(MOST), threading.Lock()
        self._age = 0

    def invoke(self, event: Any) -> Any:
        """Return the result for an event, of an instance that has none. `FunctionFailed` for an error."""
        with self._free:
            with self._lock:
                age, instance = self._age, self._idle.pop() if self._idle else None
            if instance is None or instance.ended:
                instance = Instance(self.code)
            try:
                return instance.invoke(event)
            finally:
                with self._lock:
                    reusable = age == self._age and not instance.ended
                    if reusable:
                        self._idle.append(instance)
                if not reusable:
                    instance.close()

    def warm(self) -> None:
        """Start an instance before the first event. `FunctionFailed` if its handler cannot be imported."""
        with self._lock:
            age, is_warm = self._age, bool(self._idle)
        if is_warm:
            return
        instance = Instance(self.code)
        with self._lock:
            reusable = age == self._age
            if reusable:
                self._idle.append(instance)
        if not reusable:
            instance.close()

    def replace(self, code: FunctionCode) -> None:
        """Handle the next events with other code. Events that are being handled end with the code that they began with."""
        with self._lock:
            self._age += 1
            self.code, old, self._idle = code, self._idle, []
        for instance in old:
            instance.close()

    def close(self) -> None:
        """End the instances."""
        self.replace(self.code)
