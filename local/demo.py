"""`make demo`: one try-on with two providers, over HTTP like any client, on the laptop cloud."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from local import cloud
from local.deploy import HOME, CloudError

SAMPLES = Path(__file__).parent / "samples"
PERSON, GARMENT, CATEGORY = SAMPLES / "person_a.png", SAMPLES / "tee.png", "tops"
PROVIDERS: dict[str, dict[str, Any]] = {"fashn": {}, "aidge": {"aidge": {"view": "halfbody"}}}
"""What each is sent as `provider_options`: FASHN keeps the photo's framing, Aidge draws one of its own."""
PICTURES = HOME / "demo"
POLL_SECONDS = 0.5
GIVE_UP_SECONDS = 600
HEIGHT, GAP, CAPTION = 640, 16, 40  # of the overview, in pixels


def run() -> bool:
    """Run the demo, and say whether every job succeeded."""
    began = time.monotonic()
    endpoints = cloud.up()
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    with httpx.Client(headers={"Authorization": f"Bearer {endpoints.api_key}"}, timeout=30) as http:
        client = Client(http, endpoints.api)
        person, garment = client.upload(PERSON), client.upload(GARMENT)
        submitted = {provider: client.submit(person, garment, provider) for provider in PROVIDERS}
        jobs = dict(client.follow(submitted))
        pictures = {provider: client.save(provider, job) for provider, job in jobs.items()}
    found = {provider: pictures[provider] for provider in PROVIDERS if pictures[provider]}
    if found:
        print(f"\n{overview(found)}")
        for paths in found.values():
            print(*paths, sep="\n")
    print(f"\nAPI   {endpoints.api}\nkeys  {cloud.ENDPOINTS}\n\nin place of a vendor's address (docs/dialects.md):")
    print(*(f"{name:<10}{address}" for name, address in endpoints.dialects.items()), sep="\n")
    print(f"\n{time.monotonic() - began:.1f} s in all")
    return len(found) == len(PROVIDERS)


class Client:
    """The few calls of the API that a try-on takes."""

    def __init__(self, http: httpx.Client, api: str) -> None:
        self._http, self._api = http, api

    def upload(self, picture: Path) -> str:
        content = picture.read_bytes()
        upload = self._call("POST", "/v1/uploads", {"content_type": "image/png", "bytes": len(content)})
        post = upload["post"]
        files = {"file": (picture.name, content, "image/png")}
        httpx.post(post["url"], data=post["fields"], files=files, timeout=30).raise_for_status()
        return str(upload["id"])

    def submit(self, person: str, garment: str, provider: str) -> str:
        job = self._call("POST", "/v1/jobs", {
            "task": "try_on",
            "person": {"upload": person},
            "garments": [{"image": {"upload": garment}, "category": CATEGORY}],
            "provider": provider,
            "provider_options": PROVIDERS[provider],
        })  # fmt: skip
        return str(job["id"])

    def follow(self, submitted: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Print each step as it is reached; yield each job when it is over."""
        began, steps, open_jobs = time.monotonic(), dict.fromkeys(submitted, ""), dict(submitted)
        while open_jobs:
            if time.monotonic() - began > GIVE_UP_SECONDS:
                raise CloudError(
                    f"no end after {GIVE_UP_SECONDS} s of {', '.join(open_jobs.values())}: see {HOME / 'logs'}"
                )
            for provider, job_id in list(open_jobs.items()):
                job = self._call("GET", f"/v1/jobs/{job_id}")
                if job["step"] != steps[provider]:
                    steps[provider] = job["step"]
                    print(f"  {provider:<12} {job['step']:<14} {time.monotonic() - began:6.1f} s", flush=True)
                if job["status"] in ("succeeded", "failed", "cancelled"):
                    del open_jobs[provider]
                    yield provider, job
            time.sleep(POLL_SECONDS)

    def save(self, provider: str, job: dict[str, Any]) -> list[Path]:
        """Save the pictures of a job that succeeded; for another, say why and what to do."""
        if job["status"] != "succeeded":
            error = job["error"]
            print(f"{provider}: {job['status']}, {error['code']}: {error['detail']} {error['remedy']}", file=sys.stderr)
            if error.get("provider_detail"):
                print(f"{provider} said: {error['provider_detail']}", file=sys.stderr)
            return []
        paths = []
        for image in job["images"]:
            path = PICTURES / f"{provider}_{image['n']}.{image['format']}"
            answer = httpx.get(image["url"], timeout=30).raise_for_status()
            path.write_bytes(answer.content)  # as they came: their metadata says what made them
            paths.append(path)
        return paths

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        answer = self._http.request(method, self._api + path, json=body, headers=headers)
        if answer.is_error:
            raise CloudError(f"{method} {path} answered {answer.status_code}: {_why(answer)}")
        return dict(answer.json())


def _why(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['code']}: {problem['detail']} {problem['remedy']}"
    except (ValueError, KeyError):
        return answer.text[:300]


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
    except httpx.HTTPError as error:
        sys.exit(f"error: the local cloud did not answer ({error}): `make down`, then `make demo`")
    except KeyboardInterrupt:
        sys.exit("interrupted: `make down` stops what runs")


if __name__ == "__main__":
    main()
