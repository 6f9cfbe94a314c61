"""Cold starts: while Lambda starts a function it has a whole CPU, and in its first invocation only its memory's share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable


def warm(*parts: Callable[[], object]) -> None:
    """End the import of a handler: make what its function certainly uses, and collect garbage from now on.

    What was made until here lives as long as the process, so it is not looked at again. Elsewhere than on Lambda, as in a
    test, parts are made when they are used.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    for make in parts:
        make()
    gc.freeze()
    gc.enable()
