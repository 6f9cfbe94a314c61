"""A provider is data (a `CatalogueEntry`, here) plus an adapter that speaks to the vendor (`adapter.py`).

The entry is read by the API, the planner and the CDK app, so this module imports neither an SDK nor an imaging library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.errors import Fault, JobWarning
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.jobs.request import RequestedOption
from fitting_room.jobs.tasks import AnyRequest, Task
from fitting_room.jobs.wording import field_of, span
from fitting_room.providers.runners import RUNNERS, PhotosStayIn, RunnerName
from fitting_room.settings import DeploymentSettings


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Option(_Frozen):
    """How far an option is honoured, and the provider's words about it.

    Any value is taken, one of `values`, or a number from `minimum` to `maximum`. `default`: the provider's own, which
    applies when nothing is sent; None where no document names one. `meaning`: of the option; `meanings`: of its
    values, by name. `drawn`: the largest seed that is drawn for a job without one, where that is not `maximum`.
    """

    values: tuple[str | bool, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    drawn: int | None = None
    default: str | bool | int | float | None = None
    meaning: str | None = None
    meanings: Mapping[str, str] | None = None

    def honours(self, value: Any) -> bool:
        if self.values is not None and value not in self.values:
            return False
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    @property
    def limited(self) -> bool:
        return self.values is not None or self.minimum is not None or self.maximum is not None

    def rule(self) -> str:
        """Return the rule in words, for a remedy: `one of: a, b` or `1 to 2,147,483,646`."""
        if self.values is None:
            return span(self.minimum, self.maximum)
        names = [str(value).lower() if isinstance(value, bool) else value for value in self.values]
        return names[0] if len(names) == 1 else f"one of: {', '.join(names)}"


_OTHERWISE = {
    # what cannot simply be left out
    "scene": "Send a `person`.",
    "person.photos": "Send the person as one image.",
    "person.stock": "Send the person as one image.",
    "person.subject": "Send the person as one image.",
    "garment.subject": "Send the garment as `image`.",
}


Basis = Literal["image", "megapixel", "token", "hour"]


class Price(_Frozen):
    """The price of `model` up to `max_side` px and at `quality` (None: any).

    `amount` is in `currency`, for one unit of `basis`. None: the provider bills `credits` for an image, whose worth
    depends on the account.
    """

    model: str | None = None
    amount: float | None = None
    currency: str = "USD"
    basis: Basis = "image"
    first: float | None = None
    """What the first unit of an image costs, where that is not `amount`."""
    units: float | None = None
    """How many units one image takes, at most as far as the vendor's documents say; None where they do not."""
    taken: float | None = None
    """What a token costs that goes in, where the vendor counts those too; `amount` is that of a token of an image."""
    written: float | None = None
    """What a token of text costs that comes out, thoughts included."""
    credits: float | None = None
    quality: str | None = None
    max_side: int | None = None
    source: str
    checked: date | None = None
    """When the source was last read; None where there is no vendor to ask."""

    @property
    def free(self) -> bool:
        """Known to cost nothing; where no price is published, something is assumed."""
        return self.amount == 0 and not self.credits

    def per_image(self, units: float | None = None) -> float | None:
        """Return the amount for an image of so many units, or None where it is not known.

        Without `units` it is the amount for as many as an image may take.
        """
        if self.amount is None or self.basis == "image":
            return self.amount
        if (taken := self.units if units is None else units) is None:
            return None
        return self.amount * taken if self.first is None else self.first + self.amount * max(0, taken - 1)


class Lifecycle(_Frozen):
    """The dates of a model, where they and its id were read, and when that was last `checked` (None: no vendor to ask)."""

    launched: date | None = None
    legacy: date | None = None
    end_of_life: date | None = None
    source: str
    checked: date | None = None


class Model(_Frozen):
    """One model of a vendor: the tasks it does, at which `qualities` (None: all), and its dates.

    `inference_regions`: for a Bedrock inference profile, every region it may call the model in. `regions`: where any
    other Bedrock model is, if said.
    """

    id: str
    tasks: tuple[Task, ...]
    qualities: tuple[str, ...] | None = None
    lifecycle: Lifecycle
    options: Mapping[Task, Mapping[str, Option]] | None = None
    """What this model honours, where it is not what the entry says of all."""
    named_only: bool = False
    """Used only when a request names it, or a subject that was made for it."""
    opt_in: bool = False
    """Offered only where the stage's `legacy_models` name it."""
    licence: str | None = None
    """Of a model that its operator runs."""
    base: FitSpec | None = None
    others: FitSpec | None = None
    keeps_framing: bool | None = None
    keeps_shape: bool | None = None
    max_garments: int | None = None
    """These five: where they are not the entry's."""
    inference_regions: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    sent_as: str | None = None
    """The id that the vendor receives, where the operator has set another than `id`."""
    like: str | None = None
    """The model of the catalogue whose form of request it has, where the operator has added it."""
    names: tuple[str, ...] = ()
    """The ids that the stage's `provider_settings` have set, of which the vendor receives the first that it knows."""

    @property
    def known_as(self) -> str:
        """All that the vendor would be told now: a vendor that calls the model gone means these ids."""
        return self.sent_as or ",".join(self.names) or self.id

    @property
    def foundation(self) -> str:
        """The id of the model itself, which an inference profile names behind the prefix of its geography."""
        return self.id.partition(".")[2] if self.inference_regions else self.id

    def does(self, request: AnyRequest) -> bool:
        return request.task in self.tasks and (
            self.qualities is None or (request.output.quality or "standard") in self.qualities
        )


class Advice(_Frozen):
    """The advice of a vendor's document, as a warning.

    `applies` returns the pointer of the field it is about, or None. It gets the codes of the findings on the base
    picture, none before that picture was examined.
    """

    code: str
    detail: str
    remedy: str
    source: str
    applies: Callable[[AnyRequest, frozenset[str]], str | None]

    def warning(self, request: AnyRequest, seen: frozenset[str] = frozenset()) -> JobWarning | None:
        pointer = self.applies(request, seen)
        return (
            None
            if pointer is None
            else JobWarning(code=self.code, detail=self.detail, remedy=self.remedy, pointer=pointer)
        )


class ReferenceKind(_Frozen):
    """The class under which a vendor keeps a picture it is to refer to.

    `flat_lay`: the garment lies flat, without a wearer. `shared`: one reference does for all jobs of a tenant that
    use the same picture. Otherwise it is the job's own, and is erased with it.
    """

    class_name: str
    flat_lay: bool = False
    shared: bool = True


class CatalogueEntry(_Frozen):
    """One vendor's offer.

    `runner` names the Start function that calls it (`runners.py`); `secret` that it needs the deployment's key.
    `tasks`: per task the options it honours, by the names of `Request.options()`. `failures_free`: the vendor says
    failed jobs cost nothing. `deadline` in seconds counts from the submission. `rules` is code for conditions that
    data cannot express: it returns the faults of a request for this provider.
    """

    id: str
    title: str
    models: tuple[Model, ...]
    runner: RunnerName
    secret: bool
    polled: bool
    live: bool = True
    """Offered to live keys under `auto`; the sandbox is not."""
    editor: bool = False
    """Whether it edits any picture by a text: `auto` tries it after the engines that were made for the task."""
    generative: bool = True
    """Whether its images come from a trained model; each result is marked accordingly."""
    tasks: Mapping[Task, Mapping[str, Option]]
    cannot: Mapping[Task, str] = {}
    """Why a task that one might expect of this vendor is not offered."""
    instead: Mapping[str, str] = {}
    """What to do about an option that is not honoured, or about too many `garments`, where the vendor has another way."""
    max_garments: int = 1
    keeps_framing: bool = True
    """Whether a result shows the base picture's own frame, so that what was done to fit it can be undone."""
    keeps_shape: bool = False
    """Whether a result that has not that frame has at least its shape, roughly: any other gives the client a warning."""
    exact_size: bool = True
    """Whether a `size` is kept to the pixel; else only its shape, and that roughly."""
    base: FitSpec
    """Of the picture whose framing the results keep, and its mask."""
    others: FitSpec
    """Of every other picture: garments, references, conditions."""
    max_body: int | None = None
    """Bytes of all images of one submission together, where they travel as base64 in one body."""
    max_image: int | None = None
    """Bytes of one image, where each is sent separately: as a file of a form, or by a link."""
    prices: tuple[Price, ...]
    retention: str
    erases: bool = False
    """Whether the vendor deletes its copies when asked: the adapter is an `Eraser` then."""
    cancels: bool = False
    """Whether the vendor stops a job when asked: the adapter is a `Canceller` then."""
    late: int = 0
    """Seconds after the end of a job in which a result may still be written: an erased job is erased again after them."""
    failures_free: bool
    rate: Rate | None = None
    concurrency: int | None = None
    deadline: int = 1800
    answers: int = 60
    """Seconds within which the vendor answers the call that buys; one that answers with the images takes minutes."""
    usual: int | None = None
    """Seconds in which the vendor is usually done with an image, by its own documents."""
    training_deadline: int = 6 * 3600
    callbacks: bool = False
    """Whether the provider supports completion webhooks."""
    answers_in_media: bool = False
    """Whether results are written into the media bucket: the event of that ends the wait for them."""
    result_hosts: tuple[str, ...] = ()
    """The hosts, each with its subdomains, that results are fetched from; empty where the vendor returns them itself."""
    references: Callable[[AnyRequest], Mapping[str, ReferenceKind]] = lambda request: {}  # noqa: ARG005
    """By role: the inputs of a request that must be registered with the vendor before they can be used."""
    sends_model: bool = False
    """Whether the vendor receives the model's id as it stands here, so that an operator may set another one."""
    settings_model: type[BaseModel] | None = None
    """What a stage may set for this provider in `provider_settings.<id>`."""
    status: str
    """What is known about the vendor today, with its date, for `GET /v1/providers` and the README."""
    of_stage: Callable[[DeploymentSettings], Mapping[str, Any]] | None = None
    """The fields of this entry that a stage decides, such as its models, where an operator brings them."""
    options_model: type[BaseModel] | None = None
    """What `provider_options.<id>` may hold."""
    rules: Callable[[AnyRequest], list[Fault]] = lambda request: []  # noqa: ARG005
    advice: tuple[Advice, ...] = ()

    def model(
        self,
        request: AnyRequest,
        made_for: frozenset[str] = frozenset(),
        chosen: Mapping[str, str] = MappingProxyType({}),
    ) -> Model | None:
        """Return the model that would do a request.

        It is the one the request names (`id/model`), or its subjects were `made_for`, else the first that can.
        `chosen`: by provider, the models that a plan has settled on; each holds as long as there is such a model.
        """
        if settled := next((model for model in self.models if model.id == chosen.get(self.id)), None):
            return settled
        asked = (name.partition("/") for name in (request.provider, *request.fallback))
        named = next((model for provider, _, model in asked if provider == self.id), "")
        wanted = made_for | ({f"{self.id}/{named}"} if named else frozenset())
        return next(
            (
                model
                for model in self.models
                if model.does(request) and (wanted <= {f"{self.id}/{model.id}"} if wanted else not model.named_only)
            ),
            None,
        )

    def as_of(self, model: Model | None) -> CatalogueEntry:
        """Return the entry as it is for one of its models."""
        names = ("base", "others", "keeps_framing", "keeps_shape", "max_garments")
        own = {name: value for name in names if (value := getattr(model, name, None)) is not None}
        return self.model_copy(update=own) if own else self

    def honours(self, task: Task, model: Model | None) -> Mapping[str, Option]:
        """Return the options of a task by name, as a model honours them."""
        own = model.options if model and model.options is not None else self.tasks
        return own.get(task, {})

    def refuses(self, task: Task, asked: RequestedOption, model: Model | None = None) -> Fault | None:
        """Return the fault of an option that this vendor cannot honour, or None.

        The pointer is the option's. The remedy names no other provider; the planner adds those.
        """
        option = self.honours(task, model).get(asked.name)
        if option is not None and option.honours(asked.value):
            return None
        at = asked.pointer if option is None or asked.name != "mask" else f"{asked.pointer}/type"
        name = field_of(at)
        if option is not None:
            detail, remedy = f"{self.title} does not take this value for `{name}`.", f"Use {option.rule()}."
        else:
            detail = f"{self.title} does not take `{name}` for the task `{task}`."
            remedy = self.instead.get(asked.name) or _OTHERWISE.get(asked.name, "Leave it out.")
        return Fault.of("unsupported_option", detail, remedy, pointer=at, provider=self.id)

    @property
    def photos_stay_in(self) -> PhotosStayIn | None:
        """Where the photos stay; the sandbox draws in a function of the deployment."""
        return RUNNERS[self.runner].photos_stay_in if self.live else "account"

    @property
    def usual_ms(self) -> int:
        """Until when the vendor is usually done, from the submission; a minute where it does not say."""
        return (self.usual or 60) * 1000

    def seconds(self, task: Task) -> int:
        """Return the seconds from the submission to the deadline."""
        return self.training_deadline if task == "train_subject" else self.deadline

    def cost(self, request: AnyRequest, model: Model | None, side: int | None = None) -> Price:
        """Return the price that applies; see `of_size`."""
        return of_size(self.prices_of(request, model), side)

    def prices_of(self, request: AnyRequest, model: Model | None) -> tuple[Price, ...]:
        """Return the prices for a model and the quality of a request, one for each size.

        A price of just this model, or of just this quality, goes before one for all.
        """
        quality = request.output.quality or "standard"
        fitting = tuple(
            price
            for price in self.prices
            if price.model in (None, model and model.id) and price.quality in (None, quality)
        )
        if not fitting:
            return self.prices
        closest = max(map(_closeness, fitting))
        return tuple(price for price in fitting if _closeness(price) == closest)


def _closeness(price: Price) -> tuple[bool, bool]:
    return price.model is not None, price.quality is not None


def of_size(prices: Sequence[Price], side: int | None) -> Price:
    """Return the price for a result of this size.

    Without `side` (px of the longer side) it is the dearest that can happen.
    """
    fitting = [price for price in prices if side is None or price.max_side is None or side <= price.max_side]
    pick = max if side is None else min
    return pick(fitting or prices, key=lambda price: price.per_image() or 0)
