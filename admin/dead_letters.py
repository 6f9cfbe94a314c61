"""Look at events that could not be handled, and send them once more to where they belong."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from admin.command import Group, Said, noun, verb
from admin.stage import AdminError, Stage
from fitting_room import clock

HIDDEN_SECONDS = 60
"""How long a letter that was read is hidden from others: longer than this tool looks at it."""
_QUEUES = {"drops": "DropsUrl", "webhooks": "WebhooksUrl"}
"""By the name of a queue, the stack output that holds its address."""


class Letter(NamedTuple):
    """`to`: the function, by its ARN, or the queue: `drops` or `webhooks`. `event`: what it could not handle."""

    id: str
    receipt: str
    sent_at: str
    to: str
    event: Any
    reason: str


def add(nouns: Group) -> None:
    verbs = noun(nouns, "dead-letters", "look at events that could not be handled, and replay them")
    verb(verbs, "list", _list, "list them; they stay where they are", "dead-letters list --stage prod")
    replay = verb(
        verbs,
        "replay",
        _replay,
        "send them to where they belong once more, and take them out of the queue",
        "dead-letters replay --all --stage prod",
    )
    replay.add_argument("ids", nargs="*", metavar="id", help="as `dead-letters list` shows it")
    replay.add_argument("--all", action="store_true", help="every one")


def _list(stage: Stage, args: argparse.Namespace) -> Said:
    letters = list(_letters(stage))
    _show_again(stage, letters)
    return Said([_shown(letter) for letter in letters])


def _replay(stage: Stage, args: argparse.Namespace) -> Said:
    if bool(args.ids) is args.all:
        raise AdminError("name the ids of dead letters, or send --all")
    letters = list(_letters(stage))
    wanted = [letter for letter in letters if args.all or letter.id in args.ids]
    _show_again(stage, [letter for letter in letters if letter not in wanted])
    if missing := set(args.ids) - {letter.id for letter in letters}:
        _show_again(stage, wanted)
        raise AdminError(f"there is no dead letter {', '.join(sorted(missing))}: `dead-letters list` shows them")
    for letter in wanted:  # sent first: an event that comes twice is harmless, one that is lost is not
        _send(stage, letter)
        stage.client("sqs").delete_message(QueueUrl=stage.outputs["DeadLettersUrl"], ReceiptHandle=letter.receipt)
    return Said([_shown(letter) for letter in wanted], f"{len(wanted)} replayed")


def _send(stage: Stage, letter: Letter) -> None:
    if output := _QUEUES.get(letter.to):
        stage.client("sqs").send_message(QueueUrl=stage.outputs[output], MessageBody=json.dumps(letter.event))
    else:
        stage.client("lambda").invoke(
            FunctionName=letter.to, InvocationType="Event", Payload=json.dumps(letter.event).encode()
        )


def _letters(stage: Stage) -> Iterator[Letter]:
    sqs, seen = stage.client("sqs"), set[str]()
    while True:
        found = sqs.receive_message(
            QueueUrl=stage.outputs["DeadLettersUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            AttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=1,  # asks every server of the queue
        ).get("Messages", [])
        new = [message for message in found if message["MessageId"] not in seen]
        if not new:
            return
        seen.update(message["MessageId"] for message in new)
        yield from map(_read, new)


def _read(message: dict[str, Any]) -> Letter:
    """Read a function's record of a failed call, EventBridge's undelivered event, or a message of one of the queues."""
    body, told = json.loads(message["Body"]), message.get("MessageAttributes", {})
    to: str
    if "requestPayload" in body:
        context, answer = body["requestContext"], body.get("responsePayload") or {}
        to, event = _unversioned(context["functionArn"]), body["requestPayload"]
        reason = f"{context.get('condition', '')} {answer.get('errorType', '')}".strip()
    elif "TARGET_ARN" in told and ":lambda:" in told["TARGET_ARN"]["StringValue"]:
        to, event = told["TARGET_ARN"]["StringValue"], body
        reason = told.get("ERROR_CODE", {}).get("StringValue", "")
    else:
        to, event = "webhooks" if set(body) == {"job_id"} else "drops", body
        reason = told.get("ERROR_CODE", {}).get("StringValue", "tried five times")
    sent_at = message["Attributes"]["SentTimestamp"]
    return Letter(message["MessageId"], message["ReceiptHandle"], sent_at, to, event, reason)


def _unversioned(arn: str) -> str:
    """Drop the version that Lambda names too, as in `...:function:name:$LATEST`."""
    return ":".join(arn.split(":")[:7])


def _show_again(stage: Stage, letters: list[Letter]) -> None:
    for letter in letters:
        try:
            stage.client("sqs").change_message_visibility(
                QueueUrl=stage.outputs["DeadLettersUrl"], ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )
        except ClientError:
            continue  # it shows again by itself


def _shown(letter: Letter) -> dict[str, Any]:
    """Say what the event is about, without the event: a key of a dropped file is named, because its owner must know it."""
    detail = letter.event.get("detail", {}) if isinstance(letter.event, dict) else {}
    about = detail.get("object", {}).get("key") or detail.get("name") or letter.event.get("job_id") or ""
    sent = clock.text(clock.from_ms(int(letter.sent_at)))
    to = letter.to.rpartition(":")[2]
    return {"id": letter.id, "sent_at": sent, "to": to, "about": about, "reason": letter.reason}
