"""What every test needs before anything of the product is imported."""

import gc
import os

os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "fitting-room")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "FittingRoom")

import pytest


def pytest_collection_finish() -> None:
    """Collect garbage seldom, and never modules. The usual collection took a twelfth of the tests' time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how to repeat the order of this run, which `-q` keeps out of the header."""
    if (seed := getattr(config.option, "randomly_seed", None)) is not None:
        terminalreporter.write_line(f"the order of the tests: --randomly-seed={seed}")
