"""Which providers may do a request, in which order; and for every other one, the option that stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from pydantic import ValidationError

from fitting_room.jobs.errors import Fault, Refusal, Warning
from fitting_room.jobs.job import Mode, Subject
from fitting_room.jobs.parse import faults_of
from fitting_room.jobs.tasks import AnyRequest, TryOn
from fitting_room.providers.base import CatalogueEntry, Model
from fitting_room.stores.model_lifecycles import Observed

SANDBOX = "sandbox"


@dataclass(frozen=True)
class Deployment:
    """What this deployment can reach. `regions`: providers on Bedrock with a region to call them in. `private_access`:
    providers whose retired model it may still call. `legacy_models`: `provider/model` of models it offers though they are
    opt-in. `unmoderated`: providers for which `moderation: none` may be asked. `observed`: what Bedrock said of its models."""

    entries: Sequence[CatalogueEntry]
    configured: frozenset[str]
    regions: frozenset[str] = frozenset()
    private_access: frozenset[str] = frozenset()
    observed: Mapping[str, Observed] = field(default_factory=dict)
    today: date = field(default_factory=date.today)
    legacy_models: frozenset[str] = frozenset()
    unmoderated: frozenset[str] = frozenset()

    def end_of_life(self, model: Model) -> date | None:
        """Bedrock's own word before the catalogue's."""
        seen = self.observed.get(model.id)
        return (seen and seen.end_of_life) or model.lifecycle.end_of_life

    def retired(self, entry: CatalogueEntry, model: Model) -> bool:
        if entry.id in self.private_access:
            return False
        end, seen = self.end_of_life(model), self.observed.get(model.id)
        return (end is not None and self.today >= end) or (seen is not None and seen.state == "gone")

    def usable(self, entry: CatalogueEntry) -> bool:
        return (not entry.secret or entry.id in self.configured) and (
            entry.runner != "bedrock" or entry.id in self.regions
        )


@dataclass(frozen=True)
class Plan:
    """Provider ids in the order they are tried, why each other one is left out, and what the user should know."""

    providers: list[str]
    excluded: dict[str, list[Fault]]
    warnings: list[Warning]


def plan(
    request: AnyRequest,
    mode: Mode,
    deployment: Deployment,
    *,
    allowed: frozenset[str] | None = None,
    subjects: Mapping[str, Subject] = MappingProxyType({}),
) -> Plan:
    """`allowed`: the providers that the tenant may use (None: all). `subjects`: by JSON pointer, those the request names.
    Raises `Refusal` with every fault when no provider, or not the named one, can do the request."""
    known = {entry.id: entry for entry in deployment.entries}
    places = _named(request, known)
    named = [known[provider] for provider in places]
    if mode == "test":
        if any(provider != SANDBOX for provider in places):
            raise Refusal.of(
                "provider_not_allowed",
                "A test key reaches only the sandbox provider.",
                "Leave `provider` out, name `sandbox`, or use a live key.",
                pointer="/provider",
            )
        named, allowed = [known[SANDBOX]], None
    candidates = named or [entry for entry in deployment.entries if entry.live and request.task in entry.tasks]
    excluded = {
        entry.id: _at(places.get(entry.id), faults)
        for entry in candidates
        if (faults := _not_allowed(entry, allowed) + faults_for(request, entry, deployment, subjects))
    }
    chosen = [entry for entry in candidates if entry.id not in excluded]
    if not chosen or (named and excluded):
        raise Refusal(*_once([fault for faults in excluded.values() for fault in faults]))
    advice = [
        warning
        for entry in chosen[:1]
        for rule in entry.advice
        if (warning := rule.warning(_as_done(request, entry, _model(request, entry, subjects))))
    ]
    return Plan([entry.id for entry in chosen], excluded, advice)


def _at(place: str | None, faults: list[Fault]) -> list[Fault]:
    """The same faults; those about the choice of a provider point to where it was named."""
    return [
        fault.model_copy(update={"pointer": place}) if place and fault.pointer == "/provider" else fault
        for fault in faults
    ]


def faults_for(
    request: AnyRequest,
    entry: CatalogueEntry,
    deployment: Deployment,
    subjects: Mapping[str, Subject] = MappingProxyType({}),
) -> list[Fault]:
    """Everything that keeps one provider from doing a request; empty when it can."""
    if request.task not in entry.tasks:
        return [_wrong_task(request, entry, deployment)]
    model = _model(request, entry, subjects)
    faults = [fault for asked in request.options() if (fault := entry.refuses(request.task, asked, model))]
    if model is None:
        told = {fault.pointer for fault in faults}
        faults += (
            [_misplaced(entry, at, subject) for at, subject in subjects.items() if at not in told]
            if subjects
            else [_no_model(entry)]
        )
    elif deployment.retired(entry, model):
        faults.append(_retired(request, entry, model, deployment))
    elif model.opt_in and f"{entry.id}/{model.id}" not in deployment.legacy_models:
        faults.append(
            Fault.of(
                "provider_not_configured",
                f"This deployment does not offer {entry.id}/{model.id}.",
                f"Ask its operator to name it in `legacy_models`, or use {entry.id}.",
                pointer="/provider",
                provider=entry.id,
            )
        )
    if not deployment.usable(entry):
        faults.append(_not_usable(entry))
    if request.output.size == "original" and not entry.keeps_framing:
        faults.append(
            Fault.of(
                "unsupported_option",
                f"{entry.title} draws pictures of its own framing: there is no original to go back to.",
                "Leave `output.size` out, or choose another provider.",
                pointer="/output/size",
                provider=entry.id,
            )
        )
    if isinstance(request, TryOn) and len(request.garments) > entry.max_garments:
        faults.append(
            Fault.of(
                "unsupported_option",
                f"{entry.title} takes {entry.max_garments} garments per job at most."
                if entry.max_garments > 1
                else f"{entry.title} takes one garment per job.",
                "Spread them over several jobs, or choose another provider.",
                pointer=f"/garments/{entry.max_garments}",
                provider=entry.id,
            )
        )
    faults += _option_faults(request, entry)
    done = _as_done(request, entry, model)
    faults += [fault.model_copy(update={"provider": entry.id}) for fault in entry.rules(done)]
    if (
        isinstance(request, TryOn)
        and request.moderation == "none"
        and not any(f.pointer == "/moderation" for f in faults)
    ):
        faults += _unmoderated(entry, deployment)
    return faults


def _model(request: AnyRequest, entry: CatalogueEntry, subjects: Mapping[str, Subject]) -> Model | None:
    return entry.model(request, frozenset(subject.made_for for subject in subjects.values()))


def _as_done(request: AnyRequest, entry: CatalogueEntry, model: Model | None) -> AnyRequest:
    """The request as if it named the model that would do it: rules and advice may be a model's."""
    return request.model_copy(update={"provider": f"{entry.id}/{model.id}"}) if model else request


def _not_allowed(entry: CatalogueEntry, allowed: frozenset[str] | None) -> list[Fault]:
    if allowed is None or entry.id in allowed:
        return []
    return [
        Fault.of(
            "provider_not_allowed",
            f"This tenant may not use {entry.title}.",
            f"Use one of: {', '.join(sorted(allowed)) or 'none'}; or ask the operator to allow {entry.id}.",
            pointer="/provider",
            provider=entry.id,
        )
    ]


def _no_model(entry: CatalogueEntry) -> Fault:
    return Fault.of(
        "unsupported_option",
        f"{entry.title} has no model of that name for this task and quality.",
        f"Use {entry.id}, or another quality.",
        pointer="/provider",
        provider=entry.id,
    )


def _misplaced(entry: CatalogueEntry, pointer: str, subject: Subject) -> Fault:
    return Fault.of(
        "unsupported_option",
        f"This subject was made for {subject.made_for}, and only that model can use it.",
        f"Name {subject.made_for} as the provider, and use only subjects that were made for it.",
        pointer=pointer,
        provider=entry.id,
    )


def _unmoderated(entry: CatalogueEntry, deployment: Deployment) -> list[Fault]:
    if not entry.live or entry.id in deployment.unmoderated:
        return []
    return [
        Fault.of(
            "provider_not_allowed",
            f"This deployment does not let {entry.title} work without moderation.",
            f"Use `permissive`, or ask its operator to name {entry.id} in `unmoderated`.",
            pointer="/moderation",
            provider=entry.id,
        )
    ]


def _wrong_task(request: AnyRequest, entry: CatalogueEntry, deployment: Deployment) -> Fault:
    why = entry.cannot.get(request.task, f"{entry.title} does not do `{request.task}`.")
    return Fault.of(
        "unsupported_option",
        why,
        f"Use a provider that does: {_alternatives(request, entry, deployment)}.",
        pointer="/task",
        provider=entry.id,
    )


def _retired(request: AnyRequest, entry: CatalogueEntry, model: Model, deployment: Deployment) -> Fault:
    end = deployment.end_of_life(model)
    ended = end is not None and deployment.today >= end
    when = f"reached its end of life on {end}" if ended else "is no longer known to Bedrock in this Region"
    return Fault.of(
        "model_retired",
        f"{entry.title} ({model.id}) {when}.",
        f"Use another provider ({_alternatives(request, entry, deployment)}), or declare private access in the"
        " deployment if the vendor grants it.",
        pointer="/provider",
        provider=entry.id,
    )


def _not_usable(entry: CatalogueEntry) -> Fault:
    if entry.runner == "bedrock":
        return Fault.of(
            "provider_not_configured",
            f"This deployment names no Bedrock region for {entry.title}.",
            f"Ask its operator to name one in `bedrock_regions` for {entry.id}, or choose another provider.",
            pointer="/provider",
            provider=entry.id,
        )
    return Fault.of(
        "provider_not_configured",
        f"This deployment has no key for {entry.title}.",
        f"Ask its operator to run `python -m admin provider set {entry.id}`, or choose another provider.",
        pointer="/provider",
        provider=entry.id,
    )


def _alternatives(request: AnyRequest, entry: CatalogueEntry, deployment: Deployment) -> str:
    """The other providers with a living model for such a request, for a remedy."""
    return (
        ", ".join(
            other.id
            for other in deployment.entries
            if other.live
            and other.id != entry.id
            and deployment.usable(other)
            and (model := other.model(request))
            and not deployment.retired(other, model)
        )
        or "none is configured"
    )


def _option_faults(request: AnyRequest, entry: CatalogueEntry) -> list[Fault]:
    given, pointer = request.provider_options.get(entry.id), f"/provider_options/{entry.id}"
    if given is None:
        return []
    if entry.options_model is None:
        return [
            Fault.of(
                "unsupported_option",
                f"{entry.title} has no options of its own.",
                "Leave them out.",
                pointer=pointer,
                provider=entry.id,
            )
        ]
    try:
        entry.options_model.model_validate(given)
    except ValidationError as error:
        return [fault.model_copy(update={"provider": entry.id}) for fault in faults_of(error, pointer)]
    return []


def _named(request: AnyRequest, known: dict[str, CatalogueEntry]) -> dict[str, str]:
    """The ids in `provider` and `fallback`, in order, with the pointer of each; none for `auto`."""
    faults: list[Fault] = []
    named: dict[str, str] = {}
    if request.provider != "auto":
        names = [("/provider", request.provider)]
        names += [(f"/fallback/{index}", name) for index, name in enumerate(request.fallback)]
        for pointer, name in names:
            provider, _, model = name.partition("/")
            entry = known.get(provider)
            if entry is None or model not in ("", *(each.id for each in entry.models)):
                choices = ", ".join(
                    name for e in known.values() for name in (e.id, *(f"{e.id}/{m.id}" for m in e.models))
                )
                faults.append(
                    Fault.of("invalid_input", "No such provider or model.", f"Use auto, {choices}.", pointer=pointer)
                )
            else:
                named.setdefault(entry.id, pointer)
    faults += [
        Fault.of(
            "invalid_input",
            "No such provider.",
            f"Use one of: {', '.join(known)}.",
            pointer=f"/provider_options/{provider}",
        )
        for provider in request.provider_options
        if provider not in known
    ]
    if faults:
        raise Refusal(*faults)
    return named


def _once(faults: list[Fault]) -> list[Fault]:
    return list(dict.fromkeys(faults))
