"""Cold imports: each function's handler against the libraries it cannot do without, in turn, in fresh
processes; CPU time, so that a busy machine does not blur it.

Run by `make bench`. Ratios of medians; the budget is 1.25 (docs/decisions.md).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = 9
CORE = """
import boto3
from typing import Annotated
from pydantic import BaseModel, Field, field_validator
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics
class Smallest(BaseModel):  # pydantic loads its parts when the first model is made
    text: Annotated[str, Field(max_length=1)] = ""
    @field_validator("text")
    def check(cls, text): return text
"""
FLOORS = {
    "http.api": CORE + "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver",
    "job.prepare": CORE + "import PIL.Image, PIL.ImageCms, urllib3",
    "job.start_bedrock": CORE + "import urllib3",
    "job.start_http": CORE + "import urllib3",
    "job.poll": CORE + "import urllib3",
    "job.collect": CORE + "import PIL.Image, PIL.ImageCms",
    "job.settle": CORE,
    "event.erase": CORE,
    "event.ingest": CORE + "from aws_lambda_powertools.utilities.batch import BatchProcessor",
    "schedule.sweep": CORE,
    "schedule.watch_models": CORE,
}


def seconds(code: str) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lambdas"), "AWS_DEFAULT_REGION": "us-east-1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    print(
        f"{'function':20} {'floor ms':>9} {'handler ms':>11} {'ratio':>6}   (medians of {ROUNDS}, less the interpreter)"
    )
    bare = statistics.median(seconds("pass") for _ in range(ROUNDS))
    for name, floor in FLOORS.items():
        pairs = [(seconds(floor), seconds(f"import functions.{name}.handler")) for _ in range(ROUNDS)]
        low, high = (statistics.median(column) - bare for column in zip(*pairs, strict=True))
        print(f"{name:20} {low * 1000:9.0f} {high * 1000:11.0f} {high / low:6.2f}")


if __name__ == "__main__":
    main()
