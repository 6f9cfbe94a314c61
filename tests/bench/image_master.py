"""What a master costs beside Pillow's bare decode + resize + encode of the same 12-megapixel JPEG, in one run.

    python tests/bench/image_master.py

Budget: at most 1.3 times, and a peak below 300 MB. Both sides end with the same number of pixels and the same encoder.
Peak memory is read from /proc, so this runs on Linux.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "lambdas")]

from PIL import Image, ImageCms  # noqa: E402

from fitting_room.images.encode import to_jpeg  # noqa: E402
from fitting_room.images.master import ImageLimits, make_master  # noqa: E402

SIDEWAYS = (4032, 3024)
ROUNDS = 9


def phone_picture() -> bytes:
    """12 megapixels of blurred noise (about the size a phone's file has), stored sideways."""
    noise = [Image.effect_noise((SIDEWAYS[0] // 4, SIDEWAYS[1] // 4), 60).resize(SIDEWAYS) for _ in "rgb"]
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.merge("RGB", noise).save(file, "JPEG", quality=92, exif=exif, icc_profile=profile)
    return file.getvalue()


def bare(data: bytes, pixels: int) -> bytes:
    image = Image.open(io.BytesIO(data))
    size = (SIDEWAYS[0], SIDEWAYS[1])
    scale = min(1.0, (pixels / (size[0] * size[1])) ** 0.5)
    return to_jpeg(image.resize((int(size[0] * scale), int(size[1] * scale)), Image.Resampling.LANCZOS), 92)


def ours(data: bytes, pixels: int) -> bytes:
    return to_jpeg(make_master(data, limits=ImageLimits(master_pixels=pixels), pointer="/person").image, 92)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio(data: bytes, pixels: int) -> tuple[float, float, float]:
    """Medians over rounds that alternate, so that a busy machine hurts both alike."""
    pairs = [(seconds(lambda: bare(data, pixels)), seconds(lambda: ours(data, pixels))) for _ in range(ROUNDS)]
    theirs, mine = (statistics.median(side) for side in zip(*pairs, strict=True))
    return mine / theirs, mine, theirs


PEAK = """
import sys
from image_master import high_water, ours
data = sys.stdin.buffer.read()
before = high_water()
ours(data, int(sys.argv[1]))
print(before, high_water())
"""


def high_water() -> int:
    """Peak resident memory in MB. From /proc, for `getrusage` also counts the parent that a process was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def peak(data: bytes, pixels: int) -> tuple[int, int]:
    """In a fresh process: before the work (imports and the file), and after it."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(pixels)],
        input=data,
        capture_output=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    before, after = map(int, done.stdout.split())
    return before, after


def main() -> None:
    data = phone_picture()
    print(
        f"a sideways JPEG of {SIDEWAYS[0]} x {SIDEWAYS[1]} px, {len(data) / 1e6:.1f} MB; medians of {ROUNDS}, CPU time"
    )
    for pixels in (ImageLimits().master_pixels, 4_194_304, 1_048_576):
        times, mine, theirs = ratio(data, pixels)
        before, after = peak(data, pixels)
        print(
            f"master of at most {pixels:>10,} px: {times:.2f} x ({mine * 1000:.0f} ms / {theirs * 1000:.0f} ms), "
            f"peak {after} MB ({before} MB before)"
        )


if __name__ == "__main__":
    main()
