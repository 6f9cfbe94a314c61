"""Manage tenants, API keys, providers and jobs of one stage, and check its account.

    python -m admin doctor --stage prod
    python -m admin tenant create shop --stage prod
    python -m admin key create --tenant shop --mode live --stage prod
    python -m admin provider set tryiton --stage prod < key.txt
    python -m admin job list --tenant shop --failed --stage prod
    python -m admin usage today --local

It uses your AWS credentials and region. `python -m admin NOUN VERB --help` shows one command with an example.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from admin import dead_letters, doctor, job, key, provider, tenant, usage, verify
from admin.command import Said, common
from admin.stage import AdminError, Stage, connect
from fitting_room.jobs.errors import JobFailure, Refusal


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    as_json = getattr(args, "json", False)
    try:
        said: Said = args.run(_stage(args), args)
    except (Refusal, JobFailure) as refused:
        faults = refused.faults if isinstance(refused, Refusal) else (refused.fault,)
        sys.exit("error: " + " ".join(f"{fault.detail} {fault.remedy}" for fault in faults))
    except NoRegionError:
        sys.exit("error: no region is known: send --region us-east-1, or set AWS_REGION")
    except NoCredentialsError:
        sys.exit("error: no AWS credentials are found: send --profile NAME, or set AWS_PROFILE; --local needs none")
    except (AdminError, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")
    print(json.dumps(said.data, indent=2, default=str) if as_json else _told(said))
    if said.failed:
        sys.exit(1)


def _stage(args: argparse.Namespace) -> Stage:
    name = getattr(args, "stage", "dev")
    if not getattr(args, "local", False):
        stage = connect(name, profile=getattr(args, "profile", None), region=getattr(args, "region", None))
    elif name != "dev":
        raise AdminError("the local cloud has the stage dev only: leave --stage out")
    else:
        stage = _local()
    return stage if getattr(args, "outside", False) else stage.enter()


def _local() -> Stage:
    from local.deploy import HOME, credentials

    try:
        cloud = json.loads((HOME / "endpoints.json").read_text())
    except FileNotFoundError:
        raise AdminError("the local cloud is not up: run `make up` first") from None
    return connect("dev", environment=credentials(cloud["aws"]), address=cloud["api"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m admin",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common()],
    )
    nouns = parser.add_subparsers(required=True, metavar="noun", title="nouns")
    for each in (tenant, key, provider, job, dead_letters, usage, doctor, verify):
        each.add(nouns)
    return parser


def _told(said: Said) -> str:
    if said.text is not None:
        return said.text
    if isinstance(said.data, dict):
        width = max(map(len, said.data), default=0)
        return "\n".join(f"{name:<{width}}  {_cell(value)}" for name, value in said.data.items())
    return _table(said.data) if said.data else "none"


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    match value:
        case None | [] | {} | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_cell, value))
        case dict():
            return ", ".join(f"{name} {_cell(part)}" for name, part in value.items())
    return str(value)
