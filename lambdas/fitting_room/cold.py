"""Cold starts: while Lambda starts a function it has a whole CPU, and in its first invocation only its memory's share."""

from __future__ import annotations

import os
from collections.abc import Callable


def warm(*parts: Callable[[], object]) -> None:
    """Make what a function certainly uses, when its handler is imported. Elsewhere, as in a test, it is made when used."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for make in parts:
            make()
