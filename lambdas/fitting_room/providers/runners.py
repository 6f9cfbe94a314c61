"""The ways to call a provider. Each has a Start function of its own, so that each may do no more than it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RunnerName = Literal["bedrock", "http", "sagemaker"]
PhotosStayIn = Literal["account", "aws"]


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
    """The AWS service that it calls with its role."""
    needs_region: bool = False
    """Whether the stage names the region of each provider, in `bedrock_regions`."""
    setting: str | None = None
    """The setting that names its endpoints: while that is empty, a stage has nothing of this runner."""
    photos_stay_in: PhotosStayIn | None = None
    """`account`: photos stay in the operator's AWS account. `aws`: a service of AWS processes them. None: they leave AWS."""
    lifecycles: str | None = None
    """The AWS service that knows how long the models live."""


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
            needs_region=True,
            photos_stay_in="aws",
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
        Runner(
            name="sagemaker",
            state="StartSagemaker",
            pause="WaitForSagemaker",
            function="job/start_sagemaker",
            seconds=180,
            needs_key=False,
            service="sagemaker-runtime",
            setting="sagemaker",
            photos_stay_in="account",
        ),
    )
}
