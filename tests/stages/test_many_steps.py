"""Five thousand distinct steps go through every stage, and nothing grows with their square."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from many_steps import write_world

RUN = """
import sys
from pathlib import Path
from microconv.stages.pipeline import run_pipeline
folder = Path(sys.argv[1])
for said in run_pipeline(folder / "params.yaml", inputs=None, root=folder):
    print(said, flush=True)
"""

PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

MEASURE = (
    "microconv.stages.measure --params params.yaml --log data/log "
    "--journey measured.json --tables measured"
)
SCORE = (
    "microconv.stages.score --params params.yaml --log data/log --model models/prospect_model "
    "--journey measured.json --prospects again.parquet --csv again.csv --xlsx again.xlsx "
    "--json-lines again.jsonl --manifest again.json"
)


@pytest.mark.slow
def test_five_thousand_steps_end_in_a_list_and_a_journey(tmp_path):
    """Each is in the log, what is grouped is named, and no done step is suggested again.

    What goes step by step is held to its memory alone; learning, in the same process, takes
    now more and now less. A matrix of transitions of all steps would take 0.4 GB beside the
    0.4 GB of the stage, its inverse and marks of who did what come on top.
    """
    params = write_world(tmp_path, steps=5000, prospects=1200, each=30)
    given = yaml.safe_load(params.read_text())
    given["features"]["max_steps"] = 40
    small = {"num_iterations": 30, "num_leaves": 4, "min_data_in_leaf": 50}
    given["model"] |= {"trees": small, "hazard": small, "forest": {"trees": 10}}
    given["snapshots"]["every_days"] = 28
    given["backtest"]["folds"] = 1
    given["score"]["reasons"] = 5
    params.write_text(yaml.safe_dump(given, sort_keys=False))
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4,961 of the 5,000 steps have no columns of their own" in done.stdout
    events = pd.read_csv(tmp_path / "raw" / "events.csv")
    assert events["what"].nunique() == 5000
    reports = tmp_path / "reports"
    listed = pd.read_csv(reports / "prospects.csv")
    visited = set(zip(events["who"], events["what"], strict=True))
    suggested = listed.dropna(subset=["next_step"])
    assert len(suggested) > 100
    assert not visited & set(zip(suggested["prospect_id"], suggested["next_step"], strict=True))
    reasons = listed.filter(like="reason_").to_numpy(str).ravel()
    assert any("did another step" in reason for reason in reasons)
    assert not any("(other)" in reason for reason in reasons)
    journey = json.loads((reports / "journey.json").read_text())
    assert "of the 5,000 steps are grouped as" in journey["completion"]["missing"][0]
    together = {row["step"] for row in journey["completion"]["tables"]["steps"]}
    assert {"(other awareness)", "(other consideration)", "(other decision)"} < together
    sentences = [s for part in journey.values() for s in part.get("missing", [])]
    assert max(map(len, sentences)) < 600
    assert all(page.stat().st_size < 5e6 for page in reports.glob("*.html"))
    for stage in (MEASURE, SCORE):
        assert peak_gb(stage, tmp_path) < 0.7, stage


def peak_gb(stage: str, folder: Path) -> float:
    """Run one stage in a process of its own."""
    command = [sys.executable, "-c", PEAK, *stage.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) / 1024**2
