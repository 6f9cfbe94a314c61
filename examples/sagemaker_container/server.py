"""A container of SageMaker that speaks `fitting-room/try-on/1`: `GET /ping` and `POST /invocations` on port 8080.

SageMaker runs `docker run <image> serve`. The model is in model.py; docs/sagemaker.md of Fitting Room explains the document.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from model import Asked, Garment, Model, RefusedError
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

CONTRACT = "fitting-room/try-on/1"
PORT = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
HOST = os.environ.get("HOST", "0.0.0.0")  # noqa: S104  SageMaker reaches the container from outside
MAX_BODY = 21_000_000
OURS = ("ModelNotReady", "OutOfMemory", "Internal")
"""Names of errors that no other request would mend: their status is 500."""
FORMATS = {"png": ("PNG", "image/png"), "jpeg": ("JPEG", "image/jpeg")}

MARK = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{}</Iptc4xmpExt:DigitalSourceType>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


class Worker:
    """Holds the model, which is loaded beside the server, and gives it one request at a time."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._one_at_a_time = threading.Lock()
        threading.Thread(target=self._load, daemon=True).start()

    @property
    def ready(self) -> bool:
        return self._model is not None

    def _load(self) -> None:
        self._model = Model()

    def answer(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a document. Raises `RefusedError`."""
        if self._model is None:
            raise RefusedError("ModelNotReady", "The model is still being loaded.")
        if document.get("contract") != CONTRACT:
            raise RefusedError("InvalidRequest", f"`contract` must be {CONTRACT}.")
        try:
            person, output = _image(document["person"]), document["output"]
            garments = [Garment(_image(each), each["category"], each["photo"]) for each in document["garments"]]
            asked = Asked(output["count"], output["seed"], output["quality"], document["options"])
            name, (form, media_type) = document["id"], FORMATS[output["format"]]
        except (KeyError, TypeError) as error:
            raise RefusedError("InvalidRequest", f"A field is missing or wrong: {error}.") from None
        with self._one_at_a_time:
            images = self._model.try_on(person, garments, asked)
        xmp = MARK.format(self._model.source_type).encode() if self._model.source_type else None
        made = [{"media_type": media_type, "data": _encoded(each, form, xmp), "seed": asked.seed} for each in images]
        return {"contract": CONTRACT, "id": name, "images": made, "warnings": []}


class Handler(BaseHTTPRequestHandler):
    worker: Worker

    def do_GET(self) -> None:
        self._send(200 if self.path == "/ping" and self.worker.ready else 503 if self.path == "/ping" else 404, {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, MAX_BODY + 1))
        if self.path != "/invocations":
            self._send(404, {})
            return
        try:
            if length > MAX_BODY:
                raise RefusedError("InvalidRequest", f"The document has more than {MAX_BODY:,} bytes.")
            self._send(200, self.worker.answer(_document(body)))
        except RefusedError as refused:
            self._send(500 if refused.name in OURS else 400, _error(refused.name, str(refused)))
        except Exception as error:
            self.log_error("failed: %s", type(error).__name__)  # its text may hold what was sent
            self._send(500, _error("Internal", type(error).__name__))

    def _send(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path != "/ping":
            super().log_request(code, size)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        raise RefusedError("InvalidRequest", "The body is not JSON.") from None
    if not isinstance(document, dict):
        raise RefusedError("InvalidRequest", "The body is not a JSON object.")
    return document


def _image(part: dict[str, Any]) -> Image.Image:
    try:
        return Image.open(io.BytesIO(base64.b64decode(part["data"], validate=True))).convert("RGB")
    except (binascii.Error, UnidentifiedImageError, OSError):
        raise RefusedError("ImageUnreadable", "An image cannot be read.") from None


def _encoded(image: Image.Image, form: str, xmp: bytes | None) -> str:
    file, info = io.BytesIO(), PngInfo()
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    image.save(file, form, pnginfo=info, xmp=xmp)  # each format takes its own of the two
    return base64.b64encode(file.getvalue()).decode()


def _error(name: str, message: str) -> dict[str, Any]:
    return {"contract": CONTRACT, "error": {"name": name, "message": message}}


def main() -> None:
    Handler.worker = Worker()
    server = ThreadingHTTPServer((HOST, PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
