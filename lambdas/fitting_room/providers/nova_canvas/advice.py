"""The vendor's advice, as warnings: the job goes on, but its pictures may not be as intended.

Sources: Amazon Nova user guide, `image-gen-vto` (try-on) and `image-gen-req-resp-structure` (all tasks). Much of it
depends on the content of a picture. Where the request cannot show it, the advice is given whenever it may matter, and
says on what.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from fitting_room.jobs.request import GarmentMask, ImageMask, PromptMask, Request
from fitting_room.jobs.tasks import AnyRequest, ColorGuided, Inpaint, Outpaint, TryOn
from fitting_room.providers.base import Advice
from fitting_room.providers.nova_canvas.garments import body_part

VTO = "https://docs.aws.amazon.com/nova/latest/userguide/image-gen-vto.html"
REQUESTS = "https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html"

LOW, HIGH = 3, 8
"""cfgScale: the end of the band the document calls low (1.1 to 3) and the start of the one it calls high (8 to 10)."""

_NEGATION = re.compile(
    r"\b(no|not|none|never|without|nor|neither|nothing|nobody|nowhere|cannot)\b|n['’]t\b", re.IGNORECASE
)
_LETTERING = re.compile(r"\b(logos?|texts?|lettering|letters?|words?|slogans?|signs?|emblems?)\b", re.IGNORECASE)
_SHIRTS = ("long_sleeve_shirt", "short_sleeve_shirt", "no_sleeve_shirt")
_SHORT_SLEEVES = ("short_sleeve_shirt", "no_sleeve_shirt")
_HELD_OR_WORN = ("accessories", "jewelry")
_BARE_NECK = ("eyewear", "headwear", "object")

R = TypeVar("R", bound=Request)


def _when(
    task: type[R], pointer: str, holds: Callable[[R], bool]
) -> Callable[[AnyRequest, frozenset[str]], str | None]:
    """Return a test for requests of one task (`Request`: of all) for which a condition holds."""
    return lambda request, _seen: pointer if isinstance(request, task) and holds(request) else None


def _negates(field: str) -> Callable[[AnyRequest, frozenset[str]], str | None]:
    return _when(Request, f"/{field}", lambda request: bool(_NEGATION.search(getattr(request, field, None) or "")))


def _boxed(request: TryOn) -> bool:
    """Return whether the mask is a bounding box on a person.

    For a prompt mask that is the default.
    """
    mask = request.mask
    return request.person is not None and (
        (isinstance(mask, GarmentMask) and mask.shape == "bounding_box")
        or (isinstance(mask, PromptMask) and mask.shape != "contour")
    )


def _keeps(request: TryOn, part: str) -> bool:
    """Return whether a part of a person is to stay as it is."""
    return request.person is not None and getattr(request.keep, part) is True


def _unsaid(request: TryOn, *parts: str) -> bool:
    """Return whether the fate of one of these parts is left to the vendor."""
    return any(getattr(request.keep, part) in (None, "default") for part in parts)


def _may_cover_the_neck(request: TryOn) -> bool:
    garment = request.garments[0]
    return body_part(garment) in (None, "UPPER_BODY", "FULL_BODY") and garment.category not in _BARE_NECK


def _outer_layer(request: TryOn) -> str | None:
    return request.styling.outer_layer


def _on_plain_backdrop(request: AnyRequest, seen: frozenset[str]) -> str | None:
    ghostly = isinstance(request, TryOn) and request.merge in (None, "balanced")
    return "/merge" if ghostly and "plain_backdrop" in seen else None


_TEXT = (
    Advice(
        code="negation_in_prompt",
        source=REQUESTS,
        applies=_negates("prompt"),
        detail="The provider advises against negating words (no, not, without, ...) in a prompt: what they negate may "
        "well appear.",
        remedy="Name what must not be seen, without a negating word, in `negative_prompt`.",
    ),
    Advice(
        code="negation_in_negative_prompt",
        source=REQUESTS,
        applies=_negates("negative_prompt"),
        detail="The provider advises against negating words (no, not, without, ...) in a negative prompt: it already "
        "names what must not be seen.",
        remedy="Name the things alone: `mirrors`, not `no mirrors`.",
    ),
    Advice(
        code="guidance_low",
        source=REQUESTS,
        applies=_when(
            Request, "/output/guidance", lambda r: r.output.guidance is not None and r.output.guidance <= LOW
        ),
        detail="A guidance of 1.1 to 3 leaves the model much freedom: perhaps more pleasing, but with little contrast "
        "and further from what was asked for.",
        remedy="Use 4 to 7, which the provider recommends for most images.",
    ),
    Advice(
        code="guidance_high",
        source=REQUESTS,
        applies=_when(
            Request, "/output/guidance", lambda r: r.output.guidance is not None and r.output.guidance >= HIGH
        ),
        detail="A guidance of 8 to 10 follows the input strictly, at times at the cost of a natural look and with too much "
        "colour.",
        remedy="Use 4 to 7, which the provider recommends for most images.",
    ),
    Advice(
        code="reference_weakens_colors",
        source=REQUESTS,
        applies=_when(ColorGuided, "/reference_image", lambda r: r.reference_image is not None),
        detail="Beside a reference image the asked colours have less effect: the colours of the image go into the result "
        "too.",
        remedy="Leave the reference image out where the colours matter most.",
    ),
    Advice(
        code="removes_without_prompt",
        source=REQUESTS,
        applies=_when(Request, "/prompt", lambda r: isinstance(r, Inpaint | Outpaint) and r.prompt is None),
        detail="Without a prompt the model removes what the mask covers and continues the background there.",
        remedy="Say in `prompt` what is to be seen there, if it is more than background.",
    ),
    Advice(
        code="soft_transition_halo",
        source=REQUESTS,
        applies=_when(Outpaint, "/transition", lambda r: r.transition in (None, "soft")),
        detail="A soft transition starts from the old background's pixels. Where the new one differs much from it, a halo "
        "may show around what stays.",
        remedy="Use `transition: precise` for a background that differs much.",
    ),
    Advice(
        code="precise_transition_colors",
        source=REQUESTS,
        applies=_when(Outpaint, "/transition", lambda r: r.transition == "precise"),
        detail="A precise transition keeps to the mask's edge. It suits a background that differs much from the old one, "
        "less one in similar colours.",
        remedy="Use `transition: soft` where the new background has the colours of the old one.",
    ),
)

_MASKS = (
    Advice(
        code="tight_prompt_mask",
        source=VTO,
        applies=_when(TryOn, "/mask/shape", lambda r: isinstance(r.mask, PromptMask) and r.mask.shape == "contour"),
        detail="The contour of a prompt mask lies tightly around the thing that the prompt names. A product of another "
        "shape or size will not fit into it.",
        remedy="Use `shape: bounding_box`, the default, unless both have the same outline.",
    ),
    Advice(
        code="box_over_face",
        source=VTO,
        applies=_when(TryOn, "/keep/face", lambda r: _boxed(r) and _unsaid(r, "face")),
        detail="A bounding box may reach over the face, above all of a person who does not stand upright; what lies in it "
        "is redrawn.",
        remedy="Set `keep.face: true` to take the face out of the mask.",
    ),
    Advice(
        code="box_over_hands",
        source=VTO,
        applies=_when(TryOn, "/keep/hands", lambda r: _boxed(r) and _unsaid(r, "hands")),
        detail="A bounding box may reach over the hands; what lies in it is redrawn.",
        remedy="Set `keep.hands: true` to take the hands out of the mask.",
    ),
    Advice(
        code="drawn_mask_over_face_or_hands",
        source=VTO,
        applies=_when(
            TryOn,
            "/keep",
            lambda r: r.person is not None and isinstance(r.mask, ImageMask) and _unsaid(r, "face", "hands"),
        ),
        detail="A mask drawn by hand easily takes in a part of the face or the hands, which is then redrawn.",
        remedy="Set `keep.face` and `keep.hands` to true where people draw their own masks.",
    ),
)

_KEPT = (
    Advice(
        code="kept_face_over_neck",
        source=VTO,
        applies=_when(TryOn, "/keep/face", lambda r: _keeps(r, "face") and _may_cover_the_neck(r)),
        detail="Keeping the face can also keep much of the neck. With a garment that covers the neck, such as a turtleneck "
        "or a scarf, that spoils the result.",
        remedy="Set `keep.face: false` for such a garment.",
    ),
    Advice(
        code="kept_pose_of_other_heels",
        source=VTO,
        applies=_when(TryOn, "/keep/pose", lambda r: _keeps(r, "pose") and body_part(r.garments[0]) == "FOOTWEAR"),
        detail="A pose that is kept looks unnatural where the person wears high heels and the new shoes are flat, or the "
        "other way round.",
        remedy="Set `keep.pose: false` where the heels differ.",
    ),
    Advice(
        code="kept_pose_with_accessory",
        source=VTO,
        applies=_when(TryOn, "/keep/pose", lambda r: _keeps(r, "pose") and r.garments[0].category in _HELD_OR_WORN),
        detail="Handbags and other accessories can look more natural with a new pose.",
        remedy="Set `keep.pose: false`.",
    ),
    Advice(
        code="kept_hands_with_accessory",
        source=VTO,
        applies=_when(TryOn, "/keep/hands", lambda r: _keeps(r, "hands") and r.garments[0].category in _HELD_OR_WORN),
        detail="Handbags and other accessories can look more natural with newly drawn hands.",
        remedy="Set `keep.hands: false`.",
    ),
    Advice(
        code="keep_needs_a_person",
        source=REQUESTS,
        applies=_when(TryOn, "/keep", lambda r: r.scene is not None and any(value is not None for _, value in r.keep)),
        detail="What to keep of a person only matters where the model finds a person in the scene.",
        remedy="Leave `keep` out for a scene without people.",
    ),
)

_STYLED = (
    Advice(
        code="sleeves_up_condition",
        source=VTO,
        applies=_when(TryOn, "/styling/sleeves", lambda r: r.styling.sleeves == "up"),
        detail="Sleeves can be drawn rolled up only if the person wears long sleeves rolled up, short sleeves or none.",
        remedy="Use `sleeves: down`, or another photo, for a person with long sleeves down.",
    ),
    Advice(
        code="tuck_in_condition",
        source=VTO,
        applies=_when(TryOn, "/styling/tuck", lambda r: r.styling.tuck == "in"),
        detail="A garment can be drawn tucked in only if the person's own shirt is tucked in.",
        remedy="Use `tuck: out`, or another photo, for a person whose shirt hangs out.",
    ),
    Advice(
        code="sleeves_of_long_sleeves",
        source=VTO,
        applies=_when(
            TryOn, "/styling/sleeves", lambda r: r.styling.sleeves is not None and r.garments[0].type in _SHORT_SLEEVES
        ),
        detail="The styling of sleeves is meant for shirts with long sleeves.",
        remedy="Leave `styling.sleeves` out for this type of garment.",
    ),
    Advice(
        code="outer_layer_unsaid",
        source=VTO,
        applies=_when(
            TryOn,
            "/styling/outer_layer",
            lambda r: (
                isinstance(r.mask, GarmentMask | None)
                and r.garments[0].type == "other_upper_body"
                and _outer_layer(r) is None
            ),
        ),
        detail="Without `styling.outer_layer` the model replaces everything on the upper body. A jacket or coat may then "
        "lie open over an invented layer.",
        remedy="Set `styling.outer_layer: open` to put a jacket or coat over what the person wears.",
    ),
    Advice(
        code="closed_may_stay_open",
        source=VTO,
        applies=_when(
            TryOn, "/styling/outer_layer", lambda r: _outer_layer(r) == "closed" and r.garments[0].type not in _SHIRTS
        ),
        detail="`closed` only promises that everything on the upper body is replaced: a jacket or coat may still come out "
        "open, over a layer that is new too.",
        remedy="Set `styling.outer_layer: open` to keep what the person wears under a jacket or coat.",
    ),
    Advice(
        code="open_is_for_outer_layers",
        source=REQUESTS,
        applies=_when(
            TryOn, "/styling/outer_layer", lambda r: _outer_layer(r) == "open" and r.garments[0].type in _SHIRTS
        ),
        detail="`open` is for outer layers and keeps what the person wears beneath; for shirts and sweaters the provider "
        "has `closed`.",
        remedy="Leave `styling.outer_layer` out, unless the shirt is to be worn open over the person's own.",
    ),
)

_MERGED = (
    Advice(
        code="balanced_ghost",
        source=VTO,
        applies=_on_plain_backdrop,
        detail="The backdrop of this image is plain. The merge style `balanced` may then leave a faint ghost of "
        "the mask's shape. The provider may also use it if no style is named.",
        remedy="Use `merge: seamless`.",
    ),
    Advice(
        code="seamless_changes_everything",
        source=VTO,
        applies=_when(TryOn, "/merge", lambda r: r.merge == "seamless"),
        detail="With `seamless` every pixel of the image changes a little, and fine detail outside the mask may fade.",
        remedy="Use `merge: balanced` to keep all pixels outside the mask as they are.",
    ),
    Advice(
        code="detailed_seam",
        source=VTO,
        applies=_when(TryOn, "/merge", lambda r: r.merge == "detailed"),
        detail="With `detailed` a seam may show around the changed area.",
        remedy="Use `merge: seamless` if it does.",
    ),
    Advice(
        code="detailed_for_lettering",
        source=VTO,
        applies=_when(
            TryOn,
            "/merge",
            lambda r: (
                isinstance(r.mask, PromptMask)
                and r.merge != "detailed"
                and _LETTERING.search(r.mask.prompt) is not None
            ),
        ),
        detail="Logos and text come out much finer with the merge style `detailed`, above all in a small area.",
        remedy="Use `merge: detailed`.",
    ),
)

ADVICE = _TEXT + _MASKS + _KEPT + _STYLED + _MERGED
