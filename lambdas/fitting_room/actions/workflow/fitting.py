"""The fitted copies of one attempt: while an image is encoded and stored, the next one is decoded.

Few images are in memory at once, besides the one that a later mask needs.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from operator import ge

from PIL import Image

from fitting_room.actions.workflow.originals import LIMITS, Shelf, gone
from fitting_room.images.budget import Encoded, encoded, fair_share
from fitting_room.images.encode import to_png
from fitting_room.images.fit import Frame, apply, apply_mask, enlarged, plan_fit, refit_mask
from fitting_room.images.input_checks import analyse, warnings_of
from fitting_room.images.mask import normalise_mask
from fitting_room.images.master import ImageLimits, Master, make_master, open_image
from fitting_room.jobs.errors import JobFailure, JobWarning
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.job import Job, PreparedInput, Source
from fitting_room.jobs.request import ImageMask
from fitting_room.providers.base import CatalogueEntry

PLAIN_BACKDROP = "plain_backdrop"
SIDE_BY_SIDE = 2
"""Images that are encoded and stored at once. While the next image is decoded, it is one at most."""
ALONE = 16_000_000
"""Pixels. A larger image is decoded while no other is being encoded: each takes memory."""
_BASE64 = 0.74
"""Share of a body's bytes that are left for images once base64 and the JSON around them are paid for."""


class Fitting:
    """The images of a job, fitted for its provider.

    `inputs`: the fitted image for each role. `warnings`: warnings about the images before they are paid for.
    """

    def __init__(self, job: Job, n: int, provider: CatalogueEntry, shelf: Shelf) -> None:
        self.inputs: dict[str, PreparedInput] = {}
        self.warnings: list[JobWarning] = []
        self._job, self._provider, self._shelf = job, provider, shelf
        self._folder = f"staging/{job.id}/{n}"
        self._pointers = {role: pointer for role, pointer, _ in job.request.images()}
        self._frames: dict[str, Frame] = {}
        self._sizes: dict[str, int] = {}
        self._making: deque[Future[None]] = deque()
        self._masked: Master | None = None

    def fit(self, sources: dict[str, Source]) -> None:
        """Make every copy and put it into staging, within the provider's limits.

        Raises `JobFailure`.
        """
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for role in self._pointers:
                try:
                    make = self._mask(sources[role]) if role == "mask" else self._image(role, sources[role])
                except JobFailure:
                    self._wait(0)  # the fault of an image before this one is told first
                    raise
                self._making.append(pool.submit(self._made, role, make))
                del make  # with the pixels that it holds
                self._wait(SIDE_BY_SIDE - 1)
            self._wait(0)
        self.inputs = {role: self.inputs[role] for role in self._pointers}
        if self._provider.max_body is not None:
            self._share(int(self._provider.max_body * _BASE64))

    def _wait(self, most: int) -> None:
        """Wait until at most so many images are being made, and raise what one of the others raised."""
        while len(self._making) > most:
            self._making.popleft().result()

    def _made(self, role: str, make: Callable[[], Encoded]) -> None:
        self._put(role, make())

    def _image(self, role: str, source: Source) -> Callable[[], Encoded]:
        """Return how to encode an image that is fitted already."""
        pointer, request = self._pointers[role], self._job.request
        data = self._original(role, source)
        size = open_image(data, limits=LIMITS, pointer=pointer).size
        if size[0] * size[1] > ALONE:
            self._wait(0)
        master = make_master(data, limits=self._enough(role, size), pointer=pointer)
        self.warnings += self._seen(role, master)
        frame = plan_fit(master.size, self._spec(role), original=master.original_size)
        self.warnings += enlarged(frame, self._spec(role), self._provider.title, pointer)
        fitted = apply(master.image, frame)
        if "mask" in self._pointers and role == request.masked:
            self._masked = master
        return partial(encoded, fitted, frame, self._spec(role), self._provider.max_image, pointer=pointer)

    def _enough(self, role: str, size: tuple[int, int]) -> ImageLimits:
        """Decode no more than the fit keeps: at a half, a quarter or an eighth, a JPEG costs that much less memory and time."""
        kept = plan_fit(size, self._spec(role)).content
        divisor = max(by for by in (1, 2, 4, 8) if by == 1 or all(map(ge, (side // by for side in size), kept)))
        pixels = (size[0] // divisor) * (size[1] // divisor)
        return LIMITS.model_copy(update={"master_pixels": min(pixels, LIMITS.master_pixels)})

    def _mask(self, source: Source) -> Callable[[], Encoded]:
        """Return how to encode the mask, fitted with the transform of its image.

        It stays PNG, because JPEG would grey its edges.
        """
        assert self._masked is not None, "an image comes before its mask"
        self._wait(0)  # the bytes of its image may have changed the frame
        frame = self._frames[str(self._job.request.masked)]
        asked = getattr(self._job.request, "mask", None)
        mask = normalise_mask(
            self._original("mask", source),
            self._masked,
            limits=LIMITS,
            pointer=self._pointers["mask"],
            read=asked.read if isinstance(asked, ImageMask) else "black_changes",
            part=self._job.request.task != "outpaint",
        )
        self._masked = None
        self.warnings += mask.warnings
        fitted = apply_mask(mask.image, frame)
        return lambda: Encoded(to_png(fitted), "image/png", frame)

    def _share(self, budget: int) -> None:
        """Fit all images into the budget.

        All are PNG if that fits, so that nothing is lost. Otherwise the largest share the bytes that the others
        leave.
        """
        if sum(self._sizes.values()) <= budget:
            return
        images = {role: self._sizes[role] for role in self._pointers if role != "mask"}
        share = fair_share(images.values(), budget - self._sizes.get("mask", 0))
        for role in [role for role, size in images.items() if size > share]:
            before = self._frames[role]
            self._put(role, encoded(self._staged(role), before, self._spec(role), share, pointer=self._pointers[role]))
            if role == self._job.request.masked and "mask" in self.inputs:
                after = self._frames[role]
                mask = refit_mask(self._staged("mask"), before, after)
                self._put("mask", Encoded(to_png(mask), "image/png", after))

    def _put(self, role: str, made: Encoded) -> None:
        data, media_type, frame = made
        key = f"{self._folder}/{role}.{media_type.rpartition('/')[2]}"
        self._shelf.put(key, data, media_type)
        self._sizes[role], self._frames[role] = len(data), frame
        width, height = frame.canvas
        self.inputs[role] = PreparedInput(
            key=key,
            media_type=media_type,
            width=width,
            height=height,
            frame=frame.model_dump(mode="json"),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    def _original(self, role: str, source: Source) -> bytes:
        if (data := self._shelf.read(str(source.staged))) is None:
            raise gone(self._pointers[role])
        return data

    def _staged(self, role: str) -> Image.Image:
        if (data := self._shelf.read(self.inputs[role].key)) is None:
            raise gone(self._pointers[role])
        return Image.open(io.BytesIO(data))

    def _spec(self, role: str) -> FitSpec:
        return self._provider.base if role == self._job.request.base else self._provider.others

    def _seen(self, role: str, master: Master) -> list[JobWarning]:
        """Return the warnings about the file and the image, and the vendor's advice that follows from them."""
        request = self._job.request
        found = warnings_of(analyse(master.image, original=master.original_size), role, pointer=self._pointers[role])
        codes = frozenset(warning.code for warning in found)
        advice = [
            warning
            for rule in self._provider.advice
            if role == request.base and (warning := rule.warning(request, codes)) and rule.warning(request) is None
        ]
        told = [
            warning for warning in found if warning.code != PLAIN_BACKDROP
        ]  # no fault of an image: only advice builds on it
        return [*master.warnings, *told, *advice]
