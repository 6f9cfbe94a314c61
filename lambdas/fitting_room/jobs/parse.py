"""A request body to a request, or to every fault in it, in the API's words."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError

from fitting_room.jobs.document import Path, flaws, get, path_of, pointer_of, put, remove, within
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.links import Arrival
from fitting_room.jobs.tasks import TASKS, AnyRequest
from fitting_room.jobs.wording import chosen, fault_of, nearest, place, values

_MOST = 50
"""Faults reported at once: more do not help, and an answer has a limit."""
_ROUNDS = 12
_IMAGE = {"s3": "s3://bucket/key"}
_STAND_INS: dict[str, Any] = {
    # what is right at each required place, and at each place that another rule needs
    "upload": "upl_" + "0" * 26,
    "url": "https://example.com/",
    "data": "data:;base64,iVBORw0KGgo=",
    "s3": _IMAGE["s3"],
    "subject": "sub_" + "0" * 26,
    "person": _IMAGE,
    "scene": _IMAGE,
    "image": _IMAGE,
    "images": [_IMAGE],
    "pictures": [_IMAGE],
    "photos": [_IMAGE],
    "garments": [{"image": _IMAGE}],
    "mask": {"type": "image", "image": _IMAGE},
    "colors": ["#000000"],
    "prompt": "x",
    "kind": "garment",
    "class_name": "dress",
    "width": 1024,
    "height": 1024,
}


def parse(body: Any, allow: frozenset[str] = frozenset()) -> AnyRequest:
    """Return the request in decoded JSON.

    Raises `Refusal` with all faults at once, each with pointer and remedy.
    """
    draft = read(body, allow)
    if draft.faults or draft.request is None:
        raise Refusal(*draft.faults)
    return draft.request


def read(body: Any, allow: frozenset[str] = frozenset()) -> Draft:
    """Return the draft of a request, with its faults recorded and mended.

    Other checks can then read the rest at the same time.
    """
    if not isinstance(body, dict):
        remedy = (
            'Send an object with the task and its fields, such as {"task": "try_on", "person": ..., "garments": [...]}.'
        )
        return Draft({}, [Fault.of("invalid_input", "This must be a JSON object.", remedy, pointer="")])
    draft = Draft(deepcopy(body), sent=body)
    draft.drop_flaws()
    if model := draft.model():
        draft.mend_until_right(model, Arrival(allow))
    return draft


@dataclass
class Draft:
    """A body on its way to a request.

    `sent`: the body as it came. `mended`: pointers at which `request` differs from it. `cut`: pointers at which too
    much or too little was sent. Numbers stand in `request` all the same, lists are cut. `renamed`: the client's
    spelling, by pointer.
    """

    body: dict[str, Any]
    faults: list[Fault] = field(default_factory=list)
    request: AnyRequest | None = None
    sent: Any = None
    mended: set[str] = field(default_factory=set)
    cut: dict[str, Any] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)

    def certain(self, faults: list[Fault]) -> list[Fault]:
        """Return those of the faults of `request` that are faults of the body, too.

        Their pointers are as they were sent.
        """
        return [
            fault.model_copy(update={"pointer": self._as_sent(fault.pointer)}) if fault.pointer else fault
            for fault in faults
            if not any(within(fault.pointer or "", place) for place in self.mended)
        ]

    def _as_sent(self, pointer: str) -> str:
        for ours, sent in self.renamed.items():
            if within(pointer, ours):
                return sent + pointer.removeprefix(ours)
        return pointer

    def drop_flaws(self) -> None:
        for path, detail, remedy in list(islice(flaws(self.body), _MOST)):
            self.faults.append(Fault.of("invalid_input", detail, remedy, pointer=pointer_of(path)))
            self._replace(path)

    def model(self) -> type[AnyRequest] | None:
        """Return the model of the body's task, or None with a fault.

        This check comes first, because the other fields depend on the task.
        """
        sent = self.body.get("task")
        if isinstance(sent, str) and sent in TASKS:
            return TASKS[sent]
        near, choice = nearest(sent, TASKS, 0.85), f"one of: {', '.join(TASKS)}."
        if sent is None:
            detail, remedy = "This field is required.", f"Add it: {choice}"
        else:
            detail, remedy = "There is no such task.", (f"Did you mean `{near}`? " if near else "") + f"Use {choice}"
        self.faults.append(Fault.of("invalid_input", detail, remedy, pointer="/task"))
        if near is None:
            return None
        self.body["task"] = near
        return TASKS[near]

    def mend_until_right(self, model: type[AnyRequest], arrival: Arrival) -> None:
        """Mend the body until the model accepts it.

        Pydantic checks rules over several fields only where each field is right.
        """
        for _ in range(_ROUNDS):
            try:
                self.request = self._uncut(model.model_validate(self.body, context=arrival))
                return
            except ValidationError as error:
                items = error.errors(include_url=False)[:_MOST]
                self.faults += self.certain([fault_of(item, model) for item in items])
                if len(self.faults) >= _MOST:
                    return
                for item in items:
                    self._mend(item, model)

    def _mend(self, item: Any, model: type[BaseModel]) -> None:
        path, schema = place(model, item)
        match item["type"]:
            case "rule" if told := str(item["ctx"]["pointer"]):
                path = path_of(told) if told.startswith("/") else (*path, told)
                if get(self.body, path) is None or isinstance(path[-1], int):
                    self._replace(path)
                else:
                    self._take_away(path)
            case "extra_forbidden":
                self._rename(path, place(model, {**item, "loc": item["loc"][:-1]})[1])
            case "literal_error" | "union_tag_invalid" if near := nearest(chosen(item), values(schema)):
                self.mended.add(pointer_of(path))
                put(self.body, path, values(schema)[near])
            case "greater_than_equal" | "less_than_equal":
                self.cut[pointer_of(path)] = item["input"]
                put(self.body, path, schema["minimum" if item["type"] == "greater_than_equal" else "maximum"])
            case "too_long" if isinstance(item["input"], list):
                self.cut[pointer_of(path)] = item["input"]
                put(self.body, path, item["input"][: schema["maxItems"]])
            case _:
                self._replace(path)

    def _uncut(self, request: AnyRequest) -> AnyRequest:
        """Return the request with the numbers that were sent, so that providers can state their limits."""
        for pointer, value in self.cut.items():
            if not isinstance(value, list):
                request = _with(request, path_of(pointer), value)
        return request

    def _rename(self, path: Path, parent: dict[str, Any]) -> None:
        value = get(self.body, path)
        remove(self.body, path)
        near = nearest(path[-1], parent.get("properties", ()))
        if near and near not in get(self.body, path[:-1]):
            put(self.body, (*path[:-1], near), value)
            self.renamed[pointer_of((*path[:-1], near))] = pointer_of(path)

    def _replace(self, path: Path) -> None:
        """Put a right value in its place, or remove it.

        It is removed where no right value is known, or where the last one did not help.
        """
        pointer = pointer_of(path)
        self.tries[pointer] += 1
        stand_in = _stand_in(path)
        if self.tries[pointer] > 1 or stand_in is None or not isinstance(get(self.body, path[:-1]), dict | list):
            self._take_away(path)
        else:
            self.mended.add(pointer)
            put(self.body, path, deepcopy(stand_in))

    def _take_away(self, path: Path) -> None:
        while len(path) > 1 and (isinstance(path[-1], int) or get(self.body, path) is None):
            path = path[:-1]  # an item goes with its list, what is not there with what it should be in
        self.mended.add(pointer_of(path))
        remove(self.body, path)


def _stand_in(path: Path) -> Any:
    *_, last = path
    if isinstance(last, int):
        several = _STAND_INS.get(str(path[-2]))
        return several[0] if isinstance(several, list) else None
    return _STAND_INS.get(last)


def _with(model: Any, path: Path, value: Any) -> Any:
    name = str(path[0])
    return model.model_copy(update={name: value if len(path) == 1 else _with(getattr(model, name), path[1:], value)})


def faults_of(error: ValidationError, model: type[BaseModel], root: str = "") -> list[Fault]:
    """Return one fault per error of a model, in the API's words."""
    return [fault_of(item, model, root) for item in error.errors(include_url=False)[:_MOST]]
