"""Cold starts: while Lambda starts a function it has a whole CPU, and in its first invocation only its memory's share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable


def warm(*parts: Callable[[], object]) -> None:
    """End the import of a handler.

    It makes the parts that its function certainly uses, and collects garbage from now on. Objects made until here
    live as long as the process, so they are not examined again. Elsewhere than on Lambda, as in a test, parts are
    made when they are used.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    for make in parts:
        make()
    gc.freeze()
    gc.enable()
