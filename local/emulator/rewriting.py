"""Change a function of the pinned emulator where it stands, and stop the start when the text is not as expected."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

VERSION = "1.5.33"
"""Every patch is written for exactly this ministack."""
_sources: dict[tuple[str, str], str] = {}  # `inspect` reads the file, which knows nothing of earlier changes


def rewrite(module: ModuleType, function: str, *changes: tuple[str, str]) -> None:
    """Replace each `(old, new)` in `module.function`, in place, so that modules which imported the function see it too."""
    target = getattr(module, function)
    source = _sources.get((module.__name__, function)) or inspect.getsource(target)
    for old, new in changes:
        source = replaced(source, old, new)
    scope: dict[str, Any] = {}
    exec(compile(source, f"{module.__file__} (patched)", "exec"), scope)
    target.__code__ = scope[function].__code__
    _sources[module.__name__, function] = source


def replaced(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise RuntimeError(f"ministack {VERSION} is not as expected: {old!r} occurs {text.count(old)} times")
    return text.replace(old, new)
