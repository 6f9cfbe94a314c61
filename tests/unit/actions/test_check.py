"""The faults of fields, in the words of the provider that the request names."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.actions.requests.check import together
from fitting_room.actions.requests.plan import Deployment
from fitting_room.jobs.parse import read
from fitting_room.providers.catalogue import entries

IMAGE = {"url": "https://shop.example/p.png"}
HERE = Deployment(entries(), frozenset())


@pytest.mark.parametrize(
    ("provider", "sent", "pointer", "remedy"),
    [
        (
            "nova_canvas",
            {"merge": "seemless"},
            "/merge",
            "Did you mean `seamless`? Use one of: balanced, seamless, detailed.",
        ),
        (
            "nova_canvas",
            {"mask": {"type": "promt", "prompt": "the shirt"}},
            "/mask/type",
            "Did you mean `prompt`? Use one of: garment, prompt, image.",
        ),
        (
            "fashn",
            {"garments": [{"image": IMAGE, "category": "topps"}]},
            "/garments/0/category",
            "Did you mean `tops`? Use one of: auto, tops, bottoms, one_piece.",
        ),
        (
            "fashn",
            {"garments": [{"image": IMAGE, "category": "headwaer"}]},
            "/garments/0/category",
            "Use one of: auto, tops, bottoms, one_piece.",
        ),
        (
            "nova_canvas",
            {"output": {"count": "2"}},
            "/output/count",
            "Send a whole number from 1 to 5, without quotes.",
        ),
        ("gemini", {"output": {"count": "2"}}, "/output/count", "Send 1, without quotes."),
        (
            "nova_canvas",
            {"output": {"seed": "providr"}},
            "/output/seed",
            "Send a whole number from 0 to 2,147,483,646, or the text provider.",
        ),
        (
            "nova_canvas",
            {"output": {"guidance": "3"}},
            "/output/guidance",
            "Send a number from 1.1 to 10, without quotes.",
        ),
        (
            "nova_canvas",
            {"keep": {"face": "ture"}},
            "/keep/face",
            "Did you mean `true` without quotes? Use one of: true, false, default.",
        ),
    ],
)
def test_a_field_s_remedy_has_the_named_provider_s_limits_and_loses_nothing_else(
    provider: str, sent: dict[str, Any], pointer: str, remedy: str
) -> None:
    body = {"task": "try_on", "person": IMAGE, "garments": [{"image": IMAGE, "category": "tops"}]}
    draft = read({**body, **sent, "provider": provider})
    (fault,) = together(draft, [], HERE)
    assert (fault.pointer, fault.remedy) == (pointer, remedy)
