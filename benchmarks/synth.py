"""The synthesis of an app with 330 resources, against the same resources written down as L2 constructs.

Each synthesis is a process of its own with the code built before, as the CDK's command line starts it. Its CPU time is counted with that of the CDK's
Node process. The resources of both, by type, are compared first.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from persisty.deploy.alarms import ALARMS, FUNCTION, GRAPHQL, HTTP, RESOURCES
from persisty.deploy.options import options_of
from persisty.deploy.plan_from_options import planned

from .measure import Row, row
from .synth_app import ITEMS

ROUNDS = 5
CONTEXT = {"app": "benchmarks.synth_app:app", "target": "local", "live": "off"}
BY_HAND = Path(__file__).parent / "peers" / "cdk_by_hand.py"
PEER = "L2 constructs by hand"
CODE = """
import aws_cdk as cdk
from stacks import PersistyApp
app = cdk.App()
PersistyApp.of_context(app)
app.synth()
"""
RESOLVER = "export function request(ctx) { return {operation: 'Invoke', payload: ctx} }\nexport function response(ctx) { return ctx.result }\n"


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as temporary:
        ours, theirs, written = Path(temporary, "ours"), Path(temporary, "theirs"), Path(temporary, "what.json")
        run([sys.executable, "-c", CODE], ours)  # builds the code, too
        written.write_text(json.dumps(by_hand()))
        commands = {
            "persisty": ([sys.executable, "-c", CODE], ours),
            PEER: ([sys.executable, str(BY_HAND), str(written)], theirs),
        }
        run(*commands[PEER])
        counts = {name: resources(folder) for name, (_, folder) in commands.items()}
        differing = {kind: [one[kind] for one in counts.values()] for kind in {**counts["persisty"], **counts[PEER]}}
        different = {kind: both for kind, both in differing.items() if both[0] != both[1]}
        print(f"resources: {[one.total() for one in counts.values()]}, different: {different}", file=sys.stderr)
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for name, (command, folder) in commands.items():
                for kind, seconds in run(command, folder).items():
                    found.setdefault((name, kind), []).append(seconds)
        for kind in ("CPU", "clock"):
            medians = [statistics.median(found[name, kind]) * 1000 for name in commands]
            yield row(f"synthesis of {ITEMS} items, {kind}", PEER, *medians, unit="ms")


def run(command: list[str], folder: Path) -> dict[str, float]:
    """Synthesise into a folder. Return the seconds that it took."""
    environment = {
        **os.environ, "CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(CONTEXT),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    }  # fmt: skip
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"CPU": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "clock": clock}


def resources(assembly: Path) -> Counter[str]:
    """Return the number of resources by type."""
    templates = [json.loads(file.read_text()) for file in assembly.glob("*.template.json")]
    return Counter(one["Type"] for template in templates for one in template["Resources"].values())


def by_hand() -> dict[str, object]:
    """Return what a person writes down: names, keys, fields, and the folders of built code."""
    plan, _ = planned(options_of(CONTEXT))
    built = [str(path) for path in Path(".persisty/code").resolve().iterdir()]
    alarms = [
        (RESOURCES[kind].namespace, one.metric, one.statistic, RESOURCES[kind].dimension, id_, f"{id_}{one.metric}")
        for kind, ids in ((FUNCTION, [one.name for one in plan.functions]), (HTTP, ["http"]), (GRAPHQL, ["graphql"]))
        for id_ in ids
        for one in ALARMS[kind]
    ]
    layers = sorted({layer for one in plan.functions for layer in one.layers})
    return {
        **msgspec.to_builtins(plan),
        "layers": [path for path in built if any(f"/{name}-layer" in path for name in layers)][: len(layers)]
        + [path for path in built if "/runtime" in path][:1],
        "code": next(path for path in built if "layer" not in path and "/runtime" not in path),
        "alarms": alarms,
        "resolver": RESOLVER * 8,
    }
