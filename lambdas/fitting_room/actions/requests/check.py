"""All faults of a body, in one answer: fields, rules over several, pictures, and limits of providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fitting_room.actions.requests.context import deployment, subjects_of
from fitting_room.actions.requests.plan import Deployment, Plan, named_in, plan
from fitting_room.actions.requests.sources import located
from fitting_room.clock import Clock
from fitting_room.jobs.document import get, path_of, within
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Source, Subject
from fitting_room.jobs.parse import Draft, read
from fitting_room.jobs.request import RequestedOption
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.jobs.wording import field_of, nearest
from fitting_room.providers.base import CatalogueEntry, Option
from fitting_room.settings import settings
from fitting_room.stores import webhooks
from fitting_room.stores.api_keys import Caller


@dataclass(frozen=True)
class Checked:
    """A request without a fault.

    `subjects`: the subjects it names, by JSON pointer. `sources`: its pictures that are no inline data, by role.
    """

    request: AnyRequest
    subjects: Mapping[str, Subject]
    sources: Mapping[str, Source]
    plan: Plan


def check(body: Any, caller: Caller, at: Clock, *, find_uploads: bool) -> Checked:
    """Return the request if it has no fault.

    `find_uploads`: each upload must be there. Raises `Refusal` with all faults.
    """
    draft = read(body, frozenset(settings().deployment.fetch_allow))
    if draft.request is None:
        raise Refusal(*draft.faults)
    here, planned = deployment(at), None
    subjects, faults = subjects_of(draft.request, caller, at)
    sources, unusable = located(draft.request, caller, at, find_uploads=find_uploads)
    faults += unusable + (unsigned(caller) if draft.request.webhook else [])
    try:
        planned = plan(draft.request, caller, here, subjects=subjects)
    except Refusal as refusal:  # where auto finds nobody for a body that had to be mended, that may be why
        guessed = draft.faults and draft.request.provider == "auto"
        faults += [fault for fault in refusal.faults if not (guessed and fault.provider)]
    faults = together(draft, draft.certain(faults), here)
    if faults or planned is None:
        raise Refusal(*faults)
    return Checked(draft.request, subjects, sources, planned)


def unsigned(caller: Caller) -> list[Fault]:
    """Return a fault for a request that names a webhook, if the tenant has no secret.

    A receiver cannot distinguish a webhook without a signature from a forged one.
    """
    if webhooks.signed(caller.tenant):
        return []
    return [
        Fault.of(
            "webhook_not_configured",
            "This tenant has no secret to sign webhooks with.",
            "Ask the operator to create one, or submit the job without `webhook`.",
            pointer="/webhook",
        )
    ]


def together(draft: Draft, others: list[Fault], here: Deployment) -> list[Fault]:
    """Return the faults of the fields together with those of the providers.

    Where both state a limit, only the provider's stays. The field's limit is the widest of all, and a value within it
    may be refused again.
    """
    told = {fault.pointer or "" for fault in others}
    own = [
        _narrowed(fault, draft.request, draft.sent, here) if draft.request else fault
        for fault in draft.faults
        if not (fault.pointer in draft.cut and any(within(pointer, fault.pointer) for pointer in told))
    ]
    return list(dict.fromkeys([*own, *others]))


def _narrowed(fault: Fault, request: AnyRequest, sent: Any, here: Deployment) -> Fault:
    """Return the fault of a field, reworded to the limits of the provider that the request names."""
    name = _option(fault.pointer or "")
    known = {entry.id: entry for entry in here.entries}
    named = [known[provider] for provider in named_in(request, here.entries)[0]]
    options = {name for entry in here.entries for model in entry.models for name in entry.honours(request.task, model)}
    if not named or name not in options:
        return fault
    return _of(named[0], fault, name, request, sent)


def _of(entry: CatalogueEntry, fault: Fault, name: str, request: AnyRequest, sent: Any) -> Fault:
    model = entry.model(request)
    option = entry.honours(request.task, model).get(name)
    if option is None and request.task in entry.tasks:
        place = (fault.pointer or "").removesuffix("/type") if name == "mask" else fault.pointer
        return entry.refuses(request.task, RequestedOption(name, place or "", None), model) or fault
    if option is None or not option.limited or True in (option.values or ()):
        return fault
    value = get(sent, path_of(fault.pointer or ""))
    return fault.model_copy(update={"remedy": _remedy(option, value, fault.remedy), "provider": entry.id})


_RANGE = re.compile(r"(a (?:whole )?number from )?[\d.,]*\d to [\d.,]*\d")
"""The range in the remedy of a field."""


def _remedy(option: Option, sent: Any, remedy: str) -> str:
    """Return the remedy of a field with the values or the range of one provider, the rest of it as it was."""
    rule = option.rule()
    if option.values is None:
        return _RANGE.sub(lambda found: (found[1] or "") + rule if " to " in rule else rule, remedy, count=1)
    near = nearest(sent, map(str, option.values))
    return (f"Did you mean `{near}`? " if near else "") + f"Use {rule}."


def _option(pointer: str) -> str:
    """Return the name that catalogue entries have for the option at a pointer."""
    if pointer.startswith("/mask"):
        return "mask" if pointer == "/mask/type" else ""
    return re.sub(r"^garments\[\d+\]", "garment", field_of(pointer))
