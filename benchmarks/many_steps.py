"""A journey of thousands of distinct steps, as when every page is tracked, in every stage.

``python benchmarks/many_steps.py`` makes 3,000 prospects with 150,000 visits to 4,997 pages
(``--steps``, ``--prospects``, ``--each``), runs every stage in turn in one process, and prints
its seconds, those of the processor, and the peak memory of the process up to then.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from microconv.stages.pipeline import STAGES, run_pipeline

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 240
JOURNEY = ("awareness", "consideration", "decision")


def main() -> None:
    """Make the world, run the stages and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--prospects", type=int, default=3000)
    parser.add_argument("--each", type=int, default=50, help="visits a prospect")
    arguments = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as scratch:
        params = write_world(Path(scratch), **arguments)
        sentences = run_pipeline(params, inputs=None, root=Path(scratch))
        for stage in STAGES:
            began, busy = time.perf_counter(), time.process_time()
            sentence = next(sentences)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
            seconds, busy = time.perf_counter() - began, time.process_time() - busy
            print(f"{stage.name:10} {seconds:6.1f} s, of the processor {busy:6.1f}, {peak:.2f} GB")
            print("    " + sentence.replace("\n", "\n    "), flush=True)


def write_world(
    folder: Path, *, steps: int = 5000, prospects: int = 3000, each: int = 50, seed: int = 3
) -> Path:
    """Write the exports below `folder`, and the params.yaml that reads them.

    Pages are visited as unevenly as pages are, but each at least once. Visits to the last
    stage make a conversion likelier.

    Returns
    -------
    Path
        Of the params.yaml.
    """
    random = np.random.default_rng(seed)
    pages = [f"page_{k:04d}" for k in range(steps - 3)]
    stage = np.arange(len(pages)) % len(JOURNEY)
    share = np.arange(1, len(pages) + 1) ** -0.8
    n = prospects * each
    page = random.choice(len(pages), n, p=share / share.sum())
    page[random.choice(n, len(pages), replace=False)] = np.arange(len(pages))
    who = random.integers(0, prospects, n)
    day = random.uniform(0, DAYS - 1, prospects)[who] * 0.6 + random.uniform(0, DAYS * 0.4, n)
    visits = pd.DataFrame({"who": who, "day": day, "what": np.array(pages)[page]})
    chance = random.random(n) < np.where(stage[page] == 2, 0.02, 0.002)
    won = visits[chance].drop_duplicates("who").assign(what="won")
    won["day"] += random.uniform(1, 20, len(won))
    left = visits.sample(prospects // 20, random_state=seed).assign(what="left")
    mails = pd.DataFrame({"who": random.integers(0, prospects, n // 10), "what": "sent"})
    mails["day"] = random.uniform(0, DAYS, len(mails))
    mails["message"] = np.array([f"m{k}" for k in range(60)])[random.integers(0, 60, len(mails))]
    events = pd.concat([visits, won, left, mails]).query("day < @DAYS")
    events["who"] = "p" + events["who"].astype(str)
    events["at"] = (START + pd.to_timedelta(events["day"], "D").dt.round("us")).astype(str)
    raw = folder / "raw"
    raw.mkdir(parents=True)
    events.drop(columns="day").to_csv(raw / "events.csv", index=False)
    messages = pd.DataFrame({"message_id": [f"m{k}" for k in range(60)]})
    messages["campaign"], messages["position"] = "tour", range(1, 61)
    messages["goal"], messages["subject"], messages["cta"] = pages[:60], "A page for you", "Look"
    messages.to_csv(raw / "messages.csv", index=False)
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump(_params(raw, pages, stage), sort_keys=False))
    return params


def _params(raw: Path, pages: list[str], stage: np.ndarray) -> dict[str, object]:
    end = START + timedelta(days=DAYS)
    steps: dict[str, object] = {
        page: {"kind": "micro", "stage": JOURNEY[s], "commitment": int(1 + s + k % 2)}
        for k, (page, s) in enumerate(zip(pages, stage, strict=True))
    }
    steps |= {"sent": {"kind": "exposure"}, "left": {"kind": "exit"}, "won": {"kind": "major"}}
    columns = {"prospect_id": "who", "time": "at", "event": "what", "message_id": "message"}
    visits = {
        "name": "site",
        "format": "table",
        "files": "events.csv",
        "complete_until": end.isoformat(),
        "columns": columns,
    }
    sequence = {
        "name": "sequence",
        "format": "messages",
        "files": "messages.csv",
        "columns": {"message_id": "message_id", "campaign_id": "campaign", "position": "position",
                    "goal": "goal", "subject": "subject", "cta": "cta"},
    }  # fmt: skip
    return {
        "ingest": {
            "input_dir": str(raw),
            "plausible_from": "2020-01-01T00:00:00Z",
            "plausible_until": "2030-01-01T00:00:00Z",
            "buckets": 4,
            "sources": [visits, sequence],
        },
        "journey": {"stages": list(JOURNEY), "steps": steps},
        "snapshots": {
            "first": (START + timedelta(days=42)).isoformat(),
            "every_days": 14,
            "horizon_days": 30,
            "active_within_days": 60,
        },
        "features": {"pairs": "none", "last_steps": 3},
        "backtest": {"folds": 2, "test_snapshots": 1},
        "model": {"seed": 7},
        "evaluate": {"list_size": 100, "seed": 11, "bootstrap": 50},
        "score": {"limit": 300, "valid_days": 7, "grades": {"A": 0.1, "B": 0.0}},
        "track": {"experiment": "many", "registered_model": "many"},
    }


if __name__ == "__main__":
    main()
