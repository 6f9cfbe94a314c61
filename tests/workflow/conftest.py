"""The deployment in memory and the simulators over HTTP, for tests of a whole job without a cloud."""

from tests.contract.conftest import engine, fashn_simulator, tryiton_simulator
from tests.unit.conftest import world

__all__ = ["engine", "fashn_simulator", "tryiton_simulator", "world"]
