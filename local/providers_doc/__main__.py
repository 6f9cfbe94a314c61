"""Write the tables, and the page of a provider that has none."""

from fitting_room.providers import catalogue
from local.providers_doc import FILES, PAGE, written

for file in FILES:
    text = file.read_text(encoding="utf-8") if file.exists() else PAGE.format(catalogue.entry(file.stem))
    file.write_text(written(text), encoding="utf-8")
