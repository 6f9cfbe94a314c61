"""An example of a request for every task, and of the error for every code: what the document shows, and the tests send."""

from __future__ import annotations

from typing import Any, NamedTuple

_PERSON = {"upload": "upl_01K3Q8Z7M0T4N6V9X2B5C8D1E3"}
_GARMENT = {"upload": "upl_01K3Q8Z7M0T4N6V9X2B5C8D1E4"}
_SOFA = {"type": "prompt", "prompt": "the sofa"}

TASKS: dict[str, dict[str, Any]] = {
    "try_on": {
        "task": "try_on",
        "person": _PERSON,
        "garments": [{"image": _GARMENT, "category": "tops"}],
        "provider": "auto",
        "owner": "shopper-8812",
        "webhook": {"url": "https://shop.example/webhooks"},
    },
    "text_to_image": {
        "task": "text_to_image",
        "prompt": "a linen shirt on a wooden hanger",
        "style": "photorealism",
        "size": {"width": 1024, "height": 1024},
    },
    "color_guided": {
        "task": "color_guided",
        "prompt": "a striped scarf on a white table",
        "colors": ["#1a2b3c", "#ffcc00"],
    },
    "image_variation": {"task": "image_variation", "images": [_GARMENT], "similarity": 0.7},
    "inpaint": {"task": "inpaint", "image": _PERSON, "mask": _SOFA, "prompt": "a red leather sofa"},
    "outpaint": {
        "task": "outpaint",
        "image": _PERSON,
        "mask": {"type": "prompt", "prompt": "the person"},
        "prompt": "a beach at noon",
    },
    "remove_background": {"task": "remove_background", "image": _GARMENT},
    "train_subject": {
        "task": "train_subject",
        "kind": "person",
        "class_name": "woman",
        "pictures": [_PERSON],
    },
}

BATCHES: dict[str, dict[str, Any]] = {
    "manifest": {
        "manifest": {"upload": "upl_01K3Q8Z7M0T4N6V9X2B5C8D1E3"},
        "defaults": {"provider": "fashn", "output": {"quality": "best"}},
        "max_cost": {"amount": 50},
        "hold": True,
    },
    "cross": {"cross": {"persons": [_PERSON], "garments": [{"image": _GARMENT, "category": "tops"}]}},
    "jobs": {"jobs": [{"id": "A-1", **TASKS["try_on"]}]},
}

TOKEN: dict[str, Any] = {
    "owner": "shopper-8812",
    "max_jobs": 3,
    "request": {"provider": "fashn"},
    "garments": ["https://shop.example/garments/"],
}


class Example(NamedTuple):
    """The words of one error, and further fields of it."""

    detail: str
    remedy: str
    facts: dict[str, Any] = {}


ERRORS: dict[str, Example] = {
    "invalid_input": Example("The number is too large.", "Use 1 to 8.", {"pointer": "/output/count"}),
    "unsupported_option": Example(
        "TryItOn does not take `output.seed` for the task `try_on`.",
        "Leave it out. Or name another provider that can: `fashn`.",
        {"pointer": "/output/seed", "provider": "tryiton"},
    ),
    "provider_not_configured": Example(
        "FASHN is not set up in this deployment.",
        "Name another provider, or ask the operator.",
        {"pointer": "/provider", "provider": "fashn"},
    ),
    "provider_paused": Example(
        "The operator has paused FASHN.",
        "Send it again later, or name another provider.",
        {"pointer": "/provider", "provider": "fashn"},
    ),
    "provider_not_allowed": Example(
        "A test key reaches the sandbox only.", "Leave `provider` out, or use a live key.", {"pointer": "/provider"}
    ),
    "model_retired": Example(
        "The provider has retired this model.", "Name another provider or model.", {"pointer": "/provider"}
    ),
    "subject_not_ready": Example(
        "This subject is unknown, still being made, failed, or being erased.",
        "See GET /v1/subjects/{id}, and submit the job once its status is ready.",
        {"pointer": "/person/subject"},
    ),
    "upload_missing": Example(
        "The upload is unknown, has expired, or its file was not sent.", "Upload again.", {"pointer": "/person/upload"}
    ),
    "webhook_not_configured": Example(
        "The tenant has no secret to sign webhooks with.",
        "Ask the operator for one, or leave `webhook` out.",
        {"pointer": "/webhook"},
    ),
    "unauthorized": Example(
        "The request has no valid API key.",
        "Send `Authorization: Bearer fr_live_...` or `fr_test_...` with a key of this deployment.",
    ),
    "forbidden": Example(
        "This API key lacks the scope `submit`.",
        "Use a key with the scope `submit`, or ask the operator to create one.",
    ),
    "not_found": Example("There is no such job.", "Check the id; a job is kept for a limited time only."),
    "method_not_allowed": Example("PUT is not served here.", "Use DELETE or GET."),
    "idempotency_conflict": Example("This idempotency key was used with another body.", "Send a new key."),
    "too_large": Example(
        "The body has 6,000,000 bytes; the limit is 5,000,000.",
        "Send images with POST /v1/uploads and name them by their upload id.",
    ),
    "unsupported_media_type": Example("The body is not declared as JSON.", "Send `Content-Type: application/json`."),
    "may_be_charged": Example(
        "The job was or may have been charged.", 'Recover it, or send {"buy_again": true} to buy a second time.'
    ),
    "nothing_to_recover": Example("The job was not charged.", "Retry it."),
    "conflict": Example("The job is running.", "Wait for its end."),
    "erased": Example("This job was erased on 2026-11-26T10:00:00.000Z.", "Nothing is left to do."),
    "budget_exceeded": Example(
        "The tenant's budget for today does not cover this job.",
        "Wait until 00:00 UTC, or ask the operator to raise the daily budget.",
    ),
    "throttled": Example(
        "This API key sends too many requests.", "Send the request again after the seconds in `Retry-After`."
    ),
    "image_unreadable": Example("The file is no image.", "Send another image.", {"pointer": "/person"}),
    "image_unreachable": Example(
        "The host of the image did not deliver it for a minute.", "Retry, or upload the image.", {"pointer": "/person"}
    ),
    "pose_not_found": Example(
        "The provider finds no person in the image.", "Send another image.", {"provider": "fashn"}
    ),
    "content_blocked": Example(
        "The provider's filter refused the result.", "Change the images or the prompt.", {"provider": "nova_canvas"}
    ),
    "output_rejected": Example("The result is blank.", "Use another seed or image.", {"provider": "tryiton"}),
    "quota_exhausted": Example("The provider's account has no credit.", "Ask the operator.", {"provider": "fashn"}),
    "rate_limited": Example("The provider has no slot soon enough.", "Retry.", {"provider": "tryiton"}),
    "provider_auth": Example(
        "The provider refused the deployment's key.", "Ask the operator.", {"provider": "tryiton"}
    ),
    "provider_error": Example("The provider failed.", "Retry.", {"provider": "astria"}),
    "provider_unavailable": Example("The provider cannot be reached.", "Retry.", {"provider": "astria"}),
    "timed_out": Example("The provider did not finish in time.", "Recover the job.", {"provider": "aidge"}),
    "cancelled": Example("The job was cancelled.", "Recover it if it was charged."),
    "internal": Example("Internal server error.", "Send the request again; with an Idempotency-Key that is safe."),
}
"""By code; a code without an example stops the making of the document."""
