"""Pictures from the preview engine, off the event loop, at most two at a time, each distinct one drawn once."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from PIL import Image

Format = Literal["png", "jpeg"]
NO_PICTURE = "the local preview engine covers upper and lower body only"


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
    mask: bytes
    width: int
    height: int


def _digest(image: Image.Image | None) -> str:
    return "" if image is None else hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()


def _preview_engine() -> Engine:
    """Imported when first needed: OpenCV takes half a second, which tests with their own engine save."""
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
        """options: as `engine.try_on` takes them. Raises CannotDrawError."""
        told = {k: _digest(v) if isinstance(v, Image.Image) else v for k, v in options.items()}
        key = json.dumps([_digest(person), _digest(garment), format, dict(label), told], sort_keys=True)
        if key not in self._drawn:
            self._drawn[key] = self._pool.submit(self._draw, person, garment, format, label, options)
        self._drawn.move_to_end(key)
        while len(self._drawn) > self._keep:
            self._drawn.popitem(last=False)
        return await asyncio.shield(asyncio.wrap_future(self._drawn[key]))

    def _draw(
        self,
        person: Image.Image,
        garment: Image.Image,
        format: Format,
        label: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> Picture:
        try:
            drawn = self._engine.try_on(person, garment, **options)
        except self._engine.PreviewError as error:
            raise CannotDrawError(str(error)) from error
        image = self._engine.png(drawn.image, label=label) if format == "png" else _jpeg(drawn.image, label)
        return Picture(image, self._engine.png(drawn.mask, label=label), *drawn.image.size)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _jpeg(image: Image.Image, label: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    comment = json.dumps({"note": "drawn by the local preview engine, not by a model", **label})
    image.convert("RGB").save(out, "JPEG", quality=92, comment=comment.encode())
    return out.getvalue()
