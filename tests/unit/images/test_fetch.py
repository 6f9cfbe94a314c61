"""Images that a request holds itself."""

from __future__ import annotations

import pytest

from fitting_room.images.fetch import data_url
from fitting_room.jobs.errors import JobFailure


def test_a_data_url_gives_its_bytes() -> None:
    assert data_url("data:image/png;base64,iVBORw==", pointer="/person/data") == b"\x89PNG"


@pytest.mark.parametrize(
    "text",
    [
        "iVBORw==",
        "data:image/png,iVBORw==",
        "data:text/html;base64,iVBORw==",
        "data:image/png;base64,iVBORw",
        "data:image/png;base64,iVBO Rw==",
        "data:image/png;base64,iVBO\nRw==",
        "data:image/png;base64,_-8=",
        "data:image/png;charset=x;base64,iVBORw==",
        " data:image/png;base64,iVBORw==",
        "data:image/png;base64,iVBORw==x",
    ],
)
def test_a_data_url_that_is_not_exactly_one_is_refused(text: str) -> None:
    with pytest.raises(JobFailure) as caught:
        data_url(text, pointer="/person/data")
    fault = caught.value.fault
    assert (fault.code, fault.pointer) == ("image_unreadable", "/person/data")
    assert "iVBO" not in f"{fault}"
