"""Store and check providers' keys, let a provider rest, and change what the catalogue says of it."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping
from datetime import date
from typing import Any, cast

from pydantic import ValidationError

from admin.command import Group, Said, noun, verb
from admin.stage import AdminError, Stage
from fitting_room import clock
from fitting_room.actions.requests.context import deployment
from fitting_room.actions.requests.plan import Deployment
from fitting_room.actions.workflow.attempts import connect
from fitting_room.jobs.errors import JobFailure
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Account, Listing
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.overrides import ModelChange, Override, Pause, PriceChange
from fitting_room.stores import model_lifecycles, offers, provider_keys, refusals


def add(nouns: Group) -> None:
    verbs = noun(nouns, "provider", "store and check providers' keys, pause a provider, change the catalogue")
    one = verb(
        verbs,
        "set",
        _set,
        "read a provider's key from standard input, check its shape, store it and offer the provider",
        "provider set fashn --stage prod < key.txt",
    )
    one.add_argument("provider")
    check = verb(
        verbs,
        "check",
        _check,
        "check the stored key, by a free call where the provider has one; nothing is bought",
        "provider check fashn",
    )
    check.add_argument("provider")
    verb(verbs, "list", _list, "list providers: keys, models' lives, pauses, last refusals", "provider list --json")
    pause = verb(
        verbs,
        "pause",
        _pause,
        "buy nothing from a provider within 30 seconds; jobs that wait for it go to the next one, or wait",
        'provider pause fashn --reason "outage at the provider"',
    )
    pause.add_argument("provider")
    pause.add_argument("--reason", default="", help="for `provider list`")
    resume = verb(
        verbs,
        "resume",
        _resume,
        "end the pause of a provider, and ask it again for models that it called gone",
        "provider resume fashn",
    )
    resume.add_argument("provider")
    change = verb(
        verbs,
        "override",
        _override,
        "add a model, or change a model's id, a date or a price of the catalogue, within 30 seconds, until --clear",
        "provider override fashn --model tryon-v1.6 --end-of-life 2027-01-31",
    )
    change.add_argument("provider")
    change.add_argument("--model", help="a model of the catalogue; `provider list` shows them. With --like, a new one")
    change.add_argument("--like", metavar="MODEL", help="a model of the catalogue: the new one takes the same requests")
    change.add_argument("--sent-as", metavar="ID", help="the id that the provider is told instead")
    change.add_argument("--legacy", metavar="DATE", help="from then on the model is on its way out")
    change.add_argument("--end-of-life", metavar="DATE", help="from then on no job uses the model")
    change.add_argument("--price", type=float, metavar="USD", help="of one image")
    change.add_argument("--credits", type=float, metavar="N", help="of one image, where the provider bills credits")
    change.add_argument("--quality", help="the price of this quality only")
    change.add_argument("--max-side", type=int, metavar="PX", help="the price up to this size only")
    change.add_argument("--clear", action="store_true", help="go back to the catalogue")


def offer(provider: str, secret: str | None, stage: Stage) -> None:
    """Store the provider's key where only the functions that call it may read it, and offer the provider."""
    entry = known(provider)
    if entry.secret:
        if not secret:
            raise AdminError(
                f"{provider} needs a key: send it on standard input, as in `provider set {provider} < key.txt`"
            )
        _check_shape(entry, secret, stage)
    provider_keys.store(provider, secret if entry.secret else None, stage.at.now())


def known(provider: str) -> CatalogueEntry:
    """Return the provider's entry. Raises `AdminError` for a provider that does not exist."""
    try:
        return catalogue.entry(provider)
    except KeyError:
        names = ", ".join(catalogue.PROVIDERS)
        raise AdminError(f"there is no provider `{provider}`: use one of {names}") from None


def _set(stage: Stage, args: argparse.Namespace) -> Said:
    secret = None
    if known(args.provider).secret:
        asked = sys.stdin.isatty()
        secret = (getpass.getpass(f"Key of {args.provider}: ") if asked else sys.stdin.read()).strip()
    offer(args.provider, secret, stage)
    entry = known(args.provider)
    said = Said({"provider": entry.id, "configured": True}, f"{entry.id} is configured")
    return _with_moved(said, entry, connect(entry, stage.at, secret)) if secret else said


def _with_moved(said: Said, entry: CatalogueEntry, vendor: object) -> Said:
    """Add the models that the provider lists by other ids than those used here, if it has a list."""
    if not hasattr(vendor, "moved"):
        return said
    try:
        moved = cast(Listing, vendor).moved()
    except JobFailure as failure:
        return Said({**said.data, "moved": None}, f"{said.text}. {failure.fault.detail}")
    ids = ", ".join(f"{model}: {listed or 'none'}" for model, listed in moved.items())
    text = f"{entry.title} lists other ids than those used here ({ids}): set them in `provider_settings.{entry.id}`"
    return Said({**said.data, "moved": dict(moved)}, f"{said.text}. {text}" if moved else said.text)


def _check_shape(entry: CatalogueEntry, secret: str, stage: Stage) -> None:
    """Refuse a key that no provider gives out, or that the adapter cannot use. Raises `AdminError`, `JobFailure`."""
    if secret.startswith(("fr_live_", "fr_test_")):
        raise AdminError(f"this is a key of Fitting Room: send the key of your account at {entry.title}")
    if not secret.startswith("{") and not (
        len(secret) >= 8 and secret.isascii() and secret.isprintable() and " " not in secret
    ):
        raise AdminError(
            f"this is no key of {entry.title}: send one line of at least 8 visible ASCII characters without spaces"
        )
    connect(entry, stage.at, secret)


def _check(stage: Stage, args: argparse.Namespace) -> Said:
    entry = known(args.provider)
    if not entry.secret:
        raise AdminError(f"{entry.id} has no key: it is billed by AWS, or is free")
    if entry.id not in provider_keys.configured.fresh(stage.at):
        raise AdminError(f"{entry.id} has no key here: store one with `provider set {entry.id}`")
    vendor = connect(entry, stage.at, provider_keys.secret.fresh(entry.id, stage.at))
    if not hasattr(vendor, "credits"):
        said = Said(
            {"provider": entry.id, "shape": "ok", "accepted": None, "credits": None},
            f"the key of {entry.id} has the right shape; no free call tells whether {entry.title} accepts it",
        )
        return _with_moved(said, entry, vendor)
    left = cast(Account, vendor).credits()
    return Said(
        {"provider": entry.id, "shape": "ok", "accepted": True, "credits": left},
        f"{entry.title} accepts the key; {left:.12g} credits are left",
    )


def _list(stage: Stage, args: argparse.Namespace) -> Said:
    offers.forget()
    here, changed, refused = deployment(stage.at), offers.overrides(stage.at), refusals.listed()
    rows = [_shown(entry, here, changed, refused.get(entry.id, {})) for entry in here.entries]
    return Said(rows, "\n".join(map(_lines, rows)))


def _shown(
    entry: CatalogueEntry, here: Deployment, changed: Mapping[str, Override], refused: dict[str, Any]
) -> dict[str, Any]:
    override = changed.get(entry.id)
    return {
        "provider": entry.id,
        "title": entry.title,
        "configured": here.usable(entry),
        "paused": override.paused.model_dump() if override and override.paused else None,
        "models": [
            {
                "id": model.id,
                "sent_as": model.sent_as,
                "offered": here.offers(entry, model),
                "retired": here.retired(entry, model),
                "end_of_life": end.isoformat() if (end := here.end_of_life(model)) else None,
            }
            for model in entry.models
        ],
        "prices": [price.model_dump(exclude_none=True) for price in entry.prices],
        "overridden": bool(override and (override.models or override.prices)),
        "refusals": refused,
    }


def _lines(row: dict[str, Any]) -> str:
    state = "paused since " + row["paused"]["at"] if row["paused"] else "ready" if row["configured"] else "not set up"
    reason = f" ({row['paused']['reason']})" if row["paused"] and row["paused"]["reason"] else ""
    lines = [f"{row['provider']}: {state}{reason}{', catalogue overridden' if row['overridden'] else ''}"]
    for model in row["models"]:
        life = (
            "retired"
            if model["retired"]
            else f"until {model['end_of_life']}"
            if model["end_of_life"]
            else "no end known"
        )
        sent = f", bought as {model['sent_as']}" if model["sent_as"] else ""
        lines.append(f"    {model['id']}: {life}{sent}{'' if model['offered'] else ', off'}")
    lines += [f"    last {code}: {told['at']}, {told['job_id']}" for code, told in row["refusals"].items()]
    return "\n".join(lines)


def _pause(stage: Stage, args: argparse.Namespace) -> Said:
    if len(args.reason) > 200 or not args.reason.isprintable():
        raise AdminError("--reason: use at most 200 printable characters")
    known(args.provider)
    pause = Pause(at=clock.text(stage.at.now()), reason=args.reason)
    _change(args.provider, {"paused": pause}, stage)
    return Said(
        {"provider": args.provider, "paused": pause.model_dump()}, f"{args.provider} is paused within 30 seconds"
    )


def _resume(stage: Stage, args: argparse.Namespace) -> Said:
    known(args.provider)
    _change(args.provider, {"paused": None}, stage)
    model_lifecycles.forget_gone(args.provider)
    return Said({"provider": args.provider, "paused": None}, f"{args.provider} is used again within a minute")


def _override(stage: Stage, args: argparse.Namespace) -> Said:
    entry = known(args.provider)
    model = {
        name: getattr(args, name)
        for name in ("like", "sent_as", "legacy", "end_of_life")
        if getattr(args, name) is not None
    }
    price = {name: getattr(args, name) for name in ("price", "credits") if getattr(args, name) is not None}
    if args.clear is bool(model or price):
        raise AdminError("send --like, --sent-as, --legacy, --end-of-life, --price or --credits; or --clear alone")
    if args.clear:
        after = _change(entry.id, {"models": {}, "prices": ()}, stage)
        return Said(
            {"provider": entry.id, "override": _json(after)}, f"{entry.id} is as in the catalogue within 30 seconds"
        )
    if model and not args.model:
        raise AdminError(f"--model: name one of {', '.join(each.id for each in entry.models)}")
    before = offers.read().get(entry.id, Override())
    try:
        models, prices = dict(before.models), before.prices
        if model:
            old = models.get(args.model, ModelChange()).model_dump()
            models[args.model] = ModelChange.model_validate(old | model)
        if price:
            place = {"model": args.model, "quality": args.quality, "max_side": args.max_side}
            new = PriceChange.model_validate({**place, "amount": args.price, "credits": args.credits})
            prices = (*(each for each in prices if not each.same_place(new)), new)
    except ValidationError as error:
        raise AdminError("; ".join(_fault(item) for item in error.errors())) from None
    wanted = before.model_copy(update={"models": models, "prices": prices})
    if faults := list(wanted.faults(entry)):
        raise AdminError("; ".join(faults))
    after = _change(entry.id, {"models": models, "prices": prices}, stage)
    return Said({"provider": entry.id, "override": _json(after)}, f"{entry.id} is changed within 30 seconds")


def _change(provider: str, change: dict[str, Any], stage: Stage) -> Override:
    """Read, change and store: two operators at once on one provider, and the later one wins."""
    before = offers.read().get(provider, Override())
    after = before.model_copy(update={**change, "at": clock.text(stage.at.now())})
    offers.put(provider, after)
    offers.forget()
    return after


def _json(override: Override) -> Any:
    return override.model_dump(mode="json", exclude_none=True)


def _fault(item: Any) -> str:
    name = "--" + str(item["loc"][-1]).replace("_", "-").replace("amount", "price")
    remedy = {
        "--like": "send a model of the catalogue",
        "--sent-as": "send up to 128 letters, digits and characters of . _ : / -",
        "--legacy": f"send a date such as {date.today().isoformat()}",
        "--end-of-life": f"send a date such as {date.today().isoformat()}",
    }.get(name, "send a number from 0 to 1,000")
    return f"{name}: {remedy}"
