"""Bot detection against the demo world's truth: precision, recall, and time added to ingest.

    python benchmarks/bots.py             # accuracy at 10, 30 and 60 % bot clicks
    python benchmarks/bots.py --cost --prospects 34000   # seconds added to ingest

A bot event is one with `human_probability` below one half. The shares of bot traffic
are shares of clicks: a scanner clicks all links of every mail, so a few scanners make many clicks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from microconv.demo import simulate
from microconv.ingest.ingest import Outputs, ingest
from microconv.settings import IngestSettings, SimulateSettings, read_settings
from microconv.storage.schema import HUMAN_THRESHOLD

START = datetime(2024, 1, 1, tzinfo=UTC)
SCANNERS = {0.1: 0.0047, 0.3: 0.018, 0.6: 0.063}
"""Share of bots among clicks → share of prospects behind a scanner that produces it."""


@dataclass(frozen=True)
class Accuracy:
    """Precision and recall of bot detection.

    Attributes
    ----------
    share : float
        True share of bots among the events.
    precision, recall : float
        Of events classified as bots, and of true bot events.
    """

    share: float
    precision: float
    recall: float


def demo_ingest(root: Path) -> IngestSettings:
    """Read the section `ingest` of the demo's settings."""
    return read_settings(root / "params.yaml").ingest


def world(*, prospects: int, scanners: float, seed: int = 5) -> SimulateSettings:
    """Return the settings of a demo world."""
    return SimulateSettings(
        world="planted",
        prospects=prospects,
        days=270,
        start=START,
        seed=seed,
        scanner_share=scanners,
    )


def accuracy(folder: Path) -> dict[str, Accuracy]:
    """Compare the log in `folder` with the truth in it, for clicks and for opens."""
    bots = pq.read_table(folder / "truth" / "bots.parquet").to_pandas()
    files = sorted((folder / "log" / "events").glob("*.parquet"))
    log = [
        pq.read_table(file, columns=["event_id", "human_probability"]).to_pandas() for file in files
    ]
    human_probability = {
        i: h for part in log for i, h in zip(part.event_id, part.human_probability, strict=True)
    }
    bots = bots[[i in human_probability for i in bots.event_id]]
    flagged = np.array([human_probability[i] for i in bots.event_id]) < HUMAN_THRESHOLD
    machine = bots.machine.to_numpy()
    out = {}
    for event in ("click", "open"):
        kind = (bots.event == event).to_numpy()
        both = (flagged & machine & kind).sum()
        out[event] = Accuracy(
            machine[kind].mean(), both / (flagged & kind).sum(), both / (machine & kind).sum()
        )
    return out


def ingest_world(folder: Path, settings: IngestSettings) -> float:
    """Ingest the exports in `folder`; return the seconds it took."""
    begin = time.perf_counter()
    outputs = Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")
    ingest(settings, outputs=outputs, input_dir=folder / "raw")
    return time.perf_counter() - begin


def main() -> None:
    """Print the accuracy by share of bot clicks, or the cost with ``--cost``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prospects", type=int, default=4000)
    parser.add_argument("--cost", action="store_true", help="time ingest with and without bots")
    arguments = parser.parse_args()
    settings = demo_ingest(Path(__file__).resolve().parents[1])
    if arguments.cost:
        _print_cost(settings, arguments.prospects)
        return
    print(f"{'':8}{'bots':>9}{'precision':>11}{'recall':>8}")
    for scanners in SCANNERS.values():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made = world(prospects=arguments.prospects, scanners=scanners)
            simulate(made, out=folder / "raw", truth=folder / "truth")
            ingest_world(folder, settings)
            for event, a in accuracy(folder).items():
                print(f"{event + 's':8}{a.share:9.1%}{a.precision:11.3f}{a.recall:8.3f}")


def _print_cost(settings: IngestSettings, prospects: int) -> None:
    off = settings.bots.model_copy(update={"enabled": False})
    without = settings.model_copy(update={"bots": off})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = world(prospects=prospects, scanners=0.15)
        simulate(made, out=folder / "raw", truth=folder / "truth")
        ingest_world(folder, settings)  # compiles, and fills the caches of the disk
        times: dict[str, list[float]] = {"without": [], "with": []}
        for _ in range(3):
            times["without"].append(ingest_world(folder, without))
            times["with"].append(ingest_world(folder, settings))
        files = (folder / "log" / "events").glob("*.parquet")
        events = sum(pq.read_metadata(file).num_rows for file in files)
    best = {name: min(seconds) for name, seconds in times.items()}
    print(f"{events:,} events: {best['without']:.1f} s without bots, {best['with']:.1f} s with "
          f"({best['with'] / best['without'] - 1:+.0%}); best of 3")  # fmt: skip


if __name__ == "__main__":
    main()
