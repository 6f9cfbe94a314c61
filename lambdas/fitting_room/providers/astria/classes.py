"""The vendor's words for the content of a picture: a reference's class decides what it takes from the picture.

Sources: pages "Virtual Try-on for Flux" and "Virtual Try-on"; the skills of the vendor's command line tool.
"""

from __future__ import annotations

from collections.abc import Mapping

from fitting_room.jobs.tasks import AnyRequest, TryOn
from fitting_room.providers.astria.options import ID, Options
from fitting_room.providers.base import ReferenceKind

SD15_GARMENT = "clothing"
""""The faceid class name should be `clothing` or `garment`": what the garment is, the text of a prompt says."""
CLASSES: Mapping[str, str | None] = {  # our category -> class; None: too coarse, the client must name it
    "auto": "clothing",
    "tops": "shirt",
    "bottoms": "pants",
    "one_piece": "dress",
    "outfit": "clothing",
    "footwear": "shoes",
    # "The `name` must represent the main subject. "jewelry" is a poor name"
    "headwear": None,
    "eyewear": None,
    "jewelry": None,
    "accessories": None,
}


def garment_class(request: TryOn, index: int, options: Options) -> str | None:
    """Return the class of the garment picture at `index`.

    None where its category has none and the client named none.
    """
    named = options.garment_classes or []
    return (named[index] if index < len(named) else None) or CLASSES.get(request.garments[index].category)


def references(request: AnyRequest) -> Mapping[str, ReferenceKind]:
    """Return the kinds of references by role.

    A person's picture is the job's own; garments are shared.
    """
    if not isinstance(request, TryOn):
        return {}
    options = Options.model_validate(request.provider_options.get(ID, {}))
    found = {}
    if request.person and request.person.kind:
        found["person"] = ReferenceKind(class_name=str(options.person_class), shared=False)
    for index, garment in enumerate(request.garments):
        if garment.image:
            found[f"garment-{index}"] = ReferenceKind(
                class_name=str(garment_class(request, index, options)), flat_lay=garment.photo == "flat_lay"
            )
    return found
