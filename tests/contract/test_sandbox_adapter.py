"""The sandbox: every outcome on request, and a composite in which the garment, the label and the mask can be seen."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image, ImageChops

from fitting_room.jobs.errors import CODES
from fitting_room.jobs.outcome import Failed, Finished, Pending
from fitting_room.providers.sandbox import adapter
from fitting_room.providers.sandbox.entry import Told
from tests.contract.orders import connection, order, try_on

SIZE = (320, 480)


def png(
    colour: Any, size: tuple[int, int] = SIZE, mode: str = "RGB", hole: tuple[int, int, int, int] | None = None
) -> bytes:
    image, buffer = Image.new(mode, size, colour), io.BytesIO()
    if hole:
        image.paste("black", hole)
    image.save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = {"person": png("white"), "garment": png("blue", (100, 100)), "mask": png("white", hole=(40, 300, 140, 400))}


class Clock:
    now = 1_800_000_000.0


def sandbox(clock: Clock | None = None) -> adapter.Sandbox:
    clock = clock or Clock()
    return adapter.connect(connection(), clock=lambda: clock.now)


def run(options: dict[str, Any] | None = None, *, seed: int | None = 5, **fields: Any) -> Any:
    body = try_on(provider_options={"sandbox": options or {}}, **fields)
    return sandbox().start(order("sandbox", body, pictures=PICTURES, seed=seed))


def opened(data: bytes | None) -> Any:
    assert data is not None
    return Image.open(io.BytesIO(data))


def test_a_labelled_composite_of_the_persons_size() -> None:
    outcome = run()
    picture = opened(outcome.images[0].data)
    assert (picture.format, picture.size) == ("PNG", SIZE)
    assert "not a model's" in picture.text["Software"]
    assert picture.getpixel((160, 160)) == (0, 0, 255), "the garment is on the torso"
    assert picture.getpixel((2, 478)) == (200, 30, 60), "the label is in the corner"


def test_the_mask_tells_exactly_what_may_have_changed() -> None:
    outcome = run(output={"mask": True})
    mask = opened(outcome.mask)
    assert mask.mode == "L"
    assert set(mask.tobytes()) == {0, 255}
    changed = ImageChops.difference(opened(outcome.images[0].data), opened(PICTURES["person"])).convert("L")
    kept = changed.copy()
    kept.paste(0, mask=ImageChops.invert(mask))
    assert changed.getbbox() is not None
    assert kept.getbbox() is None, "white stays as it was"


def test_no_mask_unless_asked_for() -> None:
    assert run().mask is None


def test_the_clients_own_mask_is_respected() -> None:
    picture = opened(run(mask={"type": "image", "image": {"url": "https://shop.example/m.png"}}).images[0].data)
    assert picture.getpixel((90, 350)) == (0, 0, 255)
    assert picture.getpixel((160, 160)) == (255, 255, 255)


@pytest.mark.parametrize("task", ["inpaint", "outpaint"])
def test_an_edit_paints_the_black_area_of_the_mask_and_nothing_else(task: str) -> None:
    image = {"url": "https://shop.example/p.png"}
    body = {"task": task, "image": image, "mask": {"type": "image", "image": image}, "output": {"mask": True}}
    outcome = sandbox().start(order("sandbox", body, pictures={**PICTURES, "image": PICTURES["person"]}))
    assert isinstance(outcome, Finished)
    picture, mask = opened(outcome.images[0].data), opened(outcome.mask)
    assert (picture.getpixel((90, 350)), mask.getpixel((90, 350))) == ((120, 130, 200), 0)
    assert (picture.getpixel((160, 160)), mask.getpixel((160, 160))) == ((255, 255, 255), 255)


@pytest.mark.parametrize("count", [1, 8])
def test_as_many_pictures_as_asked_for_each_with_its_seed(count: int) -> None:
    outcome = run(output={"count": count}, seed=2**32 - 1)
    assert [picture.seed for picture in outcome.images] == [(2**32 - 1 + n) % 2**32 for n in range(count)]
    assert len({picture.data for picture in outcome.images}) == count


def test_several_garments_each_in_its_place() -> None:
    image = {"url": "https://shop.example/g.png"}
    body = {
        "task": "try_on",
        "person": image,
        "garments": [{"image": image, "category": "tops"}, {"image": image, "category": "bottoms"}],
    }
    outcome = sandbox().start(order("sandbox", body, pictures=PICTURES, seed=1))
    assert isinstance(outcome, Finished)
    picture = opened(outcome.images[0].data)
    assert picture.getpixel((160, 160)) == picture.getpixel((160, 330)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("options", "count", "arrive"),
    [
        ({}, 3, 2),
        ({"images": 1}, 8, 1),
        ({"images": 2}, 3, 2),
    ],
)
def test_a_partial_result(options: dict[str, Any], count: int, arrive: int) -> None:
    outcome = run({"outcome": "partial", **options}, output={"count": count})
    assert len(outcome.images) == arrive
    assert [warning.code for warning in outcome.warnings] == ["partial_result"]


@pytest.mark.parametrize("code", [told for told in get_args(Told) if told in CODES])
@pytest.mark.parametrize("polled", [False, True])
def test_every_job_code(code: str, polled: bool) -> None:
    clock = Clock()
    provider = sandbox(clock)
    wanted = order(
        "sandbox", try_on(provider_options={"sandbox": {"outcome": code, "polled": polled}}), pictures=PICTURES
    )
    outcome = provider.start(wanted)
    if polled:
        assert isinstance(outcome, Pending)
        outcome = provider.poll(wanted, outcome.provider_job_id)
    assert isinstance(outcome, Failed)
    assert (outcome.fault.code, outcome.charged, outcome.fault.provider) == (code, "no", "sandbox")


def test_blocked_after_the_work_may_have_been_charged() -> None:
    outcome = run({"outcome": "blocked"})
    assert (outcome.fault.code, outcome.charged, outcome.fault.retryable) == ("content_blocked", "unknown", False)


@pytest.mark.parametrize("options", [{}, {"polled": True}, {"seconds": 90}])
def test_an_unknown_fate_is_a_call_that_breaks_off(options: dict[str, Any]) -> None:
    with pytest.raises(ConnectionError):
        run({"outcome": "unknown", **options})


@pytest.mark.parametrize("polled", [False, True])
def test_work_that_takes_time_is_pending_until_its_time_has_come(polled: bool) -> None:
    clock, body = Clock(), try_on(provider_options={"sandbox": {"seconds": 5, "polled": polled}})
    wanted = order("sandbox", body, pictures=PICTURES)
    pending = sandbox(clock).start(wanted)
    assert isinstance(pending, Pending)
    clock.now += 4
    assert sandbox(clock).poll(wanted, pending.provider_job_id) == Pending(pending.provider_job_id, 1)
    clock.now += 1
    assert isinstance(sandbox(clock).poll(wanted, pending.provider_job_id), Finished)


@pytest.mark.parametrize("size", [(1, 1), (64, 2), (2000, 40)])
def test_odd_sizes_do_not_break_it(size: tuple[int, int]) -> None:
    pictures = {**PICTURES, "person": png("white", size)}
    outcome = sandbox().start(order("sandbox", try_on(output={"mask": True}), pictures=pictures))
    assert isinstance(outcome, Finished)
    assert opened(outcome.images[0].data).size == opened(outcome.mask).size == size


def test_the_samples_go_together() -> None:
    samples = Path(__file__).parents[2] / "local/samples"
    pictures = {"person": (samples / "person_a.png").read_bytes(), "garment": (samples / "tee.png").read_bytes()}
    outcome = sandbox().start(order("sandbox", try_on(garment={"category": "tops"}), pictures=pictures, seed=1))
    assert isinstance(outcome, Finished)
