"""A provider's key: how long a changed one goes unnoticed, and what there is when it was changed."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from fitting_room.jobs.errors import JobFailure, Refusal
from fitting_room.stores import aws, provider_keys
from tests.integration.world import World

NAME, OLD, NEW = "secret-of-tryiton", "old-key", "new-key"


@pytest.fixture
def keyed(world: World) -> World:
    world.configure("tryiton", secret=OLD)
    return world


def change(value: str = NEW) -> None:
    aws.secrets().put_secret_value(SecretId=NAME, SecretString=value)


def test_a_provider_is_offered_within_thirty_seconds_after_its_key_was_stored(world: World) -> None:
    aws.secrets().create_secret(Name=NAME)
    with pytest.raises(Refusal, match="no key for TryItOn"):
        world.submit(provider="tryiton")
    provider_keys.store("tryiton", NEW, world.at.now())
    world.at.sleep(30)
    assert world.submit(provider="tryiton").job.plan == ["tryiton"]


def test_a_changed_key_is_noticed_after_thirty_seconds(keyed: World) -> None:
    assert provider_keys.secret("tryiton", keyed.at) == OLD
    change()
    keyed.at.sleep(29.9)
    assert provider_keys.secret("tryiton", keyed.at) == OLD
    keyed.at.sleep(0.1)
    assert provider_keys.secret("tryiton", keyed.at) == NEW


def test_after_a_refusal_the_changed_key_is_there_at_once_and_for_everybody(keyed: World) -> None:
    assert provider_keys.secret("tryiton", keyed.at) == OLD
    change()
    assert provider_keys.secret.fresh("tryiton", keyed.at) == NEW
    assert provider_keys.secret("tryiton", keyed.at) == NEW


def test_the_key_before_the_last_change_can_still_be_had(keyed: World) -> None:
    assert provider_keys.previous("tryiton") is None
    change()
    assert provider_keys.previous("tryiton") == OLD
    assert provider_keys.secret("tryiton", keyed.at) == NEW


def test_a_key_stored_as_bytes_is_the_operators_matter(keyed: World) -> None:
    aws.secrets().put_secret_value(SecretId=NAME, SecretBinary=b"bytes")
    with pytest.raises(JobFailure) as caught:
        provider_keys.secret("tryiton", keyed.at)
    assert (caught.value.fault.code, caught.value.fault.provider) == ("provider_auth", "tryiton")
    assert caught.value.fault.remedy == "Ask the operator to store a key for tryiton again."
    change()
    assert provider_keys.secret("tryiton", keyed.at) == NEW
    assert provider_keys.previous("tryiton") is None


def test_a_refused_look_for_an_earlier_key_is_no_absence(keyed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "x"}}, "GetSecretValue")

    monkeypatch.setattr(aws.secrets(), "get_secret_value", denied)
    with pytest.raises(ClientError):
        provider_keys.previous("tryiton")
