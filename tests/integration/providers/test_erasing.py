"""The catalogue says which providers delete on request, where the API can read it without loading any adapter."""

from __future__ import annotations

import pytest

from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Connection
from fitting_room.providers.base import CatalogueEntry

SECRET = '{"app_key": "1", "app_secret": "1"}'  # of a form that each of them takes


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.id)
def test_an_entry_says_that_its_vendor_erases_where_the_adapter_can_ask_for_it(entry: CatalogueEntry) -> None:
    given = entry.settings_model() if entry.settings_model else None
    vendor = catalogue.adapter(entry.id).connect(Connection(None, "us-east-1", SECRET, given))
    of_the_stage = "erases" in getattr(entry.settings_model, "model_fields", {})
    assert (entry.erases or of_the_stage) == (hasattr(vendor, "erase_job") and hasattr(vendor, "erase_reference"))
