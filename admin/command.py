"""What every command of the tool is made of: its words on the command line, its answer, and its error."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from admin.stage import Stage


class Said(NamedTuple):
    """The answer of a command: `data` for `--json`; `text` for people (None: a table of the data). `failed`: exit with 1."""

    data: Any
    text: str | None = None
    failed: bool = False


Run = Callable[[Stage, argparse.Namespace], Said]
Group = Any
"""Of argparse, which keeps the class of subparsers to itself."""


def common() -> argparse.ArgumentParser:
    """Return the options that may stand anywhere. They have no defaults: a later parser would set those again."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    options = parser.add_argument_group("options that may stand anywhere")
    options.add_argument("--stage", choices=("dev", "prod"), help="the default is dev")
    options.add_argument("--profile", help="the profile of your AWS credentials; the default is AWS_PROFILE")
    options.add_argument("--region", help="the default is AWS_REGION, AWS_DEFAULT_REGION or the profile's own")
    options.add_argument("--local", action="store_true", help="work on the local cloud that `make up` started")
    options.add_argument("--json", action="store_true", help="print JSON, for scripts")
    return parser


def noun(nouns: Group, name: str, summary: str) -> Group:
    """Add a noun, and return the group of its verbs."""
    parser = nouns.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=[common()])
    return parser.add_subparsers(required=True, metavar="verb", title="verbs")


def verb(group: Group, name: str, run: Run, summary: str, example: str) -> argparse.ArgumentParser:
    """Add a command that calls `run`."""
    parser: argparse.ArgumentParser = group.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  python -m admin {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common()],
    )
    parser.set_defaults(run=run)
    return parser
