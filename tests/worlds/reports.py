"""A list, its manifest and an evaluation for the pages, small enough to know by heart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from microconv.evaluation.backtest import PREDICTIONS, Backtest
from microconv.evaluation.evaluate import Evaluation, evaluate
from microconv.model.training_facts import TrainingFacts
from microconv.ranking.list_columns import DETAIL_COLUMNS
from microconv.report.model_page import ModelScope
from microconv.settings import EvaluateSettings
from worlds.logs import AS_OF

FACTS = TrainingFacts(
    first=datetime(2024, 1, 29, tzinfo=UTC),
    last=datetime(2024, 4, 22, tzinfo=UTC),
    learnt_until=datetime(2024, 6, 3, tzinfo=UTC),
    n_rows=1234,
    n_prospects=567,
    n_conversions=89,
    base_rate=0.07,
    mean_value=400.0,
    choice="equal shares",
    readiness={"state": "ready", "summary": "There is enough to learn from."},
)

HOSTILE = [
    "<script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "</style></title><script>document.title='taken'</script>",
    '=HYPERLINK("http://example.com")',
    "{{ 7 * 7 }} {% raw %}",
    "' onmouseover='document.title=1' x='",
    "\u202eevil\u0000",
    "</script><script>document.title='taken'</script><!--",
    "\u2067\u05d0\u05d1\u05d2 🙂 👩\u200d💻",
    'two\nlines\r\n\u2028and "quotes" \\u003c',
]
"""What people call themselves to make trouble."""

MODEL_SCOPE = ModelScope(
    horizon_days=30,
    active_within_days=60,
    outcomes=("deal_won",),
    steps=4,
    columns=321,
    families=("counts", "recency"),
)


def list_of(*names: str, **columns: list[Any]) -> pd.DataFrame:
    """Make a list with a row for each name; further columns replace the ones made up here."""
    n = len(names)
    frame = pd.DataFrame(
        {
            "rank": np.arange(1, n + 1),
            "prospect_id": [f"p{k}" for k in range(n)],
            "owner": ["Olga Example"] * n,
            "name": list(names),
            "probability": np.linspace(0.3, 0.1, n),
            "percentile": np.linspace(99, 90, n),
            "grade": ["A"] * n,
            "expected_value": np.linspace(120.0, 40.0, n),
            "reason_1": ["↑ visited pricing 2 days ago"] * n,
            "reason_2": ["↓ quiet for 21 days"] * n,
            "stage": ["consideration"] * n,
            "next_step": ["case_study"] * n,
            "last_activity": pd.Series([AS_OF - timedelta(days=2)] * n).dt.as_unit("us"),
        }
    )
    return frame.assign(**columns)


def told(*words: str, reasons: int = 2, steps: int = 2) -> dict[str, Any]:
    """Make the details of one row, its words in turns from those given."""
    turn = cycle(words or ("visited pricing 2 days ago",))
    return {
        "reasons": [
            {"text": next(turn), "log_odds": (0.7 - 0.02 * k) * (-1) ** k} for k in range(reasons)
        ],
        "other_reasons_log_odds": -0.1,
        "recent_steps": [
            {
                "time": AS_OF - timedelta(days=k + 2, hours=1),
                "step": "pricing_visit" if not words else next(turn),
                "message": next(turn) if words else "A checklist",
                "campaign": next(turn) if words else "nurture",
                "human_probability": 1.0 if k else 0.25,
            }
            for k in range(steps)
        ],
        "earlier_steps": 3,
        "exposures": 7,
    }


def with_details(frame: pd.DataFrame, rows: list[dict[str, Any]] | None = None) -> pd.DataFrame:
    """Add details to a list, as its file gives them back."""
    table = pa.Table.from_pylist(rows or [told()] * len(frame), DETAIL_COLUMNS)
    return frame.join(table.to_pandas())


def manifest_of(frame: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """Make the manifest that goes with a list."""
    left_out = {"converted": 5, "exited": 0, "below_the_limit": 7}
    counts = {"prospects": 20, "known": 18, "scored": 10, "listed": len(frame)}
    return {
        "list_id": "20240603-abcdef12",
        "status": "preview",
        "as_of": "2024-06-03T00:00:00Z",
        "valid_until": "2024-06-10T00:00:00Z",
        "horizon_days": 30.0,
        "model": {"version": None, "md5": "0" * 32},
        "log": {"md5": "1" * 32},
        "counts": {**counts, "left_out": left_out},
        "grades": {"A": 0.2, "B": 0.0},
        "notes": [],
        **changes,
    }


@cache
def evaluation(skill: float = 2.0) -> Evaluation:
    """Evaluate made-up predictions: `skill` 0 knows nothing, and probabilities come true."""
    random = np.random.default_rng(5)
    tables = []
    for fold in ("2024-03-04", "2024-04-01"):
        logit = random.normal(size=400) * skill - 2
        truth = 1 / (1 + np.exp(-logit))
        converted = random.uniform(size=400) < truth
        guesses = {"ensemble": truth, "recency": random.uniform(0.05, 0.2, 400)}
        if skill == 0:
            guesses["ensemble"] = random.uniform(0.1, 0.15, 400)
        for model, probability in guesses.items():
            columns = {
                "prospect_id": [f"p{k:03d}" for k in range(400)],
                "as_of": [datetime.fromisoformat(f"{fold}T00:00:00+00:00")] * 400,
                "fold": [fold] * 400,
                "model": [model] * 400,
                "probability": probability,
                "converted": converted,
                "value": np.where(converted, 100.0, np.nan),
                "amount": np.full(400, 90.0),
                "unseen": np.zeros(400, dtype=bool),
            }
            plain = {n: pa.array(v, from_pandas=True) for n, v in columns.items()}
            for name in ("fold", "model"):
                plain[name] = plain[name].cast(pa.string()).dictionary_encode()
            tables.append(pa.table(plain).cast(PREDICTIONS))
    facts = {
        "train": ["2024-01-01T00:00:00+00:00", "2024-01-15T00:00:00+00:00"],
        "test": ["2024-03-04T00:00:00+00:00"],
        "train_rows": 900,
        "test_rows": 400,
        "train_base_rate": 0.1,
        "choice": "equal shares",
    }
    notes = {
        "folds": dict.fromkeys(("2024-03-04", "2024-04-01"), facts),
        "skipped": {},
        "left_out": {"opens": "the journey has no step that opens"},
        "training_counts": {"conversions": 130, "prospects": 1400, "days": 60.0},
        "readiness": {"state": "ready", "summary": "There is enough to learn from."},
    }
    backtest = Backtest(pa.concat_tables(tables).unify_dictionaries().combine_chunks(), notes)
    return evaluate(backtest, EvaluateSettings(list_size=50, bootstrap=50, seed=1))
