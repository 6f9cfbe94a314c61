"""Which providers may do a request, in which order; and for every other one, the option that stops it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from pydantic import ValidationError

from fitting_room.jobs.errors import Fault, JobWarning, Refusal
from fitting_room.jobs.job import Subject
from fitting_room.jobs.parse import faults_of
from fitting_room.jobs.request import RequestedOption
from fitting_room.jobs.tasks import AnyRequest, TryOn
from fitting_room.jobs.wording import nearest
from fitting_room.providers.base import CatalogueEntry, Model
from fitting_room.providers.runners import RUNNERS
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.model_lifecycles import ObservedLifecycle

SANDBOX = "sandbox"


@dataclass(frozen=True)
class Deployment:
    """The providers and models that this deployment can reach.

    `regions`: providers with an AWS region to call them in. `private_access`: providers whose retired model it may
    still call. `legacy_models`: `provider/model` of opt-in models that it offers. `unmoderated`: providers for which
    `moderation: none` may be asked. `observed`: the state of each model as its provider reported it. `paused`: providers
    that the operator has paused. `erasing`: providers whose key may delete, as the stage says. `photo_regions`: the AWS
    regions in which each provider may process photos.
    """

    entries: Sequence[CatalogueEntry]
    configured: frozenset[str]
    regions: frozenset[str] = frozenset()
    private_access: frozenset[str] = frozenset()
    observed: Mapping[str, ObservedLifecycle] = field(default_factory=dict)
    today: date = field(default_factory=date.today)
    legacy_models: frozenset[str] = frozenset()
    unmoderated: frozenset[str] = frozenset()
    paused: frozenset[str] = frozenset()
    erasing: frozenset[str] = frozenset()
    photo_regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def seen(self, entry: CatalogueEntry, model: Model) -> ObservedLifecycle | None:
        """Return the reported state of a model; a provider's own answer is about the ids that it was sent."""
        return self.observed.get(f"{entry.id}/{model.known_as}") or self.observed.get(model.id)

    def end_of_life(self, model: Model) -> date | None:
        """Return the end of life of a model, from Bedrock where it is known, else from the catalogue."""
        seen = self.observed.get(model.id)
        return (seen and seen.end_of_life) or model.lifecycle.end_of_life

    def retired(self, entry: CatalogueEntry, model: Model) -> bool:
        if entry.id in self.private_access:
            return False
        end, seen = self.end_of_life(model), self.seen(entry, model)
        return (end is not None and self.today >= end) or (seen is not None and seen.state == "gone")

    def model(self, request: AnyRequest, entry: CatalogueEntry, made_for: frozenset[str] = frozenset()) -> Model | None:
        """Return the model of a provider for a request: a living one, unless the request or a subject names another."""
        living = tuple(model for model in entry.models if self.offers(entry, model) and not self.retired(entry, model))
        return entry.model_copy(update={"models": living}).model(request, made_for) or entry.model(request, made_for)

    def offers(self, entry: CatalogueEntry, model: Model) -> bool:
        return not model.opt_in or f"{entry.id}/{model.id}" in self.legacy_models

    def usable(self, entry: CatalogueEntry) -> bool:
        """Return whether this deployment has the models, the key and the Region that a provider needs.

        An entry has no models where its operator brings them and has named none.
        """
        return (
            bool(entry.models)
            and (not entry.secret or entry.id in self.configured)
            and (not RUNNERS[entry.runner].needs_region or entry.id in self.regions)
        )


@dataclass(frozen=True)
class Plan:
    """Provider ids in the order they are tried, why each other one is left out, and what the user should know.

    `models`: the model of each provider in the plan.
    """

    providers: list[str]
    excluded: dict[str, list[Fault]]
    warnings: list[JobWarning]
    models: dict[str, str] = field(default_factory=dict)


def plan(
    request: AnyRequest,
    caller: Caller,
    deployment: Deployment,
    *,
    subjects: Mapping[str, Subject] = MappingProxyType({}),
) -> Plan:
    """Return the providers to try.

    `subjects`: by JSON pointer, those that the request names. Raises `Refusal` with every fault when no provider, or
    not the named one, can do the request.
    """
    known = {entry.id: entry for entry in deployment.entries}
    test = caller.mode == "test"
    allowed = frozenset({SANDBOX}) if test else caller.providers
    places, wrong = named_in(request, deployment.entries, allowed)
    named = [known[SANDBOX]] if test else [known[provider] for provider in places]
    if test:
        told = {fault.pointer for fault in wrong}
        wrong += [_live(at) for provider, at in places.items() if provider != SANDBOX and at not in told]
    reachable = [entry for entry in deployment.entries if allowed is None or entry.id in allowed]
    here, can = replace(deployment, entries=reachable), dict[str, bool]()
    candidates = named or [entry for entry in deployment.entries if entry.live and request.task in entry.tasks]
    excluded = {
        entry.id: _at(places.get(entry.id), faults)
        for entry in candidates
        if (faults := _not_allowed(entry, allowed) + faults_for(request, entry, here, subjects, can))
    }
    chosen = [entry for entry in candidates if entry.id not in excluded]
    if wrong or not chosen or (named and excluded):
        groups = excluded.values() if named else _reachable_first(excluded.values()) if not chosen else ()
        told = {fault.pointer for fault in wrong}
        raise Refusal(*_once([*wrong, *(fault for faults in groups for fault in faults if fault.pointer not in told)]))
    advice = [
        warning
        for entry in chosen[:1]
        for rule in entry.advice
        if (warning := rule.warning(_as_done(request, entry, _model(request, entry, deployment, subjects))))
    ]
    models = {
        entry.id: model.id for entry in chosen if (model := _model(request, entry, deployment, subjects)) is not None
    }
    return Plan([entry.id for entry in chosen], excluded, advice, models)


def _live(pointer: str) -> Fault:
    return Fault.of(
        "provider_not_allowed",
        "A test key reaches only the sandbox provider.",
        "Leave `provider` out, name `sandbox`, or use a live key.",
        pointer=pointer,
    )


_ABSENCES = ("provider_paused", "provider_not_allowed", "provider_not_configured", "model_retired")
"""Why nobody can reach a provider, whatever the request says: the later, the less a client can change it."""


def _reachable_first(groups: Iterable[list[Fault]]) -> list[list[Fault]]:
    """Return the faults of each provider, those of the reachable ones first.

    Of the others each begins with the reason that it cannot be reached.
    """

    def absence(fault: Fault) -> int:
        return _ABSENCES.index(fault.code) + 1 if fault.pointer == "/provider" and fault.code in _ABSENCES else 0

    return [
        sorted(faults, key=absence, reverse=True)
        for faults in sorted(groups, key=lambda faults: max(absence(fault) for fault in faults))
    ]


def _at(place: str | None, faults: list[Fault]) -> list[Fault]:
    """Return the same faults, with those about the choice of a provider moved to where it was named."""
    return [
        fault.model_copy(update={"pointer": place}) if place and fault.pointer == "/provider" else fault
        for fault in faults
    ]


_FEWER = "Spread the garments over several jobs."
OTHER_WAYS = " Or name another provider that can: "
"""Begins the end of a remedy, for clients that may name a provider."""


class _Others(NamedTuple):
    """The other providers with a living model for the task, and the names of those that can do the whole request.

    Other models of the same provider are among the names.
    """

    living: Sequence[CatalogueEntry] = ()
    able: Sequence[str] = ()


def faults_for(
    request: AnyRequest,
    entry: CatalogueEntry,
    deployment: Deployment,
    subjects: Mapping[str, Subject] = MappingProxyType({}),
    can: dict[str, bool] | None = None,
) -> list[Fault]:
    """Return all faults that keep one provider from doing a request, with the other ones that can.

    The list is empty when it can. `can`: by name, the verdicts of earlier calls about the same request, and of this one.
    """
    if not (faults := _faults(request, entry, deployment, subjects, _Others())):
        return faults
    living = _living(request, entry, deployment)
    asked = {f"{entry.id}/{model.id}": (_naming(request, entry, model), entry) for model in entry.models}
    asked |= {other.id: (request, other) for other in living}
    can = {} if can is None else can
    for name in asked.keys() - can.keys():
        can[name] = not _faults(*asked[name], deployment, subjects, _Others())
    return _faults(request, entry, deployment, subjects, _Others(living, [name for name in asked if can[name]]))


def _faults(
    request: AnyRequest,
    entry: CatalogueEntry,
    deployment: Deployment,
    subjects: Mapping[str, Subject],
    others: _Others,
) -> list[Fault]:
    """Return the faults of `faults_for`. `others`: those that remedies may name."""
    if request.task not in entry.tasks:
        return [_wrong_task(request, entry, others)]
    if not entry.models:
        return [_not_usable(entry, others)]
    model = _model(request, entry, deployment, subjects)
    entry = entry.as_of(model)
    faults = [
        _or_else(fault, asked, request, entry, deployment, others)
        for asked in request.options()
        if (fault := entry.refuses(request.task, asked, model))
    ]
    if model is None:
        told = {fault.pointer for fault in faults}
        if subjects:
            faults += [_misplaced(entry, at, subject) for at, subject in subjects.items() if at not in told]
        elif "/output/quality" not in told:
            faults.append(_no_model(request, entry))
    elif deployment.retired(entry, model):
        faults.append(_retired(request, entry, model, deployment, others))
    elif not deployment.offers(entry, model):
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
        faults.append(_not_usable(entry, others))
    elif entry.id in deployment.paused:
        faults.append(_paused(request, entry, others))
    if request.output.size == "original" and not entry.keeps_framing:
        faults.append(
            Fault.of(
                "unsupported_option",
                f"{entry.title} draws images of its own framing: there is no original size to go back to.",
                f"Leave `output.size` out.{_ways(others.able)}",
                pointer="/output/size",
                provider=entry.id,
            )
        )
    if isinstance(request, TryOn) and (count := len(request.garments)) > entry.max_garments:
        faults.append(
            Fault.of(
                "unsupported_option",
                f"{entry.title} takes {entry.max_garments} garments per job at most."
                if entry.max_garments > 1
                else f"{entry.title} takes one garment per job.",
                entry.instead.get("garments", _FEWER if entry.max_garments > 1 else "Send one job per garment.")
                + _ways(
                    other.id
                    for other in others.living
                    if other.as_of(deployment.model(request, other)).max_garments >= count
                ),
                pointer=f"/garments/{entry.max_garments}",
                provider=entry.id,
            )
        )
    faults += _option_faults(request, entry)
    done = _as_done(request, entry, model)
    faults += [
        fault.model_copy(update={"provider": entry.id, "remedy": fault.remedy + _ways(others.able)})
        for fault in entry.rules(done)
    ]
    if (
        isinstance(request, TryOn)
        and request.moderation == "none"
        and not any(f.pointer == "/moderation" for f in faults)
    ):
        faults += _unmoderated(entry, deployment)
    return faults


def _model(
    request: AnyRequest, entry: CatalogueEntry, deployment: Deployment, subjects: Mapping[str, Subject]
) -> Model | None:
    return deployment.model(request, entry, frozenset(subject.made_for for subject in subjects.values()))


def _as_done(request: AnyRequest, entry: CatalogueEntry, model: Model | None) -> AnyRequest:
    """Return the request as if it named the model that would do it.

    Rules and advice may depend on the model.
    """
    return request.model_copy(update={"provider": f"{entry.id}/{model.id}"}) if model else request


def _naming(request: AnyRequest, entry: CatalogueEntry, model: Model) -> AnyRequest:
    return request.model_copy(update={"provider": f"{entry.id}/{model.id}", "fallback": []})


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


def _or_else(
    fault: Fault,
    asked: RequestedOption,
    request: AnyRequest,
    entry: CatalogueEntry,
    deployment: Deployment,
    others: _Others,
) -> Fault:
    """Return the fault of an option, with the other models and providers that do take it.

    Where some of them can do the whole request, only those are named.
    """

    def takes(other: CatalogueEntry, model: Model | None) -> bool:
        return model is not None and other.refuses(request.task, asked, model) is None

    def fits(model: Model) -> bool:
        named = _naming(request, entry, model)
        return model.does(request) and deployment.offers(entry, model) and not entry.rules(named)

    ways = [f"{entry.id}/{model.id}" for model in entry.models if takes(entry, model) and fits(model)]
    ways += [other.id for other in others.living if takes(other, deployment.model(request, other))]
    return fault.model_copy(
        update={"remedy": fault.remedy + _ways([way for way in ways if way in others.able] or ways)}
    )


def _ways(providers: Iterable[str]) -> str:
    names = _listed(providers)
    return f"{OTHER_WAYS}{names}." if names else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _no_model(request: AnyRequest, entry: CatalogueEntry) -> Fault:
    does = [model for model in entry.models if model.does(request)]
    names = ", ".join(f"{entry.id}/{model.id}" for model in does)
    return Fault.of(
        "unsupported_option",
        f"The model that is named does not do `{request.task}` at this quality.",
        f"Name {entry.id} alone, or one of its models that does: {names}." if names else "Leave `output.quality` out.",
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


def _wrong_task(request: AnyRequest, entry: CatalogueEntry, others: _Others) -> Fault:
    why = entry.cannot.get(request.task, f"{entry.title} does not do `{request.task}`.")
    return Fault.of(
        "unsupported_option",
        why,
        _alternatives(request, others),
        pointer="/task",
        provider=entry.id,
    )


def _retired(
    request: AnyRequest, entry: CatalogueEntry, model: Model, deployment: Deployment, others: _Others
) -> Fault:
    end = deployment.end_of_life(model)
    ended = end is not None and deployment.today >= end
    seen, remedy = deployment.seen(entry, model), _alternatives(request, others)
    if ended:
        when = f"reached its end of life on {end}"
    elif seen and seen.until:
        when = f"is no longer known to its provider, as that answered at {seen.checked_at}"
        remedy += f" The provider is asked again after {seen.until}."
    else:
        when = "is no longer known to Bedrock in this Region"
    if RUNNERS[entry.runner].lifecycles:
        remedy += (
            " If the provider grants this account private access, its operator can declare that in `private_access`."
        )
    return Fault.of(
        "model_retired",
        f"{entry.title} ({model.id}) {when}.",
        remedy,
        pointer="/provider",
        provider=entry.id,
    )


def _not_usable(entry: CatalogueEntry, others: _Others) -> Fault:
    if not entry.models:
        return Fault.of(
            "provider_not_configured",
            f"This deployment names no endpoint for `{entry.id}`.",
            f"Ask its operator to name one in the setting `{RUNNERS[entry.runner].setting}`.{_ways(others.able)}",
            pointer="/provider",
            provider=entry.id,
        )
    if RUNNERS[entry.runner].needs_region:
        return Fault.of(
            "provider_not_configured",
            f"This deployment names no AWS region for {entry.title}.",
            f"Ask its operator to name one in `bedrock_regions` for {entry.id}.{_ways(others.able)}",
            pointer="/provider",
            provider=entry.id,
        )
    return Fault.of(
        "provider_not_configured",
        f"This deployment has no key for {entry.title}.",
        f"Ask its operator to store a key for {entry.title}.{_ways(others.able)}",
        pointer="/provider",
        provider=entry.id,
    )


def _paused(request: AnyRequest, entry: CatalogueEntry, others: _Others) -> Fault:
    return Fault.of(
        "provider_paused",
        f"The operator of this deployment has paused {entry.title}.",
        f"Send the request again later. {_alternatives(request, others)}",
        pointer="/provider",
        provider=entry.id,
    )


def _living(request: AnyRequest, entry: CatalogueEntry, deployment: Deployment) -> list[CatalogueEntry]:
    """Return the other providers with a living model for such a request."""
    return [
        other
        for other in deployment.entries
        if other.live
        and other.id != entry.id
        and deployment.usable(other)
        and other.id not in deployment.paused
        and (model := deployment.model(request, other))
        and deployment.offers(other, model)
        and not deployment.retired(other, model)
    ]


def _alternatives(request: AnyRequest, others: _Others) -> str:
    """Return the sentence of a remedy that names other providers."""
    if others.able:
        return f"Name another provider that can: {_listed(others.able)}."
    if others.living:
        names = _listed(other.id for other in others.living)
        return f"No other provider takes this request as it is. Name one, and change what it refuses: {names}."
    return f"No other provider for `{request.task}` can be used here with this key: ask the operator for one."


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
        entry.options_model.model_validate(given, strict=True)
    except ValidationError as error:
        faults = faults_of(error, entry.options_model, pointer)
        return [fault.model_copy(update={"provider": entry.id}) for fault in faults]
    return []


def named_in(
    request: AnyRequest, entries: Sequence[CatalogueEntry], allowed: frozenset[str] | None = None
) -> tuple[dict[str, str], list[Fault]]:
    """Return the providers named in `provider` and `fallback`, and the faults of unknown names.

    The ids are in order, with the pointer of each; `auto` has none. For an unknown name the nearest known id is among
    them. `allowed`: the providers that a remedy may name, None for all.
    """
    known = {entry.id: entry for entry in entries}
    offered = [name for name in known if allowed is None or name in allowed] or [*known]
    faults: list[Fault] = []
    named: dict[str, str] = {}
    if request.provider != "auto":
        names = [("/provider", request.provider)]
        names += [(f"/fallback/{index}", name) for index, name in enumerate(request.fallback)]
        for pointer, name in names:
            provider, _, model = name.partition("/")
            entry = known.get(provider) or known.get(nearest(provider, known) or "")
            if entry is None or entry.id != provider or not _has(entry, model):
                faults.append(_unknown(pointer, model, entry, offered))
            if entry is not None:
                named.setdefault(entry.id, pointer)
    faults += [
        _unknown(f"/provider_options/{provider}", "", known.get(nearest(provider, known) or ""), [*known])
        for provider in request.provider_options
        if provider not in known
    ]
    return named, faults


def _has(entry: CatalogueEntry, model: str) -> bool:
    """Return whether a name may be a model's.

    A provider without any model has another fault, which reports that.
    """
    return not (model and entry.models) or model in (each.id for each in entry.models)


def _unknown(pointer: str, model: str, meant: CatalogueEntry | None, offered: Sequence[str]) -> Fault:
    """Return the fault of a name that is no provider or model.

    `meant`: the provider whose name is like it. `offered`: those that the client may name.
    """
    if meant and model and meant.id in offered:
        models = [each.id for each in meant.models]
        near = nearest(model, models)
        remedy = f"Use {meant.id} alone, or one of its models: {', '.join(f'{meant.id}/{name}' for name in models)}."
        remedy = (f"Did you mean `{meant.id}/{near}`? " if near else "") + remedy
    else:
        remedy = (f"Did you mean `{meant.id}`? " if meant and meant.id in offered else "") + "Use "
        remedy += "auto, or " if pointer == "/provider" else ""
        remedy += (f"one of: {', '.join(offered)}" if len(offered) > 1 else ", ".join(offered)) + "."
    return Fault.of("invalid_input", "There is no such provider or model.", remedy, pointer=pointer)


def _once(faults: list[Fault]) -> list[Fault]:
    return list(dict.fromkeys(faults))
