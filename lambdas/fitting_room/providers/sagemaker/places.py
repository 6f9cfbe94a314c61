"""Where the objects of one attempt lie in the media bucket. The names follow from job and attempt alone.

So an answer is found although the answer to the submission was lost. How SageMaker ends the names of its objects is not
documented for a name of one's own; so where it did not say, each known ending is looked for.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fitting_room.providers.sagemaker.entry import ID

_NAME = re.compile(r"(?P<ulid>\w+)-(?P<n>\d+)")
_ENDING = ".out"


def name_of(job_id: str, n: int) -> str:
    """Return the attempt's name at SageMaker: its `InferenceId`, and its `Filename` of at most 32 characters."""
    return f"{job_id.removeprefix('job_')}-{n}"


def folder_of(job_id: str, n: int) -> str:
    """Return the folder of the answers, below `staging/`: its `S3OutputPathExtension`."""
    return f"{job_id}/{n}/{ID}"


def request_of(job_id: str, n: int) -> str:
    """Return the key of the document that is sent.

    It is no key of an answer, so it ends no wait.
    """
    return f"staging/{job_id}/{n}/{ID}-request.json"


class Places(NamedTuple):
    """The keys of one attempt. One of `outputs` holds the answer, one of `failures` says why there is none."""

    name: str
    request: str
    outputs: list[str]
    failures: list[str]

    @property
    def all(self) -> list[str]:
        return [self.request, *self.outputs, *self.failures]


def predicted(job_id: str, n: int) -> str:
    """Return the id of a submission without an answer: the key of its output, without an ending."""
    return f"staging/{folder_of(job_id, n)}/{name_of(job_id, n)}"


def answered(output: str, failure: str | None) -> str:
    """Return the id of a submission whose answer named these keys."""
    return f"{output} {failure or ''}".strip()


def found(provider_job_id: str) -> Places:
    """Return where to look for the answer to a submission.

    Raises `ValueError` for an id of another form.
    """
    output, _, failure = provider_job_id.partition(" ")
    name = output.rpartition("/")[2].removesuffix(_ENDING)
    known = _NAME.match(name)
    if known is None:
        raise ValueError("this is not the id of a submission to an endpoint")
    request = request_of(f"job_{known['ulid']}", int(known["n"]))
    if failure or output.endswith(_ENDING):
        return Places(known[0], request, [output], [failure] if failure else [])
    stems = f"{output}-error", f"staging/{name}-error"
    return Places(
        known[0],
        request,
        [output + _ENDING, output],
        [key for stem in stems for key in (stem + _ENDING, stem)],
    )
