"""Create, list and revoke API keys."""

from __future__ import annotations

import argparse
from typing import Any

from admin.command import Group, Said, noun, verb
from admin.stage import AdminError, Stage
from admin.tenant import known
from fitting_room.stores import api_keys
from fitting_room.stores.api_keys import SCOPES, ApiKey


def add(nouns: Group) -> None:
    verbs = noun(nouns, "key", "create, list and revoke API keys")
    create = verb(
        verbs,
        "create",
        _create,
        "create a key and print it, this once; only its hash is stored",
        "key create --tenant shop --mode live --name checkout --scopes submit,read",
    )
    create.add_argument("--tenant", required=True)
    create.add_argument("--mode", required=True, choices=("live", "test"), help="test reaches the free sandbox only")
    create.add_argument("--name", default="", help="what the key is for, at most 64 characters")
    create.add_argument("--scopes", default=",".join(SCOPES), help=f"what it may do; the default is {','.join(SCOPES)}")
    listing = verb(verbs, "list", _list, "list keys, never the keys themselves", "key list --tenant shop")
    listing.add_argument("--tenant", help="of this tenant only")
    revoke = verb(verbs, "revoke", _revoke, "end a key within 30 seconds", "key revoke key_3f9a2c51d0b7e846")
    revoke.add_argument("key", help="the id as `key list` shows it; or a leaked key itself")


def _create(stage: Stage, args: argparse.Namespace) -> Said:
    known(args.tenant)
    scopes = frozenset(filter(None, args.scopes.split(",")))
    if not scopes or not scopes <= set(SCOPES):
        raise AdminError(f"--scopes: use one or more of {','.join(SCOPES)}")
    if len(args.name) > 64 or not args.name.isprintable():
        raise AdminError("--name: use at most 64 printable characters")
    secret, key = api_keys.create(args.tenant, args.mode, args.name, scopes, stage.at.now())
    return Said({"key": secret, **_shown(key)}, secret)


def _list(stage: Stage, args: argparse.Namespace) -> Said:
    if args.tenant:
        known(args.tenant)
    return Said([_shown(key) for key in api_keys.listed(args.tenant)])


def _revoke(stage: Stage, args: argparse.Namespace) -> Said:
    key = api_keys.named(args.key)
    if key is None:
        raise AdminError("there is no such key: `key list` shows their ids")
    api_keys.revoke(key, stage.at.now())
    ended = api_keys.named(key.id) or key
    return Said(_shown(ended), f"{key.id} of tenant {key.tenant} works for 30 seconds more at most")


def _shown(key: ApiKey) -> dict[str, Any]:
    facts = key.model_dump(include={"tenant", "mode", "name", "created_at", "revoked_at"})
    return {"id": key.id, **facts, "scopes": [scope for scope in SCOPES if scope in key.scopes]}
