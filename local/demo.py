"""`make demo`: a try-on with two providers and a batch of eight, over HTTP like any client, on the laptop cloud."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from fitting_room_client import AsyncFittingRoom, Batch, FittingRoomError
from local import cloud
from local.deploy import HOME, CloudError

SAMPLES = Path(__file__).parent / "samples"
PERSON, GARMENT, CATEGORY = SAMPLES / "person_a.png", SAMPLES / "tee.png", "tops"
CATALOGUE = SAMPLES / "catalogue.csv"
PROVIDERS: dict[str, dict[str, Any]] = {"fashn": {}, "aidge": {"aidge": {"view": "halfbody"}}}
"""What each is sent as `provider_options`: FASHN keeps the photo's framing, Aidge draws one of its own."""
PICTURES = HOME / "demo"
GIVE_UP_SECONDS = 600
HEIGHT, GAP, CAPTION = 640, 16, 40  # of the overview, in pixels


def run() -> bool:
    """Run the demo, and say whether every job succeeded."""
    began = time.monotonic()
    endpoints = cloud.up()
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    pictures, complete = asyncio.run(_made(endpoints))
    found = {provider: paths for provider, paths in pictures.items() if paths}
    if found:
        print(f"\n{overview(found)}")
        for paths in found.values():
            print(*paths, sep="\n")
    print(f"{PICTURES / 'batch' / 'index.html'}" if complete else "the batch has no complete contact sheet")
    print(f"\nAPI   {endpoints.api}\nkeys  {cloud.ENDPOINTS}\n\nin place of a vendor's address (docs/dialects.md):")
    print(*(f"{name:<10}{address}" for name, address in endpoints.dialects.items()), sep="\n")
    print(f"\n{time.monotonic() - began:.1f} s in all")
    return complete and len(found) == len(PROVIDERS)


async def _made(endpoints: cloud.Endpoints) -> tuple[dict[str, list[Path]], bool]:
    """Return the saved images of each provider, and whether every row of the batch succeeded."""
    async with AsyncFittingRoom(endpoints.api, endpoints.api_key) as fr:
        person, garment = (await fr.upload(PERSON)).id, (await fr.upload(GARMENT)).id
        try_ons = (_try_on(fr, provider, person, garment) for provider in PROVIDERS)
        complete, pictures = await asyncio.gather(_batch(fr), asyncio.gather(*try_ons))
        return dict(zip(PROVIDERS, pictures, strict=True)), complete


async def _try_on(fr: AsyncFittingRoom, provider: str, person: str, garment: str) -> list[Path]:
    tell = _teller(provider)
    try:
        result = await fr.try_on(
            person,
            garment,
            category=CATEGORY,
            provider=provider,
            provider_options=PROVIDERS[provider],
            deadline=GIVE_UP_SECONDS,
            on_change=lambda job: tell(job.step),
        )
    except FittingRoomError as error:
        _complain(provider, error)
        return []
    return [  # as they came: their metadata says what made them
        picture.save(PICTURES / f"{provider}_{picture.image.n}.{picture.image.format}") for picture in result.images
    ]


async def _batch(fr: AsyncFittingRoom) -> bool:
    tell = _teller("batch")
    try:
        batch = await fr.batch(
            CATALOGUE,
            save=PICTURES / "batch",
            deadline=GIVE_UP_SECONDS,
            on_change=lambda batch: tell(_progress(batch)),
            defaults={"provider": "sandbox"},
            reference="Sample catalogue",
        )
    except FittingRoomError as error:
        _complain("batch", error)
        return False
    return bool(batch.counts) and batch.counts["succeeded"] == batch.counts["rows"]


def _progress(batch: Batch) -> str:
    return f"{batch.status} {batch.counts.get('succeeded', 0)}/{batch.counts.get('rows', 0)}"


def _teller(name: str) -> Callable[[str], None]:
    began = time.monotonic()
    return lambda step: print(f"  {name:<12} {step:<14} {time.monotonic() - began:6.1f} s", flush=True)


def _complain(name: str, error: FittingRoomError) -> None:
    """Say why there is no result, and what to do."""
    status = f"{error.job.status}, " if error.job else ""
    for fault in error.faults:
        print(f"{name}: {status}{fault.code}: {fault.detail} {fault.remedy}", file=sys.stderr)
        if fault.provider_detail:
            print(f"{name} said: {fault.provider_detail}", file=sys.stderr)


def overview(pictures: dict[str, list[Path]]) -> Path:
    """Put person, garment and results side by side. The results are previews, made by no vendor's model."""
    captions = {"person": PERSON, "garment": GARMENT} | {
        f"{name} (preview)": paths[0] for name, paths in pictures.items()
    }
    tiles = {
        text: ImageOps.contain(Image.open(path).convert("RGB"), (HEIGHT, HEIGHT)) for text, path in captions.items()
    }
    width = sum(tile.width + GAP for tile in tiles.values()) + GAP
    sheet = Image.new("RGB", (width, HEIGHT + CAPTION + 2 * GAP), "white")
    draw, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(size=20), GAP
    for text, tile in tiles.items():
        sheet.paste(tile, (left, GAP + (HEIGHT - tile.height) // 2))
        draw.text((left, HEIGHT + 2 * GAP), text, fill="black", font=font)
        left += tile.width + GAP
    path = PICTURES / "overview.png"
    marking = PngInfo()
    marking.add_text(
        "Comment", "Holds local previews by classical image processing, not the output of a generative model"
    )
    sheet.save(path, pnginfo=marking)
    return path


def main() -> None:
    try:
        sys.exit(0 if run() else 1)
    except CloudError as error:
        sys.exit(f"error: {error}")
    except FittingRoomError as error:
        sys.exit(f"error: {error}\n`make down`, then `make demo`, if the local cloud does not answer")
    except KeyboardInterrupt:
        sys.exit("interrupted: `make down` stops what runs")


if __name__ == "__main__":
    main()
