"""The context of a check: the providers that this deployment can reach, and the subjects that a request names."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.requests.plan import Deployment
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Subject
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.runners import RUNNERS
from fitting_room.settings import settings
from fitting_room.stores import model_lifecycles, provider_keys, subjects
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.offers import entries, pauses

_NEAREST = ("account", "aws", None)


def deployment(at: Clock) -> Deployment:
    config, now = settings().deployment, clock.text(at.now())
    observed = model_lifecycles.observed(at).items()
    first = {provider: index for index, provider in enumerate(config.provider_order)}

    def order(entry: CatalogueEntry) -> tuple[bool, int, int, bool]:
        place = _NEAREST.index(entry.photos_stay_in) if config.prefer else 0
        return not entry.live, place, first.get(entry.id, len(first)), entry.editor

    ordered = sorted(entries(at), key=order)
    return Deployment(
        ordered,
        provider_keys.configured(at),
        frozenset(config.bedrock_regions),
        frozenset(config.private_access),
        {model: seen for model, seen in observed if seen.until is None or now < seen.until},
        at.now().date(),
        frozenset(config.legacy_models),
        frozenset(config.unmoderated),
        frozenset(pauses(at)),
        frozenset(name for name, given in config.provider_settings.items() if given.get("erases") is True),
        {entry.id: _regions(entry) for entry in ordered},
    )


def _regions(entry: CatalogueEntry) -> tuple[str, ...]:
    """Return the AWS regions in which a provider may process photos; none where it is outside AWS, or off."""
    if entry.photos_stay_in is None:
        return ()
    if not RUNNERS[entry.runner].needs_region:
        return (settings().aws_region,)
    region = settings().deployment.bedrock_regions.get(entry.id)
    others = {other for model in entry.models for other in model.inference_regions}
    return tuple(sorted({region, *others})) if region else ()


def subjects_of(request: AnyRequest, caller: Caller, at: Clock) -> tuple[dict[str, Subject], list[Fault]]:
    """Return the subjects that a request names, by JSON pointer, and the faults of those that cannot be used."""
    found = {pointer: _ready(subject_id, caller, at) for pointer, subject_id in request.subjects()}
    missing = [
        Fault.of(
            "subject_not_ready",
            "This subject is unknown, still being made, failed, or being erased.",
            "See GET /v1/subjects/{id}, and submit the job once its status is ready.",
            pointer=pointer,
        )
        for pointer, subject in found.items()
        if subject is None
    ]
    misplaced = [
        Fault.of(
            "invalid_input",
            f"This subject is a {subject.kind}.",
            "Name a person in `person.subject`, and a garment in `garments[].subject`.",
            pointer=pointer,
        )
        for pointer, subject in found.items()
        if subject and not pointer.startswith(f"/{subject.kind}")
    ]
    return {pointer: subject for pointer, subject in found.items() if subject}, missing + misplaced


def _ready(subject_id: str, caller: Caller, at: Clock) -> Subject | None:
    """Return a subject that is ready for use.

    A test key has no subjects, so it gets None.
    """
    return subjects.ready(subject_id, caller.tenant, at.now()) if caller.mode == "live" else None
