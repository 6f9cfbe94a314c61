"""Holds the unit tests to this process: what needs AWS, a server or another program is an integration test."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from fitting_room.stores import offers


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: socket.socket, address: Any) -> None:
        raise AssertionError(f"a unit test connects to {address}: move it to tests/integration")

    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.fixture(autouse=True)
def no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue is as it was released."""
    offers.forget()
    monkeypatch.setattr(offers, "read", dict)
