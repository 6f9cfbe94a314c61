"""The table of docs/providers.md is the catalogue's."""

from __future__ import annotations

from local.providers_doc import FILE, written


def test_the_table_is_as_the_catalogue_has_it() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert "| `fashn/tryon-v1.6` | `try_on` | while it lives |" in text
    assert written(text) == text, "run make providers-doc"
