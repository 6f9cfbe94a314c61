"""Write `docs/openapi.json`. What breaks a client is refused, unless `--breaking` says that it is meant."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from openapi.changes import breaking

FILE = Path(__file__).parents[1] / "docs" / "openapi.json"
_PLACES = ("TABLE", "INBOX_BUCKET", "MEDIA_BUCKET")


def made() -> str:
    """Return the document as the file has it. It depends on nothing of a deployment, so that one is made up."""
    for name, value in {
        **dict.fromkeys(_PLACES, "none"),
        "DEPLOYMENT": "{}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        os.environ.setdefault(name, value)
    from functions.http.api.handler import ROUTES
    from openapi.document import document

    return json.dumps(document(ROUTES), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m openapi", description=__doc__)
    parser.add_argument("--breaking", action="store_true", help="write the file although clients of it will break")
    meant, text = parser.parse_args(arguments).breaking, made()
    broken = breaking(json.loads(FILE.read_text(encoding="utf-8")), json.loads(text))
    if broken and not meant:
        sys.exit("error: this breaks clients, so nothing was written:\n  " + "\n  ".join(broken))
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
