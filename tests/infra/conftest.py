from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# CDK runs on Node: on the one of this environment, as everywhere in this repository.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from tests.infra.synthesized import Synthesized, synthesized


@pytest.fixture(scope="session")
def dev() -> Synthesized:
    return synthesized("dev")


@pytest.fixture(scope="session")
def prod() -> Synthesized:
    return synthesized("prod")


@pytest.fixture(scope="session")
def every() -> Synthesized:
    """Prod with every setting that it may have."""
    return synthesized("every")


@pytest.fixture(scope="session", params=["dev", "prod"])
def stage(request: pytest.FixtureRequest) -> Synthesized:
    return synthesized(request.param)
