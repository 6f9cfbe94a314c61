"""Which providers may do a request, in which order; and for every other one, the option that stops it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from pydantic import ValidationError

from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Mode
from fitting_room.jobs.request import TryOn, faults_of
from fitting_room.providers.base import CatalogueEntry

SANDBOX = "sandbox"


@dataclass(frozen=True)
class Deployment:
    """What this deployment can reach. `private_access`: providers whose retired model it may still call."""

    entries: Sequence[CatalogueEntry]
    configured: frozenset[str]
    private_access: frozenset[str] = frozenset()
    today: date = field(default_factory=date.today)

    def retired(self, entry: CatalogueEntry) -> bool:
        return entry.lifecycle.retired(self.today) and entry.id not in self.private_access

    def usable(self, entry: CatalogueEntry) -> bool:
        return not entry.secret or entry.id in self.configured


def plan(request: TryOn, mode: Mode, deployment: Deployment) -> list[str]:
    """Provider ids in the order they are tried. Raises `Refusal` with every fault when none, or the named one, cannot."""
    known = {entry.id: entry for entry in deployment.entries}
    named = _named(request, known)
    if mode == "test":
        if any(entry.id != SANDBOX for entry in named):
            raise Refusal.of("provider_not_allowed", "A test key reaches only the sandbox provider.",
                             "Leave `provider` out, name `sandbox`, or use a live key.", pointer="/provider")
        named = [known[SANDBOX]]
    if named:
        if faults := [fault for entry in named for fault in faults_for(request, entry, deployment)]:
            raise Refusal(*_once(faults))
        return [entry.id for entry in named]
    candidates = [entry for entry in deployment.entries if entry.live]
    excluded = {entry.id: faults_for(request, entry, deployment) for entry in candidates}
    if chosen := [entry.id for entry in candidates if not excluded[entry.id]]:
        return chosen
    raise Refusal(*_once([fault for faults in excluded.values() for fault in faults]))


def faults_for(request: TryOn, entry: CatalogueEntry, deployment: Deployment) -> list[Fault]:
    """Everything that keeps one provider from doing a request; empty when it can."""
    faults = []
    if deployment.retired(entry):
        alternatives = ", ".join(other.id for other in deployment.entries
                                 if other.live and other.id != entry.id and deployment.usable(other)
                                 and not deployment.retired(other)) or "none is configured"
        faults.append(Fault.of(
            "model_retired", f"{entry.title} reached its end of life on {entry.lifecycle.end_of_life}.",
            f"Use another provider ({alternatives}), or declare private access in the deployment if the vendor grants it.",
            pointer="/provider", provider=entry.id))
    if not deployment.usable(entry):
        faults.append(Fault.of("provider_not_configured", f"This deployment has no key for {entry.title}.",
                               f"Ask its operator to run `python -m local.admin provider set {entry.id}`, or choose"
                               " another provider.",
                               pointer="/provider", provider=entry.id))
    faults += [fault for asked in request.options() if (fault := entry.refuses(asked))]
    if len(request.garments) > entry.max_garments:
        faults.append(Fault.of("unsupported_option",
                               f"{entry.title} takes at most {entry.max_garments} garment per job.",
                               "Send one job per garment, or choose another provider.",
                               pointer=f"/garments/{entry.max_garments}", provider=entry.id))
    faults += _option_faults(request, entry)
    return faults + [fault.model_copy(update={"provider": entry.id}) for fault in entry.rules(request)]


def _option_faults(request: TryOn, entry: CatalogueEntry) -> list[Fault]:
    given, pointer = request.provider_options.get(entry.id), f"/provider_options/{entry.id}"
    if given is None:
        return []
    if entry.options_model is None:
        return [Fault.of("unsupported_option", f"{entry.title} has no options of its own.", "Leave them out.",
                         pointer=pointer, provider=entry.id)]
    try:
        entry.options_model.model_validate(given)
    except ValidationError as error:
        return [fault.model_copy(update={"provider": entry.id}) for fault in faults_of(error, pointer)]
    return []


def _named(request: TryOn, known: dict[str, CatalogueEntry]) -> list[CatalogueEntry]:
    """The entries of `provider` and `fallback`, in order; none for `auto`."""
    faults, named = [], []
    if request.provider != "auto":
        names = [("/provider", request.provider)]
        names += [(f"/fallback/{index}", name) for index, name in enumerate(request.fallback)]
        for pointer, name in names:
            provider, _, model = name.partition("/")
            entry = known.get(provider)
            if entry is None or model not in ("", entry.model):
                choices = ", ".join(f"{e.id} or {e.id}/{e.model}" for e in known.values())
                faults.append(Fault.of("invalid_input", "No such provider or model.", f"Use auto, {choices}.",
                                       pointer=pointer))
            elif entry not in named:
                named.append(entry)
    faults += [Fault.of("invalid_input", "No such provider.", f"Use one of: {', '.join(known)}.",
                        pointer=f"/provider_options/{provider}")
               for provider in request.provider_options if provider not in known]
    if faults:
        raise Refusal(*faults)
    return named


def _once(faults: list[Fault]) -> list[Fault]:
    return list(dict.fromkeys(faults))
