"""What Prepare costs for the largest requests: peak memory and time, each case in a process of its own.

    python tests/bench/prepare_memory.py

Budget: 30 images of 12 megapixels and 10 of 48 within 600 MB, and within Prepare's 120 s. S3 is a folder here, so
the time is the processor's.
Peak memory is read from /proc, so this runs on Linux.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "lambdas")]
os.environ |= {"TABLE": "table", "INBOX_BUCKET": "inbox", "MEDIA_BUCKET": "media", "AWS_REGION": "us-east-1"}
os.environ["DEPLOYMENT"] = "{}"

from PIL import Image  # noqa: E402

from fitting_room.actions.workflow.fitting import Fitting  # noqa: E402
from fitting_room.actions.workflow.originals import Shelf, stage  # noqa: E402
from fitting_room.clock import Clock  # noqa: E402
from fitting_room.jobs.job import Job, Source  # noqa: E402
from fitting_room.providers.catalogue import entry  # noqa: E402
from fitting_room.stores import media  # noqa: E402
from tests.bench.image_master import high_water  # noqa: E402

SIZES = {12: (4032, 3024), 48: (8064, 6048)}
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 92},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 80},
    "AVIF": {"quality": 60, "speed": 10},
}


class Case(NamedTuple):
    provider: str
    images: int
    megapixels: int
    form: str = "JPEG"
    mode: str = "RGB"

    def __str__(self) -> str:
        alpha = " with alpha" if self.mode == "RGBA" else ""
        return f"{self.images} x {self.megapixels} MP {self.form}{alpha}, {self.provider}"


CASES = [
    Case("astria", 30, 12),
    Case("astria", 30, 48),
    Case("aidge", 10, 48),
    Case("nova_canvas", 5, 48),
    Case("nova_canvas", 2, 12),
    Case("aidge", 10, 48, "PNG"),
    Case("aidge", 10, 48, "PNG", "RGBA"),
    Case("aidge", 10, 48, "WEBP"),
    Case("aidge", 10, 48, "WEBP", "RGBA"),
    Case("aidge", 10, 48, "AVIF"),
]


def photo(folder: Path, case: Case) -> Path:
    """Blurred noise: about as many bytes as a phone's photo of that size.

    In a PNG, squares: noise would be too many bytes. What is transparent lies around a soft disc, as
    around a product that was cut out.
    """
    width, height = SIZES[case.megapixels]
    path = folder / f"{case.megapixels}{case.mode}.{case.form}"
    if not path.exists():
        small, how = (1008, 756), Image.Resampling.NEAREST if case.form == "PNG" else Image.Resampling.BICUBIC
        bands = [Image.effect_noise(small, 60).resize((width, height), how) for _ in "RGB"]
        if case.mode == "RGBA":
            bands.append(Image.radial_gradient("L").resize((width, height)).point([255] * 128 + [0] * 128))
        Image.merge(case.mode, bands).save(path, case.form, **OPTIONS[case.form])
    return path


def request(case: Case) -> dict[str, Any]:
    image = {"upload": "upl_" + "0" * 26}
    match case.provider:
        case "astria":
            return {"task": "train_subject", "kind": "person", "class_name": "woman", "pictures": [image] * case.images}
        case "aidge":
            garments = [{"image": image, "category": category} for category in ("tops", "bottoms")]
            return {"task": "try_on", "person": {"photos": [image] * (case.images - 2)}, "garments": garments}
        case _ if case.images == 2:
            return {"task": "try_on", "person": image, "garments": [{"image": image, "category": "tops"}]}
        case _:
            return {"task": "image_variation", "images": [image] * case.images}


def prepare(case: Case, original: Path, folder: Path) -> None:
    """One case, with a folder in the place of S3."""

    def put(key: str, data: bytes, media_type: str, **_: Any) -> None:
        (folder / key.replace("/", "_")).write_bytes(data)

    def read(key: str, **_: Any) -> bytes:
        return original.read_bytes() if key == "original" else (folder / key.replace("/", "_")).read_bytes()

    media.put, media.read = put, read
    provider = entry(case.provider)
    body = request(case) | {"provider": case.provider}
    job = Job(
        id="job_1", tenant="t", mode="live", task=body["task"], request=body, sources={}, plan=[case.provider],
        created_at="2026-09-01T00:00:00Z", expires_at="2027-09-01T00:00:00Z",
    )  # fmt: skip
    job.sources = {role: Source(bucket="inbox", key="original") for role, _, _ in job.request.images()}
    before, began = high_water(), time.process_time()
    shelf = Shelf()
    fitting = Fitting(job, 1, provider, shelf)
    fitting.fit(stage(job, shelf, Clock()))
    seconds = time.process_time() - began
    made = next(iter(fitting.inputs.values()))
    sent = sum((folder / each.key.replace("/", "_")).stat().st_size for each in fitting.inputs.values())
    print(
        f"| {case} | {original.stat().st_size / 1e6:.1f} | {high_water()} ({before}) | {seconds:.1f} "
        f"| {made.width} x {made.height} {made.media_type.rpartition('/')[2]}, {sent / 1e6:.1f} |"
    )


def main() -> None:
    if len(sys.argv) > 1:
        prepare(CASES[int(sys.argv[1])], Path(sys.argv[2]), Path(sys.argv[3]))
        return
    print("| case | MB each | peak MB (before) | CPU s | sent: first image, MB together |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for index, case in enumerate(CASES):
            with tempfile.TemporaryDirectory() as staging:
                original = photo(Path(folder), case)
                sys.stdout.flush()
                subprocess.run([sys.executable, __file__, str(index), str(original), staging], check=True)


if __name__ == "__main__":
    main()
