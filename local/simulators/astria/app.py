"""Astria: tunes (a person to train, references ready at once), prompts on them, callbacks, as docs.astria.ai states them.

Not here: packs, videos, PATCH, prompts listed or duplicated, the gallery. A `tune` and a `prompt` may come as JSON or as a
form. What a reference costs and whether a prompt that ends in a `user_error` is charged is not documented: the purchase log
has null for the first and false for the second.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from itertools import count
from secrets import token_hex
from typing import Any, ClassVar, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.astria.pictures import drawn
from local.simulators.astria.request import InvalidError, PromptRequest, TuneRequest, parse
from local.simulators.astria.scene import Scene, scene
from local.simulators.astria.tunes import BASES, Base, Prompt, Tune, prompt_told, settled, tune_told
from local.simulators.kit import forms
from local.simulators.kit.callbacks import FAULTS, Callbacks, reachable
from local.simulators.kit.loading import ImageLoadError, decoded, fetched, loaded, media_type
from local.simulators.kit.previews import CannotDrawError, Previews
from local.simulators.kit.server import BROKEN_WHY, AnswerError, Simulator

ERRORS = {
    "bad_request": 400,
    "unauthorized": 401,
    "plan_limit": 402,
    "not_found": 404,
    "validation": 422,
    "rate_limited": 429,
    "server_error": 500,
    "gateway_timeout": 504,
}
"""Our names for the documented statuses (402: by the vendor's command line tool)."""
FILTERS = frozenset({"title", "limit", "offset", "before_id"})
SAME_PROMPT = (
    "text", "cfg_scale", "steps", "seed", "callback", "negative_prompt", "super_resolution", "face_correct", "ar",
    "num_images", "controlnet", "denoising_strength", "use_lpw", "controlnet_conditioning_scale", "w", "h", "hires_fix",
    "scheduler", "controlnet_txt2img", "inpaint_faces",
)  # fmt: skip
"""What makes two prompts on one tune the same, by "Idempotency"."""

Created = TypeVar("Created", Tune, Prompt)


class Astria(Simulator):
    """training: seconds a fine-tune takes; idempotent: the account's setting, off as at the vendor."""

    name = "astria"
    fault_kinds: ClassVar = {
        **dict.fromkeys(
            ("submit", "tune_submit"),
            ("delay", "status", "status_after", "error", "drop_before", "drop_after", "malformed", "wrong_type"),
        ),
        "status": ("delay", "status", "error", "drop_before", "malformed", "wrong_type", "never_finish", "foreign_url"),
        "tune_status": ("delay", "status", "drop_before", "malformed", "wrong_type", "never_finish"),
        "result": ("delay", "status", "drop_before", "malformed", "wrong_type", "expired_url"),
        "callback": FAULTS,
    }
    error_names: ClassVar = {"submit": tuple(ERRORS), "tune_submit": tuple(ERRORS), "status": ("user_error",)}

    def __init__(self, previews: Previews, *, training: float = 0.0, idempotent: bool = False) -> None:
        super().__init__()
        self._previews, self._training, self._idempotent = previews, training, idempotent
        self._caller = Callbacks(self.faults, self.sent)
        self._tunes: dict[int, Tune] = {}
        self._prompts: dict[int, Prompt] = {}
        self._ids = count(5_000_001)
        self._working: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/tunes", self.create_tune, methods=["POST"]),
            Route("/tunes", self.list_tunes),
            Route("/tunes/{id}", self.tune),
            Route("/tunes/{id}", self.delete_tune, methods=["DELETE"]),
            Route("/tunes/{tune}/prompts", self.create_prompt, methods=["POST"]),
            Route("/tunes/{tune}/prompts/{id}", self.prompt),
            Route("/prompts/{id}", self.prompt),
            Route("/prompts/{id}", self.delete_prompt, methods=["DELETE"]),
            Route("/cli/models", self.models),
            Route("/cdn/{file}", self.file),
        ]

    def failure(self, status: int) -> Response:
        return refusal(status, f"the simulator was told to answer {status}")

    def named_failure(self, name: str, message: str | None) -> Response:
        return refusal(ERRORS[name], message or f"the simulator was told to answer {name}")

    # submit

    async def create_tune(self, request: Request) -> Response:
        return await self._created(request, "tune_submit", self._new_tune, self._tune_answer)

    async def create_prompt(self, request: Request) -> Response:
        return await self._created(request, "submit", self._new_prompt, self._prompt_answer)

    async def _created(
        self,
        request: Request,
        on: str,
        new: Callable[[Request, str, Any, bool], Awaitable[Created]],
        told: Callable[[Created, Request], dict[str, Any]],
    ) -> Response:
        body, form = await _body(request)
        record = self.recorded(request, forms.shown(body))
        record["workspace"] = request.headers.get("x-workspace-id")
        try:
            owner = _owner(request)
            self.before(on)
            answer = JSONResponse(told(await new(request, owner, body, form), request), 201)
        except InvalidError as invalid:
            answer = JSONResponse(invalid.errors, 422)
        except AnswerError as answered:
            record["answered"] = answered.response.status_code
            raise
        record["answered"] = answer.status_code
        return await self.after(on, answer) if answer.status_code == 201 else answer

    async def _new_tune(self, request: Request, owner: str, body: Any, form: bool) -> Tune:
        asked = parse(TuneRequest, "tune", body, form=form)
        base = self._found_tune(asked.base_tune_id, owner) if asked.base_tune_id is not None else None
        if asked.base_tune_id is not None and base is None:
            raise InvalidError(base_tune="must exist")
        await _check_callback(asked.callback)
        pictures = {token_hex(14): picture for picture in await _training_pictures(asked)}
        if self._idempotent and (same := next((t for t in self._owned(owner) if t.asked.title == asked.title), None)):
            return same
        tune = Tune(next(self._ids), owner, asked, *settled(asked, base), pictures, datetime.now(UTC))
        self._tunes[tune.id] = tune
        kind = "reference" if tune.reference else "fine-tune"
        charged = False if tune.mock else None if tune.reference else True
        summary = f"{kind} of a {asked.name}, branch {tune.branch}"
        self.purchases.add(id=tune.id, kind=kind, charged=charged, images=0, summary=summary)
        if tune.reference:
            tune.finish()
        site = _site(request)
        early = await self._caller.early(asked.callback, {"tune": tune_told(tune, site, self._training)})
        self._start(self._train(tune, site, None if early else asked.callback))
        return tune

    async def _new_prompt(self, request: Request, owner: str, body: Any, form: bool) -> Prompt:
        on = self._tune_of(request, "tune", owner)
        asked = parse(PromptRequest, "prompt", body, form=form)
        seen = scene(asked, on, {tune.id: tune for tune in self._owned(owner)})
        await _check_callback(asked.callback)
        await _check_pictures(asked)
        if self._idempotent and (same := self._same_prompt(owner, on, asked)):
            return same
        charged = False if seen.person.mock else None
        summary = f"{asked.num_images} images on tune {on.id}"
        prompt_id = next(self._ids)
        purchase = self.purchases.add(
            id=prompt_id, kind="prompt", charged=charged, images=asked.num_images, summary=summary
        )
        prompt = self._prompts[prompt_id] = Prompt(prompt_id, on, owner, asked, purchase, datetime.now(UTC))
        site = _site(request)
        early = await self._caller.early(asked.callback, {"prompt": _told(prompt, site)})
        self._start(self._work(prompt, seen, site, None if early else asked.callback))
        return prompt

    def _same_prompt(self, owner: str, on: Tune | Base, asked: PromptRequest) -> Prompt | None:
        def of(each: PromptRequest) -> list[Any]:
            return [getattr(each, name) for name in SAME_PROMPT]

        mine = (prompt for prompt in self._prompts.values() if prompt.owner == owner and prompt.tune.id == on.id)
        return next((prompt for prompt in mine if of(prompt.asked) == of(asked)), None)

    # work

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _train(self, tune: Tune, site: str, callback: str | None) -> None:
        if not tune.reference:
            await asyncio.sleep(self._training)
            tune.finish()
        self._caller.send(callback, {"tune": tune_told(tune, site, self._training)})

    async def _work(self, prompt: Prompt, seen: Scene, site: str, callback: str | None) -> None:
        """Wait for the tune, then draw: a prompt may be made while its tune trains."""
        await seen.person.ready.wait()
        prompt.started = datetime.now(UTC)
        try:
            pictures = await drawn(self._previews, prompt.asked, prompt.tune, seen)
        except CannotDrawError as error:
            self._fail(prompt, str(error))
        except Exception:
            self._fail(prompt, BROKEN_WHY)
            raise
        else:
            self._finish(prompt, pictures)
        self._caller.send(callback, {"prompt": _told(prompt, site)})

    def _finish(self, prompt: Prompt, pictures: list[bytes]) -> None:
        if fault := self.faults.take("status", "error"):
            self._fail(prompt, fault.message or "the simulator was told to fail")
        if prompt.error is None:
            prompt.files = {token_hex(14): picture for picture in pictures}
            prompt.finished = datetime.now(UTC)
            prompt.purchase["charged"] = prompt.purchase["charged"] is None

    def _fail(self, prompt: Prompt, message: str) -> None:
        prompt.error, prompt.finished = message, datetime.now(UTC)
        prompt.purchase["charged"] = False

    # read, list, delete

    async def tune(self, request: Request) -> Response:
        owner = _owner(request)
        self.before("tune_status")
        tune = self._tune_of(request, "id", owner)
        told = self._tune_answer(tune, request)
        if self.faults.take("tune_status", "never_finish"):
            told |= {"trained_at": None, "expires_at": None}
        return await self.after("tune_status", JSONResponse(told))

    async def list_tunes(self, request: Request) -> Response:
        owner, asked = _owner(request), request.query_params
        if strangers := sorted(set(asked) - FILTERS):
            return refusal(400, f"this simulator does not filter by {strangers[0]}")
        limit, offset, before = (_number(asked.get(name), name) for name in ("limit", "offset", "before_id"))
        if (offset or 0) > 200:
            return refusal(400, "offset is at most 200: page with before_id")
        tunes = [tune for tune in self._owned(owner) if asked.get("title") in (None, tune.asked.title)]
        tunes = sorted((t for t in tunes if before is None or t.id < before), key=lambda t: t.id, reverse=True)
        page = tunes[offset or 0 :][: min(limit or 20, 120)]
        return JSONResponse([self._tune_answer(tune, request) for tune in page])

    async def models(self, _: Request) -> Response:
        """List the partner models for the vendor's command line tool, which sends no key."""
        listed = {
            base.title: {"tune_id": self.renamed.get(base.title, base.id)} for base in BASES.values() if base.partner
        }
        return JSONResponse({"default": "gemini", "models": listed, "cache_ttl": 86400})

    async def delete_tune(self, request: Request) -> Response:
        tune = self._tune_of(request, "id", _owner(request))
        if isinstance(tune, Base):
            raise AnswerError(_not_found())
        del self._tunes[tune.id]
        self._prompts = {number: prompt for number, prompt in self._prompts.items() if prompt.tune is not tune}
        self.recorded(request, None)
        return Response(status_code=200)

    async def prompt(self, request: Request) -> Response:
        owner = _owner(request)
        self.before("status")
        prompt = self._prompt_of(request, owner)
        if prompt.finished is None and (fault := self.faults.take("status", "error")):
            self._fail(prompt, fault.message or "the simulator was told to fail")
        told = self._prompt_answer(prompt, request)
        if self.faults.take("status", "never_finish"):
            told |= {"images": [], "user_error": None, "trained_at": None}
        return await self.after("status", JSONResponse(told | {"images": self.located("status", told["images"])}))

    async def delete_prompt(self, request: Request) -> Response:
        prompt = self._prompt_of(request, _owner(request))
        del self._prompts[prompt.id]
        self.recorded(request, None)
        return JSONResponse({"message": "Prompt successfully deleted"})

    async def file(self, request: Request) -> Response:
        """Send a prompt's result, or a picture that a tune was made of."""
        name = request.path_params["file"]
        for tune in self._tunes.values():
            if name in tune.pictures:
                return Response(tune.pictures[name], media_type=media_type(tune.pictures[name]))
        self.before("result")
        found = next((prompt.files[name] for prompt in self._prompts.values() if name in prompt.files), None)
        return _not_found() if found is None else await self.after("result", Response(found, media_type="image/jpeg"))

    def _tune_answer(self, tune: Tune | Base, request: Request) -> dict[str, Any]:
        return tune_told(tune, _site(request), self._training)

    def _prompt_answer(self, prompt: Prompt, request: Request) -> dict[str, Any]:
        return _told(prompt, _site(request))

    def _owned(self, owner: str) -> list[Tune]:
        return [tune for tune in self._tunes.values() if tune.owner == owner]

    def _found_tune(self, number: int, owner: str) -> Tune | Base | None:
        tune = self._tunes.get(number)
        return tune if tune and tune.owner == owner else BASES.get(number)

    def _tune_of(self, request: Request, name: str, owner: str) -> Tune | Base:
        tune = self._found_tune(_id(request, name), owner)
        if tune is None:
            raise AnswerError(_not_found())
        return tune

    def _prompt_of(self, request: Request, owner: str) -> Prompt:
        prompt = self._prompts.get(_id(request, "id"))
        if prompt is None or prompt.owner != owner:
            raise AnswerError(_not_found())
        if "tune" in request.path_params and prompt.tune.id != _id(request, "tune"):
            raise AnswerError(_not_found())
        return prompt


def refusal(status: int, message: str) -> Response:
    """Word a refusal. How the vendor words its errors is not documented, but for 422 being about fields."""
    return JSONResponse({"base": [message]} if status == 422 else {"error": message}, status)


def _not_found() -> Response:
    return refusal(404, "Not found")


def _owner(request: Request) -> str:
    """Return the account, which is the key: each has its own tunes and prompts. Raises AnswerError."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not key.startswith("sd_sim"):
        raise AnswerError(
            refusal(401, "The API key is missing or invalid; here, any key works that begins with sd_sim.")
        )
    return key


def _told(prompt: Prompt, site: str) -> dict[str, Any]:
    return prompt_told(prompt, site, [f"{site}/cdn/{name}" for name in prompt.files])


def _site(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _id(request: Request, name: str) -> int:
    """Read the id of the path, with or without `.json`; -1, which nothing has, for what is no number."""
    text: str = request.path_params[name].removesuffix(".json")
    return int(text) if text.isdecimal() else -1


def _number(text: str | None, name: str) -> int | None:
    if text is not None and not text.isdecimal():
        raise AnswerError(refusal(400, f"{name} must be a whole number"))
    return None if text is None else int(text)


async def _body(request: Request) -> tuple[Any, bool]:
    """Read the body, and whether it is a form. Raises AnswerError."""
    kind, raw = request.headers.get("content-type", ""), await request.body()
    form = kind.startswith(("multipart/form-data", "application/x-www-form-urlencoded"))
    if not form and not kind.startswith("application/json"):
        raise AnswerError(refusal(400, "the body must be application/json or multipart/form-data"))
    try:
        return (forms.parsed(kind, raw) if form else json.loads(raw)), form
    except ValueError as error:
        raise AnswerError(refusal(400, f"the body cannot be read: {error}")) from None


async def _check_callback(url: str | None) -> None:
    if url is not None and not await reachable(url):
        raise InvalidError(callback="must be on this machine: this simulator calls nobody else")


async def _training_pictures(asked: TuneRequest) -> list[bytes]:
    """Fetch the pictures to train with. Raises InvalidError, naming the field."""
    field = "images"
    try:
        pictures = [upload.content for upload in asked.images or []]
        for picture in pictures:
            await asyncio.to_thread(decoded, picture)
        field = "image_urls"
        for url in asked.image_urls or []:
            pictures.append(await fetched(url))
            await asyncio.to_thread(decoded, pictures[-1])
    except ImageLoadError as error:
        raise InvalidError(**{field: str(error)}) from None
    return pictures


async def _check_pictures(asked: PromptRequest) -> None:
    """Check the pictures of a prompt. Raises InvalidError, naming the field."""
    for field in ("input_image", "input_image_base64", "input_image_url", "mask_image", "mask_image_url"):
        try:
            match getattr(asked, field):
                case forms.Upload(content=content):
                    await asyncio.to_thread(decoded, content)
                case str(located):
                    await loaded(located)
        except ImageLoadError as error:
            raise InvalidError(**{field: str(error)}) from None
