"""Put right where the emulator's API Gateway answers differently from AWS in a way this product can see."""

from __future__ import annotations

import importlib

from local.emulator.rewriting import rewrite


def tell_an_address_that_resolves() -> None:
    """Give an API an address that a client reaches, as AWS does: functions tell it to clients.

    ministack: a host name that no resolver knows; it answers at a path of its own address as well.
    """
    host, port = "{_MINISTACK_HOST}", "{os.environ.get('GATEWAY_PORT', '4566')}"
    rewrite(
        importlib.import_module("ministack.services.cloudformation.provisioners"),
        "_apigw_v2_api_create",
        (f"{{api_id}}.execute-api.{host}:{port}", f"{host}:{port}/_aws/execute-api/{{api_id}}"),
    )
