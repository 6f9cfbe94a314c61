"""Pictures from the preview engine and its tasks, off the event loop, at most two at a time, each distinct one drawn once."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import io
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from PIL import ExifTags, Image

from local.preview.marking import PACKET

Format = Literal["png", "jpeg", "webp"]
NO_PICTURE = "the local preview engine draws clothing and footwear only"


class Drawn(Protocol):
    """Both pictures have the person picture's size; in `mask` black changed and white stayed."""

    @property
    def image(self) -> Image.Image: ...
    @property
    def mask(self) -> Image.Image: ...


class Engine(Protocol):
    """`try_on(person, garment, **options) -> Drawn`, raises PreviewError; `png(image, label=...) -> bytes`."""

    @property
    def PreviewError(self) -> type[Exception]: ...  # noqa: N802
    @property
    def try_on(self) -> Callable[..., Drawn]: ...
    @property
    def png(self) -> Callable[..., bytes]: ...


class CannotDrawError(Exception):
    """The engine found no body, no garment or nothing to change; the text says which."""


@dataclass(frozen=True)
class Picture:
    """Encoded files, and the picture's size in pixels."""

    image: bytes
    mask: bytes | None
    width: int
    height: int


def _digest(image: Image.Image | None) -> str:
    return "" if image is None else hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()


def _preview_engine() -> Engine:
    """Import the engine when first needed: OpenCV takes half a second, which tests with their own engine save."""
    from local.preview import engine

    return engine


class Previews:
    """engine: the module `local.preview.engine` unless a test brings its own; keep: how many pictures to remember."""

    def __init__(self, engine: Engine | None = None, *, workers: int = 2, keep: int = 64) -> None:
        self._engine = engine or _preview_engine()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="preview")
        self._keep = keep
        self._drawn: OrderedDict[str, Future[Picture]] = OrderedDict()

    async def try_on(
        self, person: Image.Image, garment: Image.Image, *, format: Format, label: Mapping[str, str], **options: Any
    ) -> Picture:
        """Put on a garment. options: as `engine.try_on` takes them. Raises CannotDrawError."""
        return await self._drawn_once("try_on", self._engine.try_on, [person, garment], format, label, options)

    async def draw(
        self, task: str, *pictures: Image.Image, format: Format, label: Mapping[str, str], **options: Any
    ) -> Picture:
        """Draw a task: a function of `local.preview.tasks`, as `module.function`; options: as it takes them."""
        module, _, name = task.rpartition(".")

        def function(*pictures: Image.Image, **options: Any) -> Drawn | Image.Image:
            done: Drawn | Image.Image = getattr(importlib.import_module(f"local.preview.tasks.{module}"), name)(
                *pictures, **options
            )
            return done

        return await self._drawn_once(task, function, pictures, format, label, options)

    async def _drawn_once(
        self,
        task: str,
        function: Callable[..., Drawn | Image.Image],
        pictures: Sequence[Image.Image],
        format: Format,
        label: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> Picture:
        told = {k: _digest(v) if isinstance(v, Image.Image) else v for k, v in options.items()}
        key = json.dumps([task, [_digest(each) for each in pictures], format, dict(label), told], sort_keys=True)
        drawn = self._drawn.get(key)
        if drawn is None or (drawn.done() and drawn.exception()):  # what failed once may succeed
            drawn = self._drawn[key] = self._pool.submit(self._draw, function, pictures, format, label, options)
        self._drawn.move_to_end(key)
        while len(self._drawn) > self._keep:
            self._drawn.popitem(last=False)
        return await asyncio.shield(asyncio.wrap_future(drawn))

    def _draw(
        self,
        function: Callable[..., Drawn | Image.Image],
        pictures: Sequence[Image.Image],
        format: Format,
        label: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> Picture:
        try:
            drawn = function(*pictures, **options)
        except self._engine.PreviewError as error:
            raise CannotDrawError(str(error)) from error
        image, mask = (drawn, None) if isinstance(drawn, Image.Image) else (drawn.image, drawn.mask)
        return Picture(
            self._encoded(image, format, label), self._engine.png(mask, label=label) if mask else None, *image.size
        )

    def _encoded(self, image: Image.Image, format: Format, label: Mapping[str, str]) -> bytes:
        if format == "png":
            return self._engine.png(image, label=label)
        note = json.dumps({"note": "drawn by the local preview engine, not by a model", **label})
        out = io.BytesIO()
        if format == "jpeg":
            _on_white(image).save(out, "JPEG", quality=92, comment=note.encode(), xmp=PACKET)
        else:
            exif = Image.Exif()
            exif[ExifTags.Base.ImageDescription] = note
            image.save(out, "WEBP", quality=92, exif=exif, xmp=PACKET)
        return out.getvalue()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _on_white(image: Image.Image) -> Image.Image:
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    return flat
