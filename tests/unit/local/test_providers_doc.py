"""The tables of docs/providers.md, docs/privacy.md and of each provider's page are the catalogue's."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitting_room.providers import catalogue
from local.providers_doc import FILES, PAGE, PAGES, written


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_tables_are_as_the_catalogue_has_them(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert written(text) == text, "run make providers-doc"


def test_every_provider_has_a_page_with_its_tables() -> None:
    assert [page.stem for page in PAGES] == list(catalogue.PROVIDERS)
    for page in PAGES:
        assert f"<!-- from the catalogue: {page.stem} -->\n\n" in page.read_text(encoding="utf-8")


def test_the_page_about_privacy_says_for_each_provider_how_long_it_keeps_photos_and_if_it_deletes_them() -> None:
    told = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row for row in told.splitlines() if row.startswith("| [`")}
    assert list(rows) == list(catalogue.PROVIDERS)
    for name, row in rows.items():
        assert catalogue.entry(name).retention in row
    assert rows["astria"].endswith("| `DELETE` deletes the copies |")
    assert rows["fashn"].endswith("| nothing is deleted by a call |")


FACTS = {
    # price and check, lifecycle, region
    "fashn": "| `tryon-v1.6` | while it lives | 1 credit | 2026-11-20 |",
    "nova_canvas": "| us-east-1, eu-west-1, ap-northeast-1 | 2026-03-30 | 2026-09-30 |",
    "stability": "| `remove_background` | while it lives | us-east-1, us-east-2, us-west-2 | 0.07 USD | 2026-11-20 |",
    "fal": "0.0375 USD for the first megapixel, 0.005 for each more; at most 0.0475 for 3 megapixels",
    "gemini": "`standard`: 30 USD for a million tokens; at most 0.0336 for 1,120 tokens",
    # photos, retention, cancelling, callbacks, failures
    "sagemaker": "| Photos | stay in the AWS account |",
    "aidge": "| Retention | Not documented, neither for the images nor for the results. |",
    "tryiton": "| Failed jobs | free |",
    # options with their ranges and defaults, and those of a provider alone
    "astria": "| `output.quality` | `gemini`, `gpt-image-2` | `fast`, `standard`, `best` | `standard` |",
    "sandbox": "| `seconds` | a number from 0 to 600 | `0` |",
}
MORE = {
    "fashn": (
        "| Answers | a job id; then the status is read, or a webhook, usually 8 s. Deadline: 30 minutes |",
        "| Rate | 50 submits in 60 s, 6 jobs at once |",
        "| `output.seed` |  | 0 to 4,294,967,295 | `42` |",
        "| `PipelineError` | `provider_error` | no | yes |",
    ),
    "fal": (
        "| Cancelling | the provider is told to stop |",
        "`fal/fal-ai/fashn/tryon/v1.6` has the options of `fashn/tryon-v1.6`.",
        "| Images, `fal-ai/flux-pro/v1/vto` | at most 1,000,000 px in all |",
    ),
    "nova_canvas": (
        "| Images | sides of 320 to 4,096 px; at most 4,194,304 px in all; aspect of at most 4:1 |",
        "| `output.count` | all but `remove_background` | 1 to 5 | `1` |",
    ),
}


@pytest.mark.parametrize("name", catalogue.PROVIDERS)
def test_a_page_says_what_the_catalogue_knows(name: str) -> None:
    page = written(PAGE.format(catalogue.entry(name)))
    for fact in (FACTS[name], *MORE.get(name, ())):
        assert fact in page


def test_no_table_is_too_wide_to_read() -> None:
    rows = [line for file in FILES for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert max(line.replace("\\|", "").count(" | ") + 1 for line in rows) <= 7
