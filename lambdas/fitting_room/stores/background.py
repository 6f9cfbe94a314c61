"""The function that speaks to providers behind a caller's back: it erases, and it stops what runs there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError

from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import aws


def ask(event: Mapping[str, str]) -> None:
    """Call the erase function and do not wait for it.

    A call that is refused is only logged.
    """
    try:
        aws.functions().invoke(
            FunctionName=settings().erase_function, InvocationType="Event", Payload=json.dumps(dict(event))
        )
    except (ClientError, BotoCoreError) as error:
        logger.warning("the erase function refused", extra={**event, "error": type(error).__name__})
