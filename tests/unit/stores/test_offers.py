"""The catalogue as the operator has changed it is what every action asks."""

from __future__ import annotations

import re
from pathlib import Path

ACTIONS = Path(__file__).parents[3] / "lambdas" / "fitting_room" / "actions"
WITHOUT_THE_TABLE = {"watch_models.py"}
"""It asks Bedrock about models, whose ids no operator changes."""


def test_no_action_asks_the_bare_catalogue() -> None:
    bare = re.compile(r"providers\.catalogue import .*\b(entry|entries)\b")
    assert {file.name for file in ACTIONS.rglob("*.py") if bare.search(file.read_text())} == WITHOUT_THE_TABLE
