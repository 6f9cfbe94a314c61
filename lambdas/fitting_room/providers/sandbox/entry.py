"""The sandbox: a provider inside the product that costs nothing and answers as its client asks.

Test keys reach only this one. It pastes the garment onto the person with a visible label; it is no model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.tasks import AnyRequest, Task
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price

ID = "sandbox"

Told = Literal[
    "success",
    "partial",
    "blocked",
    "unknown",
    "image_unreadable",
    "pose_not_found",
    "content_blocked",
    "output_rejected",
    "quota_exhausted",
    "rate_limited",
    "provider_auth",
    "model_retired",
    "provider_error",
    "provider_unavailable",
    "timed_out",
    "cancelled",
    "internal",
]


class Options(BaseModel):
    """The behaviour that the client asks of the sandbox."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Annotated[
        Told,
        Field(
            description="`success`. `partial`: `images` of them arrive, or one fewer than asked for, with a warning."
            " `blocked`: all were held back after they were drawn, so they are perhaps charged. `unknown`: the call"
            " breaks off, so it is perhaps charged. Else the job fails with this code and is not charged."
        ),
    ] = "success"
    seconds: Annotated[
        float, Field(ge=0, le=600, description="How long the work takes; work that takes time is polled.")
    ] = 0
    polled: Annotated[bool, Field(description="Answer a job id first, and let the status be read.")] = False
    images: Annotated[int, Field(ge=1, le=8)] | None = None


def rules(request: AnyRequest) -> list[Fault]:
    try:
        options = Options.model_validate(request.provider_options.get(ID, {}))
    except ValidationError:  # the planner checks the options against their model and reports these
        return []
    faults = []
    if options.outcome == "partial" and request.output.count <= (options.images or 1):
        faults.append(
            _fault(
                "/output/count",
                "A partial result needs more images asked for than arrive.",
                f"Ask for at least {(options.images or 1) + 1}.",
            )
        )
    if options.images is not None and options.outcome != "partial":
        faults.append(
            _fault(
                f"/provider_options/{ID}/images",
                "`images` only goes with the outcome `partial`.",
                "Leave it out, or set outcome to partial.",
            )
        )
    return faults


def _fault(pointer: str, detail: str, remedy: str) -> Fault:
    return Fault.of("invalid_input", detail, remedy, pointer=pointer, provider=ID)


_OUTPUT = ("output.quality", "output.seed", "output.guidance", "output.mask", "output.count")
_TASKS: dict[Task, tuple[str, ...]] = {
    "try_on": (
        "scene",
        "input_image",
        "mask",
        "mask.shape",
        "keep.face",
        "keep.hands",
        "keep.pose",
        "styling.sleeves",
        "styling.tuck",
        "styling.outer_layer",
        "merge",
        "prompt",
        "negative_prompt",
        "segmentation_free",
        "moderation",
        "garment.category",
        "garment.type",
        "garment.photo",
    ),
    "text_to_image": ("negative_prompt", "style", "size", "condition", "condition.control", "condition.strength"),
    "color_guided": ("negative_prompt", "size", "reference_image"),
    "image_variation": ("prompt", "negative_prompt", "similarity", "size"),
    "inpaint": ("mask", "prompt", "negative_prompt"),
    "outpaint": ("mask", "prompt", "negative_prompt", "transition"),
    "remove_background": (),
}
_SEED = Option(minimum=0, maximum=4_294_967_295)
_INPUT = FitSpec(max_side=1024)

ENTRY = CatalogueEntry(
    id=ID,
    title="Sandbox",
    models=(Model(id="composite", tasks=tuple(_TASKS), lifecycle=Lifecycle(source="part of this product")),),
    runner="http",
    secret=False,
    polled=True,
    live=False,
    generative=False,
    tasks={
        task: {name: _SEED if name == "output.seed" else Option() for name in (*names, *_OUTPUT)}
        for task, names in _TASKS.items()
    },
    max_garments=8,
    base=_INPUT,
    others=_INPUT,
    prices=(Price(amount=0, source="part of this product"),),
    retention="Nothing leaves this deployment.",
    erases=True,
    failures_free=True,
    rate=None,
    usual=2,
    status="A labelled composite for tests, not a model.",
    options_model=Options,
    rules=rules,
)
