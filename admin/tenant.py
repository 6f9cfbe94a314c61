"""Create and list tenants, and say what each may use, spend and reach."""

from __future__ import annotations

import argparse
from typing import Any

from admin import tenant_role
from admin.command import Group, Said, noun, verb
from admin.stage import AdminError, Stage
from fitting_room.providers import catalogue
from fitting_room.stores import api_keys, budgets, tenants, webhooks
from fitting_room.stores.tenants import Tenant
from fitting_room.stores.webhooks import SecretError


def add(nouns: Group) -> None:
    verbs = noun(nouns, "tenant", "create tenants, and say what each may use, spend and reach")
    create = verb(verbs, "create", _create, "create a tenant", "tenant create shop --stage prod")
    create.add_argument("tenant")
    verb(verbs, "list", _list, "list all tenants", "tenant list --json")
    show = verb(verbs, "show", _show, "show a tenant with its keys and today's budget", "tenant show shop")
    show.add_argument("tenant")
    allow = verb(
        verbs,
        "allow",
        _allow,
        "restrict a tenant to the named providers; keys in use follow within 30 seconds",
        "tenant allow shop tryiton fashn",
    )
    allow.add_argument("tenant")
    allow.add_argument("providers", nargs="*", metavar="provider")
    allow.add_argument("--all", action="store_true", help="remove the restriction")
    allow.add_argument(
        "--in-account", action="store_true", help="restrict it to the providers that keep photos in this AWS account"
    )
    budget = verb(
        verbs,
        "budget",
        _budget,
        "give a tenant a budget of its own for each UTC day; it holds within 30 seconds",
        "tenant budget shop --daily-usd 200 --daily-images 5000",
    )
    budget.add_argument("tenant")
    budget.add_argument("--daily-images", type=int, metavar="N")
    budget.add_argument("--daily-usd", type=float, metavar="AMOUNT")
    budget.add_argument("--default", action="store_true", help="go back to the budget of the stage")
    secret = verb(
        verbs,
        "webhook-secret",
        _webhook_secret,
        "create, rotate, list or revoke what a tenant's webhooks are signed with; a new one is printed once",
        "tenant webhook-secret rotate shop",
    )
    secret.add_argument("action", choices=("create", "rotate", "list", "revoke"))
    secret.add_argument("tenant")
    secret.add_argument("secret", nargs="?", help="the id of the one to revoke")
    role = verb(
        verbs,
        "role",
        _role,
        "make an IAM role of a tenant: it puts files into `drop/<tenant>/` and reads `results/<tenant>/`",
        "tenant role shop --trust 123456789012 --external-id 7f9c2ba4",
    )
    role.add_argument("tenant")
    role.add_argument("--trust", metavar="ACCOUNT", help="the AWS account whose users may take the role")
    role.add_argument("--external-id", metavar="ID", help="a secret word that they must send to take it")
    role.add_argument("--remove", action="store_true", help="delete the role and its stack")


def _create(stage: Stage, args: argparse.Namespace) -> Said:
    if not tenants.NAME.fullmatch(args.tenant):
        raise AdminError(f"tenant `{args.tenant}`: use 1 to 63 lower-case letters, digits and hyphens, no hyphen first")
    if not tenants.create(args.tenant, stage.at.now()):
        raise AdminError(f"tenant `{args.tenant}` already exists")
    return Said({"tenant": args.tenant}, f"tenant {args.tenant} created")


def _list(stage: Stage, args: argparse.Namespace) -> Said:
    return Said([_shown(tenant) for tenant in tenants.listed()])


def _show(stage: Stage, args: argparse.Namespace) -> Said:
    tenant, today = known(args.tenant), stage.at.now().date().isoformat()
    images, microusd = budgets.limits(tenant.name, stage.at)
    used_images, used_microusd = budgets.spent(tenant.name, today)
    return Said(
        {
            **_shown(tenant),
            "daily_images": images,
            "daily_usd": microusd / 1e6,
            "reserved_today": {"images": used_images, "usd": used_microusd / 1e6},
            "keys": [key.id for key in api_keys.listed(tenant.name) if key.revoked_at is None],
        }
    )


def _allow(stage: Stage, args: argparse.Namespace) -> Said:
    if bool(args.providers) + args.all + args.in_account != 1:
        raise AdminError("name the providers that the tenant may use, or send --all or --in-account alone")
    for provider in args.providers:
        if provider not in catalogue.PROVIDERS:
            raise AdminError(f"there is no provider `{provider}`: use one of {', '.join(catalogue.PROVIDERS)}")
    known(args.tenant)
    tenants.allow(args.tenant, frozenset(args.providers) or None, in_account=args.in_account)
    may = "every provider" if args.all else "only providers that keep photos in this account"
    text = f"tenant {args.tenant} may use {', '.join(args.providers) or may}"
    return Said(_shown(known(args.tenant)), text)


def _budget(stage: Stage, args: argparse.Namespace) -> Said:
    given = (args.daily_images, args.daily_usd)
    if args.default is (given != (None, None)):
        raise AdminError("send --daily-images, --daily-usd or both, or --default alone")
    if any(value is not None and not 0 <= value < 1e9 for value in given):
        raise AdminError("a budget is 0 or more")
    before = known(args.tenant)
    images = before.daily_images if args.daily_images is None else args.daily_images
    usd = before.daily_usd if args.daily_usd is None else args.daily_usd
    tenants.set_budget(args.tenant, None if args.default else images, None if args.default else usd)
    return Said(_shown(known(args.tenant)))


def _role(stage: Stage, args: argparse.Namespace) -> Said:
    if args.remove:
        tenant_role.remove(stage, args.tenant)
        return Said({"tenant": args.tenant, "role": None}, f"tenant {args.tenant} has no role any more")
    known(args.tenant)
    if not (args.trust and args.external_id):
        raise AdminError("send --trust ACCOUNT and --external-id ID, or --remove")
    role = tenant_role.make(stage, args.tenant, args.trust, args.external_id)
    return Said({"tenant": args.tenant, "role": role}, role)


def _webhook_secret(stage: Stage, args: argparse.Namespace) -> Said:
    known(args.tenant)
    now = stage.at.now()
    try:
        if args.action in ("create", "rotate"):
            made = (webhooks.create if args.action == "create" else webhooks.rotate)(args.tenant, now)
            return Said({"id": made.id, "secret": made.value}, made.value)
        if args.action == "revoke":
            webhooks.revoke(args.tenant, args.secret or "", now)
    except SecretError as error:
        raise AdminError(str(error)) from None
    return Said([secret.model_dump(exclude={"value"}) for secret in webhooks.listed(args.tenant, now)])


def known(name: str) -> Tenant:
    """Return the tenant. Raises `AdminError` where there is none."""
    tenant = tenants.read(name)
    if tenant is None:
        raise AdminError(f"there is no tenant `{name}`: create it with `tenant create {name}`")
    return tenant


def _providers(tenant: Tenant) -> str | list[str]:
    if tenant.in_account:
        return "in_account"
    return "all" if tenant.providers is None else sorted(tenant.providers)


def _shown(tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "created_at": tenant.created_at,
        "providers": _providers(tenant),
        "daily_images": "stage" if tenant.daily_images is None else tenant.daily_images,
        "daily_usd": "stage" if tenant.daily_usd is None else tenant.daily_usd,
    }
