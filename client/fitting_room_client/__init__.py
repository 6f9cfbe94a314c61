"""The Python client of Fitting Room: `FittingRoom` for ordinary code, `AsyncFittingRoom` for asyncio."""

from fitting_room_client import webhooks
from fitting_room_client.client import AsyncFittingRoom, FittingRoom
from fitting_room_client.errors import (
    AnswerLost,
    BadInput,
    DeadlinePassed,
    FittingRoomError,
    JobFailed,
    NotDelivered,
    Refused,
)
from fitting_room_client.models import Batch, Erased, Estimate, Event, Fault, Image, Job, Page, Provider
from fitting_room_client.results import Picture, Result

__all__ = [
    "AnswerLost",
    "AsyncFittingRoom",
    "BadInput",
    "Batch",
    "DeadlinePassed",
    "Erased",
    "Estimate",
    "Event",
    "Fault",
    "FittingRoom",
    "FittingRoomError",
    "Image",
    "Job",
    "JobFailed",
    "NotDelivered",
    "Page",
    "Picture",
    "Provider",
    "Refused",
    "Result",
    "webhooks",
]
