"""The settings of the stage, as a test wants them."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from fitting_room.settings import settings


def choose(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Change some settings until the test ends."""
    monkeypatch.setenv("DEPLOYMENT", json.dumps(json.loads(os.environ["DEPLOYMENT"]) | changed))
    settings.cache_clear()
