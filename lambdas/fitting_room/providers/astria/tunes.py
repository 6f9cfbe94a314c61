"""The two kinds of tunes: a person's model, trained in minutes to hours, and a `faceid`, a reference usable at once.

Sources: pages "Create a tune" and "FaceID"; of the partner models' references the vendor's command line tool.
"""

from __future__ import annotations

from fitting_room.jobs.tasks import TrainSubject
from fitting_room.providers.adapter import Input, Order, Reference
from fitting_room.providers.astria.classes import SD15_GARMENT
from fitting_room.providers.astria.form import Form, form
from fitting_room.providers.astria.options import AstriaSettings, Options
from fitting_room.providers.astria.prompts import TOKEN


def training_title(order: Order) -> str:
    """Return the job's id, followed by `flat lay` where the vendor wants it.

    Source: "image title must include the wording `flat lay`".
    """
    flat_lay = isinstance(order.request, TrainSubject) and order.request.photo == "flat_lay"
    return f"{order.job_id} flat lay" if flat_lay else order.job_id


def trains(order: Order) -> bool:
    """Return whether the subject takes a training.

    Everything else is a reference.
    """
    return order.model == "sd15" and isinstance(order.request, TrainSubject) and order.request.kind == "person"


def training_of(order: Order, settings: AstriaSettings) -> Form:
    request, options = order.request, order.options
    assert isinstance(request, TrainSubject), "the caller looked"
    assert isinstance(options, Options), "the entry's own"
    pictures, title = order.numbered("picture"), training_title(order)
    if not trains(order):
        return _faceid(request.class_name, title, pictures, order.model, settings, order.callback)
    return form(
        "tune",
        {
            "title": title,
            "name": request.class_name,
            "branch": options.branch or "sd15",
            "token": TOKEN,
            "face_crop": options.face_crop,
            "training_face_correct": options.training_face_correct,
            "images": pictures,
            "callback": order.callback,
        },
    )


def reference_of(reference: Reference, settings: AstriaSettings) -> Form:
    """Return the form of a reference.

    It has no callback: its id is all there is to know.
    """
    return _faceid(reference.kind.class_name, reference.title, [reference.picture], reference.model, settings)


def _faceid(
    name: str, title: str, pictures: list[Input], model: str, settings: AstriaSettings, callback: str | None = None
) -> Form:
    """Return the form of a reference made of pictures.

    For a partner model the class says what to take from the picture. The older flow has references of garments only,
    and one class for all of them.
    """
    older = model == "sd15"
    return form(
        "tune",
        {
            "title": title,
            "name": SD15_GARMENT if older else name,
            "model_type": "faceid",
            "base_tune_id": None if older else settings.tune(model),
            "branch": "sd15" if older else None,
            "images": pictures,
            "callback": callback,
        },
    )
