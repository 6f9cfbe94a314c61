"""What providers.md, privacy.md and the page of each provider say from the catalogue. `make providers-doc` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from fitting_room.providers import catalogue
from local.providers_doc import facts, failures, models, options, overview
from local.providers_doc.markdown import paragraphs

_DOCS = Path(__file__).parents[2] / "docs"
PAGES = tuple(_DOCS / "providers" / f"{name}.md" for name in catalogue.PROVIDERS)
FILES = (_DOCS / "providers.md", _DOCS / "privacy.md", *PAGES)
PAGE = "# {0.title}\n\n<!-- from the catalogue: {0.id} -->\n<!-- end -->\n\n## Notes\n"
"""Of a provider that is new."""
_BLOCK = re.compile(r"(<!-- from the catalogue: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """Return the document with each block as the catalogue has it today."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{_block(found[2])}\n\n", text)


def _block(name: str) -> str:
    if name == "providers":
        return overview.of_providers()
    if name == "options":
        return overview.of_options()
    if name == "retention":
        return overview.of_retention()
    entry = catalogue.entry(name)
    return paragraphs(
        entry.status,
        facts.of(entry),
        *_chapter("Models", models.of(entry)),
        *_chapter(
            "Options",
            options.of(entry),
            options.of_model(entry.options_model, f"provider_options.{name}"),
            options.of_model(entry.settings_model, f"provider_settings.{name}", "A stage's own settings"),
        ),
        *_chapter("Failed jobs", failures.of(entry)),
    )


def _chapter(title: str, *parts: str) -> tuple[str, ...]:
    return (f"## {title}", *parts) if any(parts) else ()
