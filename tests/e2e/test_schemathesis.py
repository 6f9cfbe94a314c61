"""The API keeps its OpenAPI document, as deployed: every route over HTTP. Only `make fuzz` runs it, because it takes long."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from admin.stage import connect
from fitting_room.stores import api_keys, tenants, webhooks
from local.deploy import credentials
from tests import fuzzing

from .conftest import Cloud, until

pytestmark = pytest.mark.skipif(fuzzing.LONG_RUN is None, reason="`make fuzz` runs it")
SCHEMA: Any = fuzzing.schema(boundaries=True)
ENDINGS: list[dict[str, Any]] = [
    {"outcome": "success"},
    {"outcome": "provider_error"},
    {"outcome": "blocked"},
    {"seconds": 600},
]


@dataclass
class Things:
    job_id: list[str]
    subject_id: list[str]
    upload_id: str


@dataclass
class Shop:
    """A tenant of its own, so that nothing it spends or erases is another test's."""

    cloud: Cloud
    key: str
    http: httpx.Client
    person: bytes

    def things(self) -> Things:
        """A job of each kind (succeeded, failed, perhaps charged, at the provider, cancelled there) and a subject."""
        upload = self.cloud.upload(self.person, client=self.http)
        image = {"upload": upload}
        body = {"task": "try_on", "provider": "sandbox", "person": image, "garments": [{"image": image}]}
        hook = {"url": "https://shop.example/hook"}
        jobs = [
            self.cloud.submit({**body, "webhook": hook, "provider_options": {"sandbox": told}}, self.http)["id"]
            for told in [*ENDINGS, ENDINGS[-1]]
        ]
        for job_id in jobs[:3]:
            self.cloud.finished(job_id, client=self.http)
        until(lambda: self.cloud.job(jobs[-1], self.http)["step"] == "generating" or None, "the provider to work")
        self.http.post(f"/v1/jobs/{jobs[-1]}/cancel").raise_for_status()
        taught = {"kind": "person", "class_name": "woman", "provider": "astria", "pictures": [image] * 4}
        subject = self.http.post("/v1/subjects", json=taught).raise_for_status().json()["id"]
        return Things(jobs, [subject], upload)


@pytest.fixture(scope="module")
def shop(cloud: Cloud, person: bytes) -> Iterator[Shop]:
    stage = connect("dev", environment=credentials(cloud.api.split("/_aws/")[0])).enter()
    name, now = f"fuzz-{secrets.token_hex(4)}", stage.at.now()
    tenants.create(name, now)
    tenants.set_budget(name, 10**6, 10**6)
    webhooks.create(name, now)
    key, _ = api_keys.create(name, "live", "", frozenset(api_keys.SCOPES), now)
    with httpx.Client(base_url=cloud.api, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        yield Shop(cloud, key, http, person)
        for job in http.get("/v1/jobs").json()["items"]:
            http.post(f"/v1/jobs/{job['id']}/cancel")


@pytest.fixture(scope="module")
def lasting(shop: Shop) -> Things:
    return shop.things()


@pytest.fixture
def things(request: pytest.FixtureRequest, shop: Shop, lasting: Things) -> Things:
    """The things that all routes share; a route that erases gets its own."""
    erases = "[DELETE" in request.node.name
    return shop.things() if erases else lasting


@pytest.fixture(scope="module")
def cases(request: pytest.FixtureRequest) -> Iterator[fuzzing.Cases]:
    cases = fuzzing.Cases()
    yield cases
    cases.tell(request.config)


@SCHEMA.parametrize()  # type: ignore[untyped-decorator]
@fuzzing.examples(200)
def test_the_deployed_api_keeps_its_document(case: Any, shop: Shop, things: Things, cases: fuzzing.Cases) -> None:
    cases.send(case, things, shop.key, base_url=shop.cloud.api, timeout=60)  # some cases wait, by `Prefer`
