"""The walk of the integration tests along the table's permissions tells what a policy lacks."""

from __future__ import annotations

import pytest

from fitting_room.actions.requests.upload import create_upload
from infra import items
from tests.integration import walk
from tests.integration.world import LIVE, World


def test_a_call_that_no_policy_allows_is_told_with_the_row_to_extend(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(items.ITEMS, "UPLOAD#*")
    create_upload({"content_type": "image/png", "bytes": 1000}, LIVE, world.at)
    told = r'Api does PutItem on UPLOAD#\*: allow it in the row "UPLOAD#\*" of infra/items.py'
    with pytest.raises(AssertionError, match=told):
        walk.check()


def test_the_test_s_own_calls_are_nobody_s(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "ITEMS", {})
    world.items()
    walk.check()
