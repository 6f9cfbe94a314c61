"""The secrets of webhooks: one, or two while one takes the place of the other."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from fitting_room.stores import webhooks
from fitting_room.stores.webhooks import Secret, SecretError
from tests.integration.world import OTHER, TENANT, World


def living(world: World) -> list[str]:
    return webhooks.living(TENANT, world.at.now())


def create(world: World, tenant: str = TENANT) -> Secret:
    return webhooks.create(tenant, world.at.now())


def rotate(world: World) -> Secret:
    return webhooks.rotate(TENANT, world.at.now(), timedelta(hours=1))


def test_a_secret_has_the_form_of_the_specification_and_256_random_bits(world: World) -> None:
    first, second = create(world), create(world, OTHER)
    prefix, _, text = first.value.partition("_")
    assert (prefix, len(base64.b64decode(text, validate=True))) == ("whsec", 32)
    assert first.value != second.value
    assert living(world) == [first.value]
    assert webhooks.signed(TENANT)


def test_the_old_secret_lives_beside_the_new_one_for_a_while(world: World) -> None:
    old, new = create(world), rotate(world)
    assert living(world) == [new.value, old.value]
    shown = webhooks.listed(TENANT, world.at.now())
    assert [(each.id, each.expires_at) for each in shown] == [
        (new.id, None),
        (old.id, "2026-09-01T13:00:00.000Z"),
    ]
    world.at.sleep(3600)
    assert living(world) == [new.value]
    newest = rotate(world)
    assert living(world) == [newest.value, new.value]


def test_a_revoked_secret_signs_no_more_and_with_the_last_one_webhooks_end(world: World) -> None:
    old, new = create(world), rotate(world)
    webhooks.revoke(TENANT, old.id, world.at.now())
    assert living(world) == [new.value]
    webhooks.revoke(TENANT, new.id, world.at.now())
    assert (living(world), webhooks.signed(TENANT)) == ([], False)


def test_without_the_new_secret_the_old_one_lives_on(world: World) -> None:
    old, new = create(world), rotate(world)
    webhooks.revoke(TENANT, new.id, world.at.now())
    world.at.sleep(7200)
    assert (living(world), webhooks.signed(TENANT)) == ([old.value], True)


def test_what_cannot_be_done_says_what_to_do_instead(world: World) -> None:
    with pytest.raises(SecretError, match="create it with `tenant create nobody`"):
        create(world, "nobody")
    with pytest.raises(SecretError, match="has no webhook secrets: create one"):
        rotate(world)
    create(world)
    with pytest.raises(SecretError, match="rotate it"):
        create(world)
    rotate(world)
    with pytest.raises(SecretError, match="has 2 webhook secrets: revoke one of them first"):
        rotate(world)
    with pytest.raises(SecretError, match="has no webhook secret whs_x: list them"):
        webhooks.revoke(TENANT, "whs_x", world.at.now())
