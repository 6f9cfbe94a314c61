"""The account's own endpoint in the fault harness: the real adapter, and behind it one that answers into moto's S3."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ReadTimeoutError

from fitting_room.providers.adapter import Connection
from fitting_room.providers.sagemaker.adapter import SageMaker
from tests.faults.house import Ledger
from tests.integration.endpoint import Endpoint
from tests.integration.world import MEDIA


@dataclass
class EndpointLedger(Ledger):
    """It answers a call when `work` seconds have passed and somebody looks."""

    endpoint: Endpoint = field(default_factory=Endpoint)
    answered: set[int] = field(default_factory=set)

    def connect(self, connection: Connection) -> SageMaker:  # type: ignore[override]
        self._work()
        return SageMaker({"vton": "my-vton"}, MEDIA, connection.objects, lambda: self)

    def invoke_endpoint_async(self, **given: Any) -> dict[str, Any]:
        def accept() -> dict[str, Any]:
            self.sold[f"{given['InferenceId']} {len(self.sold)}"] = self.world.at.now().timestamp()
            return self.endpoint.invoke_endpoint_async(**given)

        answer: dict[str, Any] = self.faults.around(
            "provider.submit", accept, lambda: ReadTimeoutError(endpoint_url="x")
        )
        return answer

    def _work(self) -> None:
        """No call of the endpoint to S3 is one of ours."""
        watching, self.faults.watching = self.faults.watching, False
        for index, began in enumerate(self.sold.values()):
            if index not in self.answered and self.world.at.now().timestamp() - began >= self.work:
                self.endpoint.answer(index)
                self.answered.add(index)
        self.faults.watching = watching
