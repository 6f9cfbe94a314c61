"""The ways to call a provider. Each has a Start function of its own, so that each may do no more than it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RunnerName = Literal["bedrock", "http"]


@dataclass(frozen=True)
class Runner:
    """`state` of the job machine calls `function`, a folder of `lambdas/functions`; `pause` is the state that waits for it."""

    name: RunnerName
    state: str
    pause: str
    function: str
    seconds: int
    """How long the function may run, which bounds how long a provider may take to answer the call that buys."""
    needs_key: bool
    """Whether it calls providers with a stored key."""
    megabytes: int = 1024
    """Of the function's memory, which is paid for as long as it waits for the provider's answer."""
    service: str | None = None
    """The AWS service that it calls with its role, in the region that the stage names for the provider."""
    lifecycles: str | None = None
    """The AWS service that knows how long the models live."""

    @property
    def needs_region(self) -> bool:
        return self.service is not None


RUNNERS: dict[RunnerName, Runner] = {
    runner.name: runner
    for runner in (
        Runner(
            name="bedrock",
            state="StartBedrock",
            pause="WaitForBedrock",
            function="job/start_bedrock",
            seconds=900,
            needs_key=False,
            megabytes=512,
            service="bedrock-runtime",
            lifecycles="bedrock",
        ),
        Runner(
            name="http",
            state="StartHttp",
            pause="WaitForHttp",
            function="job/start_http",
            seconds=480,
            needs_key=True,
        ),
    )
}
