"""Print how every cell of the fault harness ends: `make faults`, which sets PYTHONPATH."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import tests.integration.conftest  # noqa: F401  sets the environment
from tests.faults.scenarios import MODES, SCENARIOS, Cell, cells


def _row(task: tuple[str, str]) -> list[Cell]:
    from fitting_room.observability import logger

    logger.setLevel("CRITICAL")
    return cells(task[0], (task[1],))  # type: ignore[arg-type]


def main() -> int:
    tasks = [(scenario, mode) for scenario in SCENARIOS for mode in MODES]
    totals: Counter[str] = Counter()
    print(
        f"{'scenario':<12} {'mode':<14} {'cells':>5} {'dropped':>8} {'died':>5} {'twice':>6} {'books':>6} {'blind':>6}"
    )
    with ProcessPoolExecutor(2) as pool:
        for (scenario, mode), found in zip(tasks, pool.map(_row, tasks), strict=True):
            row: Counter[str] = Counter(cells=len(found))
            for cell in found:
                wrong = cell.faults()
                row["dropped"] += "a paid result was dropped" in wrong
                row["died"] += "died unbought" in wrong
                row["twice"] += any(text.startswith("bought") for text in wrong)
                row["books"] += any(text.startswith(("budget", "charged")) or "places" in text for text in wrong)
                row["blind"] += cell.blind
                for text in wrong:
                    print(f"  {scenario} {mode} call {cell.at} {cell.call}: {text}", flush=True)
            totals += row
            print(
                f"{scenario:<12} {mode:<14} {row['cells']:>5} {row['dropped']:>8} {row['died']:>5} {row['twice']:>6}"
                f" {row['books']:>6} {row['blind']:>6}",
                flush=True,
            )
    print(dict(totals))
    return int(any(totals[name] for name in ("dropped", "died", "twice", "books")))


if __name__ == "__main__":
    sys.exit(main())
