"""The resolvers of AppSync: their own JavaScript, in one process of Node that stays. What AppSync's modules offer them is in `RUNTIME`.

Source: "JavaScript resolvers" in the AWS AppSync Developer Guide.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..errors import InvalidDeclaration

UTILITIES = """
export const state = { added: [], filters: [] };
export const extensions = { setSubscriptionFilter: (filter) => { state.filters.push(filter); } };
export const util = {
  error: (message, type, data, info) => { throw { message, type, data, info }; },
  appendError: (message, type, data, info) => { state.added.push({ message, type, data, info }); },
};
export const runtime = { earlyReturn: (value) => { throw { early: value ?? null }; } };
"""
RUNTIME = """
import { createInterface } from "node:readline";
import { state } from "./utilities.mjs";
for await (const line of createInterface({ input: process.stdin })) {
  const { module, step, context } = JSON.parse(line);
  let out;
  state.added = []; state.filters = [];
  try {
    const resolver = await import(module);
    const value = resolver[step](context);
    out = { value: value === undefined ? null : value, added: state.added, filters: state.filters };
  } catch (error) {
    out = error instanceof Error ? { error: { message: error.message } } : "early" in error ? error : { error };
    out.added = state.added; out.filters = [];
  }
  process.stdout.write(JSON.stringify(out) + "\\n");
}
"""


class Step(Struct, frozen=True):
    """The outcome of a resolver's `request` or `response`. `early`: the value ends the field. `error`: has message, type and info."""

    value: Any
    early: bool = False
    error: Mapping[str, Any] | None = None
    added: tuple[Mapping[str, Any], ...] = ()
    filters: tuple[Mapping[str, Any], ...] = ()


class Resolvers:
    """Runs the code of resolvers from `folder`. Safe to share between threads: a step takes less than a millisecond."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            raise InvalidDeclaration("The resolvers of AppSync need Node 20 or later: node is not installed")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "utilities.mjs").write_text(UTILITIES)
        (folder / "runtime.mjs").write_text(RUNTIME)
        self._folder, self._lock = folder, threading.Lock()
        self._modules: dict[str, str] = {}
        self._process = subprocess.Popen(
            [node, str(folder / "runtime.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def run(self, code: str, step: str, context: Mapping[str, Any]) -> Step:
        """Run a step of a resolver, `request` or `response`."""
        line = json.dumps({"module": self._module(code), "step": step, "context": context}).encode() + b"\n"
        with self._lock:
            if self._process.stdin is None or self._process.stdout is None:
                raise RuntimeError("The process of resolvers has no pipes")
            self._process.stdin.write(line)
            self._process.stdin.flush()
            out = json.loads(self._process.stdout.readline())
        early = "early" in out
        return Step(
            out["early"] if early else out.get("value"),
            early, out.get("error"), tuple(out["added"]), tuple(out["filters"]),
        )  # fmt: skip

    def close(self) -> None:
        """End the process, and delete the folder."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _module(self, code: str) -> str:
        """Return the address of the module with this code. Resolvers share modules."""
        if code not in self._modules:
            name = f"resolver{len(self._modules)}.mjs"
            (self._folder / name).write_text(code.replace('"@aws-appsync/utils"', '"./utilities.mjs"'))
            self._modules[code] = f"./{name}"
        return self._modules[code]
