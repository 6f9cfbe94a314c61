"""The two kinds of prompts: on a partner model with references, and on the tune of a trained person.

Sources: page "Create a prompt"; of the partner models the skills "astria-api" and "prompt-writing" of the vendor's
command line tool; of `sd15` the page "Virtual Try-on" with its example.
"""

from __future__ import annotations

from math import log
from typing import get_args

from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.adapter import Input, Order
from fitting_room.providers.astria.classes import garment_class
from fitting_room.providers.astria.form import Form, form
from fitting_room.providers.astria.options import AspectRatio, AstriaSettings, Options
from fitting_room.providers.astria.rules import has_input_image
from fitting_room.providers.shared.masks import inverted

TOKEN = "ohwx"  # noqa: S105  the word for a trained person, as in the vendor's examples
STUDIO = "white studio background"
PHOTOSHOOT = "high resolution fashion photoshoot, UHD"
RESOLUTIONS = {"fast": "1K", "standard": "2K", "best": "4K"}  # "`1K`, `2K` (default), `4K`"


def prompt_of(order: Order, settings: AstriaSettings) -> tuple[str, Form]:
    """Return the tune to prompt, and the form."""
    request = order.request
    assert isinstance(request, TryOn), "the catalogue offers prompts for nothing else"
    options: Options = order.options
    tune, fields = (
        _sd15(order, request, options) if order.model == "sd15" else _partner(order, request, options, settings)
    )
    return tune, form(
        "prompt",
        {
            **fields,
            "num_images": request.output.count,
            "seed": order.seed,
            "workspace_id": settings.workspace,
            "callback": order.callback,
        },
    )


def _partner(order: Order, request: TryOn, options: Options, settings: AstriaSettings) -> tuple[str, dict[str, object]]:
    """Return the tune and the fields of a partner model.

    "the class name [...] MUST appear right after the `<...>` token", which always ends in 1. Fields that only Stable
    Diffusion has are left out.
    """
    person = request.person.subject if request.person else None
    worn = [
        f"<faceid:{_garment_id(order, request, index)}:1> {_noun(order, request, index, options)}"
        for index in range(len(request.garments))
    ]
    who = (
        f"<faceid:{order.subjects[person].made_id}:1> {order.subjects[person].class_name}"
        if person
        else f"<faceid:{order.references['person']}:1> {options.person_class}"
    )
    return str(settings.tune(order.model)), {
        "text": f"{who} wearing {_listed(worn)}, {_words(request.prompt) or STUDIO}",
        "aspect_ratio": options.aspect_ratio or (None if person else nearest(order.base)),
        "resolution": options.resolution or RESOLUTIONS.get(request.output.quality or ""),
    }


def _sd15(order: Order, request: TryOn, options: Options) -> tuple[str, dict[str, object]]:
    """Return the tune and the fields of the older flow.

    "prompt [...] both the fine-tuned model of the person and the faceid reference of the garment". An absent option
    has the value of the page's example. The fields about the input image go only with one.
    """
    assert request.person and request.person.subject, "the rules refuse this flow for anybody else"
    person = order.subjects[request.person.subject]
    super_resolution = _given(options.super_resolution, True)
    seen: dict[str, object] = (
        {
            "controlnet": options.controlnet or "pose",
            "input_image": order.inputs.get("input") or order.inputs["garment-0"],
            "mask_image": order.mask
            and inverted(order.mask),  # "the area to be inpainted is white and the rest is black"
            "denoising_strength": _given(options.denoising_strength, 0.9),
            "controlnet_conditioning_scale": _given(options.controlnet_conditioning_scale, 0.4),
            "controlnet_txt2img": _given(options.controlnet_txt2img, False),
        }
        if has_input_image(request)
        else {}
    )
    return person.made_id, {
        "text": f"<faceid:{_garment_id(order, request, 0)}:1> {person.token or TOKEN} {person.class_name} wearing"
        f" {_article(_noun(order, request, 0, options))}, {_words(request.prompt) or PHOTOSHOOT}",
        "negative_prompt": _words(request.negative_prompt),
        "steps": _given(options.steps, 30),
        "cfg_scale": options.cfg_scale,
        **seen,
        "super_resolution": super_resolution,
        "inpaint_faces": _given(options.inpaint_faces, super_resolution),
        "face_correct": _given(options.face_correct, False),
        "film_grain": _given(options.film_grain, False),
        "face_swap": _given(options.face_swap, True),
        "hires_fix": _given(options.hires_fix, super_resolution),
        "backend_version": _given(options.backend_version, 1),
        "prompt_expansion": options.prompt_expansion,
        "ar": options.ar or (None if options.w else "1:1"),
        "scheduler": options.scheduler or "dpm++sde_karras",
        "color_grading": options.color_grading,
        "use_lpw": _given(options.use_lpw, True),
        "w": options.w,
        "h": options.h,
    }


def nearest(picture: Input) -> str:
    """Return the vendor's aspect ratio that is most like the picture's."""
    ratios: tuple[str, ...] = get_args(AspectRatio)

    def off(ratio: str) -> float:
        width, height = map(int, ratio.split(":"))
        return abs(log(width / height) - log(picture.width / picture.height))

    return min(ratios, key=off)


def _garment_id(order: Order, request: TryOn, index: int) -> str:
    subject = request.garments[index].subject
    return order.subjects[subject].made_id if subject else order.references[f"garment-{index}"]


def _noun(order: Order, request: TryOn, index: int, options: Options) -> str:
    subject = request.garments[index].subject
    return order.subjects[subject].class_name if subject else str(garment_class(request, index, options))


def _given(value: object, default: object) -> object:
    return default if value is None else value


def _words(text: str | None) -> str | None:
    """Return a text on one line."""
    return " ".join(text.split()) if text else None


def _article(noun: str) -> str:
    plural = noun.endswith("s") and not noun.endswith("ss")
    return noun if plural or noun == "clothing" else f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _listed(parts: list[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
