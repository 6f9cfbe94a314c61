"""The queue of dropped files: a look at a file may be asked for once more, later."""

from __future__ import annotations

import json

from fitting_room.settings import settings
from fitting_room.stores import aws


def look_again(key: str, seconds: int) -> None:
    """Have a file looked at after so many seconds, at most 900, as if it had arrived then."""
    event = {"detail": {"object": {"key": key}}}
    aws.queues().send_message(QueueUrl=settings().drop_queue, MessageBody=json.dumps(event), DelaySeconds=seconds)
