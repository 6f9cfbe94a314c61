"""Each call about batches as a flow, and a batch's contact sheet as a folder."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape, unescape
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fitting_room_client.core import CALL_SECONDS, Core, read
from fitting_room_client.errors import BadInput, DeadlinePassed, Refused
from fitting_room_client.flow import Flow, Pause
from fitting_room_client.manifests import Manifest
from fitting_room_client.models import Batch, BatchPage
from fitting_room_client.requests import bytes_of, content_type
from fitting_room_client.retries import LAST_TRY, retry_after

Rows = PathLike[str] | Sequence[Mapping[str, Any]]
"""The path of a manifest, or its rows."""
OnBatch = Callable[[Batch], object]
OnCount = Callable[[int, int], object]
"""Gets how many of how many are done."""
_IMAGE = re.compile(r'(?:<a href="[^"]+" download="(?P<name>[^"]+)">)?<img src="(?P<link>[^"]+)"')
INLINE = 100
"""Rows that a request may hold itself."""
LOOK_SECONDS = 5.0
_LINKS_SECONDS = 600.0
"""How long the links of a page are surely good."""
_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif", "image/heic": "heic"}


class BatchCore(Core):
    def create_batch(
        self, rows: Rows, fields: Mapping[str, Any], key: str | None, see: OnCount | None = None
    ) -> Flow[Batch]:
        """Upload each file that the rows name once, and create the batch with one key however often it is sent."""
        body = {name: value for name, value in fields.items() if value is not None}
        if isinstance(rows, PathLike):
            body["manifest"] = {"upload": (yield from self._stored_manifest(Manifest.read(Path(rows)), see))}
        else:
            jobs = yield from self._uploaded(rows, "", math.inf, {})
            if len(jobs) <= INLINE:
                body["jobs"] = jobs
            else:
                lines = "\n".join(map(json.dumps, jobs)).encode()
                body["manifest"] = {"upload": (yield from self.store(lines, "application/jsonl", math.inf)).id}
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return read(Batch, (yield from self._ask("POST", "/v1/batches", json=body, headers=headers)))

    def _stored_manifest(self, manifest: Manifest, see: OnCount | None) -> Flow[str]:
        files, ids = manifest.files(), dict[Path, str]()
        for n, path in enumerate(files, 1):
            ids[path] = (yield from self.upload(bytes_of(path, str(path)), self.until(CALL_SECONDS), str(path))).id
            if see:
                see(n, len(files))
        stored = yield from self.store(manifest.with_uploads(ids), manifest.content_type, self.until(CALL_SECONDS))
        return stored.id

    def batch(self, method: str, batch_id: str, action: str = "") -> Flow[Batch]:
        return read(Batch, (yield from self._ask(method, _path(batch_id) + action)))

    def batches(self, limit: int, cursor: str | None) -> Flow[BatchPage]:
        query = {"limit": str(limit), "cursor": cursor}
        return read(BatchPage, (yield from self._ask("GET", "/v1/batches", query=query)))

    def delete_batch(self, batch_id: str) -> Flow[int]:
        answer = yield from self._ask("DELETE", _path(batch_id))
        return int(answer.json()["jobs"])

    def wait_for_batch(self, batch: Batch | str, until: float, see: OnBatch | None) -> Flow[Batch]:
        """Look at a batch until it is over or paused, and at each change tell `see`. Raises `DeadlinePassed`."""
        seen = batch if isinstance(batch, Batch) else Batch(id=batch)
        pause = 0.0
        while not seen.status or not (seen.over or seen.status == "paused"):
            left = until - self.clock.now() - LAST_TRY
            if seen.status and left <= 0:
                raise DeadlinePassed(seen)
            yield Pause(max(0.0, min(pause, left)))
            answer = yield from self._ask("GET", _path(seen.id), until=until, tries=math.inf)
            before, seen = seen, read(Batch, answer)
            pause = retry_after(answer) or LOOK_SECONDS
            if see and seen != before:
                see(seen)
        return seen

    def save_batch(self, batch_id: str, folder: Path, see: OnCount | None) -> Flow[Path]:
        """Write report.csv, the images, and the contact sheet with them; return the sheet's first page.

        A batch that is not over has no report.csv yet.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if (yield from self.batch("GET", batch_id)).over:
            (folder / "report.csv").write_bytes((yield from self._report(batch_id, "csv")))
        names: dict[str, str] = {}
        page = pages = 1
        while page <= pages:
            html = yield from self._saved_page(batch_id, page, folder, names)
            (folder / _page_name(page)).write_text(html, encoding="utf-8")
            pages = int((re.findall(r'data-pages="(\d+)"', html) or ["1"])[0])
            if see:
                see(page, pages)
            page += 1
        return folder / _page_name(1)

    def _saved_page(self, batch_id: str, page: int, folder: Path, names: dict[str, str]) -> Flow[str]:
        """Save the images of a page, and return it with the names of their files. An image that is gone is left out.

        `names`: of the files that are saved already, by what names an image (`_image`).
        """
        while True:
            html = (yield from self._report(batch_id, "html", page=str(page))).decode()
            old = self.until(_LINKS_SECONDS)
            for name, link in _IMAGE.findall(html):
                if _image(link) in names:
                    continue
                try:
                    content = yield from self.fetch(unescape(link), self.until(CALL_SECONDS))
                except Refused:
                    if self.clock.now() > old:
                        break
                    names[_image(link)] = ""
                else:
                    names[_image(link)] = _keep(folder, unescape(name), content, names.values())
            else:
                return _own(html, names)

    def _report(self, batch_id: str, form: str, **query: str) -> Flow[bytes]:
        answer = yield from self._ask("GET", f"{_path(batch_id)}/report.{form}", query=query)
        return (yield from self.fetch(answer.headers["location"], self.until(CALL_SECONDS)))


def _keep(folder: Path, name: str, content: bytes, taken: Collection[str]) -> str:
    """Write an image into the folder, and return its path there. Results have a name, inputs are named by their content."""
    try:
        suffix = _SUFFIXES[content_type(content, "")]
    except BadInput:
        suffix = "bin"
    clean = re.sub(r"[^\w.-]", "_", name).strip(".")
    path = f"results/{clean}.{suffix}" if clean else f"inputs/{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
    if clean and path in taken:
        path = f"results/{clean}-{len(taken)}.{suffix}"
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(content)
    return path


def _own(html: str, names: Mapping[str, str]) -> str:
    """Return a page whose images and other pages are files beside it."""
    html = re.sub(
        r'(href|src)="(https?://[^"]+)"', lambda tag: f'{tag[1]}="{escape(quote(names.get(_image(tag[2]), "")))}"', html
    )
    return re.sub(
        r'<span data-page="(\d+)"[^>]*>\d+</span>',
        lambda other: f'<a href="{_page_name(int(other[1]))}">{other[1]}</a>',
        html,
    )


def _image(link: str) -> str:
    """Return what names an image: the API marks equal ones behind a `#`. The signature is another one each time."""
    parts = urlsplit(unescape(link))
    return parts.fragment or parts.path


def _page_name(page: int) -> str:
    return "index.html" if page == 1 else f"page-{page}.html"


def _path(batch_id: str) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}"
