"""What the largest call to a model on Bedrock costs StartBedrock: peak memory of a process of its own.

    PYTHONPATH=.:lambdas python tests/bench/start_memory.py

A request as large as the provider takes, and an answer of five images of 9 MB each from a small server in another process.
StartBedrock has 512 MB, because it waits for its model at that price. Peak memory is read from /proc: Linux only.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

os.environ |= {"TABLE": "table", "INBOX_BUCKET": "inbox", "MEDIA_BUCKET": "media", "DEPLOYMENT": "{}"}
os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "us-east-1"}

from pydantic import TypeAdapter

from fitting_room.jobs.outcome import Finished
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.providers.adapter import Connection, Input, Order
from fitting_room.providers.catalogue import entry
from fitting_room.providers.nova_canvas.adapter import NovaCanvas
from fitting_room.providers.shared.bedrock import Bedrock
from functions.job.start_bedrock import handler as _handler  # noqa: F401  what the function has in memory
from tests.bench.image_master import high_water

IMAGES, IMAGE_BYTES = 5, 9_000_000
SERVER = "serve"


class Model(BaseHTTPRequestHandler):
    answer = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        pass


def serve() -> None:
    images = [base64.b64encode(os.urandom(IMAGE_BYTES)).decode() for _ in range(IMAGES)]
    Model.answer = json.dumps({"images": images}).encode()
    server = HTTPServer(("127.0.0.1", 0), Model)
    print(server.server_port, flush=True)
    server.handle_request()


def main() -> None:
    if SERVER in sys.argv:
        serve()
        return
    with subprocess.Popen([sys.executable, __file__, SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url, nova = f"http://127.0.0.1:{int(server.stdout.readline())}", entry("nova_canvas")
        image = {"upload": "upl_" + "0" * 26}
        body = {"task": "image_variation", "images": [image] * IMAGES, "output": {"count": IMAGES}, "prompt": "x"}
        request: AnyRequest = TypeAdapter(AnyRequest).validate_python(body)
        each = int((nova.max_body or 0) * 0.74 / IMAGES)
        inputs = {
            role: Input("image/png", 2364, 1773, partial(bytes, os.urandom(each)), str)
            for role, _, _ in request.images()
        }
        order = Order("job_1", 1, request, nova.models[0].id, inputs, 1, None)
        before = high_water()
        bedrock = Bedrock(Connection(url, "us-east-1", None), nova.id, nova.title)
        outcome = NovaCanvas(bedrock).start(order)
        assert isinstance(outcome, Finished), outcome
        came = sum(len(image.data) for image in outcome.images)
        print(
            f"{each * IMAGES / 1e6:.0f} MB of images out, {came / 1e6:.0f} MB back:"
            f" peak {high_water()} MB ({before} before the call)"
        )


if __name__ == "__main__":
    main()
