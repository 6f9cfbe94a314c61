"""`python -m local.simulators --bedrock-port N --tryiton-port M --fashn-port L`: all simulators in one process, until SIGTERM.

Port 0 picks a free one. When all answer, one JSON line says where: `{"ports": {...}, "urls": {...}}`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

import boto3

from local.simulators.aidge.app import Aidge
from local.simulators.astria.app import Astria
from local.simulators.bedrock.app import Bedrock
from local.simulators.fal.app import Fal
from local.simulators.gemini.app import Gemini
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import Simulator, loopback, server
from local.simulators.predictions.fashn import RETRIES, Fashn
from local.simulators.predictions.tryiton import TryItOn
from local.simulators.sagemaker.app import SageMaker
from local.simulators.webhook_receiver.app import WebhookReceiver


async def serve(simulators: dict[str, tuple[Simulator, int]]) -> None:
    """Serve the simulators. Raises OSError, naming the port, when one is taken."""
    sockets = {name: loopback(port) for name, (_, port) in simulators.items()}
    servers = {name: server(simulator.app()) for name, (simulator, _) in simulators.items()}

    def stop() -> None:
        for each in servers.values():
            each.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    tasks = [asyncio.create_task(servers[name].serve([sockets[name]])) for name in servers]
    while not all(each.started for each in servers.values()):
        await asyncio.sleep(0.01)
    ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    print(json.dumps({"ports": ports, "urls": urls}), flush=True)
    await asyncio.gather(*tasks)


def seconds(text: str) -> tuple[float, ...]:
    return tuple(float(each) for each in text.split(",") if each)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.simulators", description=__doc__)
    parser.add_argument("--bedrock-port", type=int, default=0)
    parser.add_argument("--tryiton-port", type=int, default=0)
    parser.add_argument("--tryiton-seconds", type=float, default=0.0, help="how long a TryItOn job takes at least")
    parser.add_argument("--fashn-port", type=int, default=0)
    parser.add_argument(
        "--fashn-webhook-delays",
        type=seconds,
        default=RETRIES,
        metavar="S,S,...",
        help="before each further try of a webhook",
    )
    parser.add_argument("--astria-port", type=int, default=0)
    parser.add_argument("--astria-train-seconds", type=float, default=0.0, help="how long Astria trains a tune")
    parser.add_argument("--aidge-port", type=int, default=0)
    parser.add_argument("--aidge-submits", type=int, default=3, help="how many submits Aidge accepts")
    parser.add_argument("--aidge-seconds", type=float, default=60.0, help="within how many seconds")
    parser.add_argument("--sagemaker-port", type=int, default=0)
    parser.add_argument("--sagemaker-endpoint", default="vton", help="the name of the endpoint that there is")
    parser.add_argument("--sagemaker-container", default="", metavar="URL", help="where its container listens")
    parser.add_argument("--sagemaker-s3", default=None, metavar="URL", help="where S3 is, for its input and output")
    parser.add_argument("--webhook-receiver-port", type=int, default=0)
    parser.add_argument("--fal-port", type=int, default=0)
    parser.add_argument("--gemini-port", type=int, default=0)
    args = parser.parse_args()
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=args.sagemaker_s3,
        aws_access_key_id="000000000000",
        aws_secret_access_key="test",
    )
    previews = Previews()
    simulators: dict[str, tuple[Simulator, int]] = {
        "bedrock": (Bedrock(previews), args.bedrock_port),
        "tryiton": (TryItOn(previews, seconds=args.tryiton_seconds), args.tryiton_port),
        "fashn": (Fashn(previews, retries=args.fashn_webhook_delays), args.fashn_port),
        "astria": (Astria(previews, training=args.astria_train_seconds), args.astria_port),
        "aidge": (Aidge(previews, submits=args.aidge_submits, seconds=args.aidge_seconds), args.aidge_port),
        "sagemaker": (SageMaker((args.sagemaker_endpoint,), args.sagemaker_container, s3), args.sagemaker_port),
        "webhook_receiver": (WebhookReceiver(), args.webhook_receiver_port),
        "fal": (Fal(previews), args.fal_port),
        "gemini": (Gemini(previews), args.gemini_port),
    }
    try:
        asyncio.run(serve(simulators))
    except OSError as error:
        ports = ", ".join(str(port) for _, port in simulators.values())
        print(f"the simulators cannot listen on ports {ports}: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        previews.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
