"""The controls of the prefix protocol: the published aggregation encoding, forest and boosting.

Built from the events with pandas alone, sharing no features with the package.
The encoding counts each activity and each resource (those of fewer than ten
events together) and gives mean, max, min, sum and std of each number of the
published logs: hour, weekday, month, minutes since midnight, since the last
event and since the case began, position, open cases; and the requested amount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from prefix_protocol import Cases, Rows

RARE = 10
MINUTE: Any = pd.Timedelta(minutes=1)


@dataclass(frozen=True)
class Control:
    """A kind of model and its settings.

    Attributes
    ----------
    kind : str
        "forest" or "boosted".
    settings : dict
        Parameter names of scikit-learn or LightGBM.
    weighted : bool
        Whether a case weighs 1 however many prefixes it has; as published it
        weighs as many.
    """

    kind: str
    settings: dict[str, float | int | str]
    weighted: bool = False


def encode(cases: Cases) -> np.ndarray:
    """Aggregate the events of each case up to each of its events.

    Returns
    -------
    ndarray of float32, shape (n_events, n_columns)
        Row `end - 1` encodes the prefix that ends there.
    """
    events = cases.events
    blocks = [
        _running(cases, pd.get_dummies(events["name"]).to_numpy(float)),
        _running(cases, pd.get_dummies(_common(cases)).to_numpy(float)),
        events[["amount"]].to_numpy(),
    ]
    numbers = _numbers(events)
    grouped = numbers.groupby(events["case"])
    position = numbers[["event_nr"]].to_numpy()
    total, squares = _running(cases, numbers.to_numpy()), _running(cases, numbers.to_numpy() ** 2)
    spread = np.maximum(squares - total**2 / position, 0) / np.maximum(position - 1, 1)
    blocks += [total, total / position, np.sqrt(spread)]
    blocks += [grouped.cummax().to_numpy(), grouped.cummin().to_numpy()]
    return np.hstack(blocks).astype(np.float32)


def _running(cases: Cases, values: np.ndarray) -> np.ndarray:
    """Return running sums within each case."""
    total = np.cumsum(np.vstack([np.zeros(values.shape[1]), values]), axis=0)
    starts = np.repeat(cases.offsets[:-1], np.diff(cases.offsets))
    running: np.ndarray = total[1:] - total[starts]
    return running


def _common(cases: Cases) -> pd.Series:
    """Name each event's resource, the latest of the case where it has none."""
    resource = cases.events.groupby("case")["resource"].ffill().fillna("missing").astype(str)
    counts = resource.value_counts()
    return resource.where(resource.map(counts) >= RARE, "other")


def _numbers(events: pd.DataFrame) -> pd.DataFrame:
    """Compute the numbers of each event as the published logs have them."""
    time, by_case = events["time"], events.groupby("case")["time"]
    instants = time.astype("int64").to_numpy()
    by_instant = time.astype("int64").groupby(events["case"])
    begun, ended = (
        np.searchsorted(np.sort(ends.to_numpy()), instants, side="right")
        for ends in (by_instant.min(), by_instant.max())
    )
    return pd.DataFrame(
        {
            "hour": time.dt.hour,
            "weekday": time.dt.day_of_week,
            "month": time.dt.month,
            "timesincemidnight": time.dt.hour * 60 + time.dt.minute,
            "timesincelastevent": (by_case.diff() / MINUTE).fillna(0.0),
            "timesincecasestart": (time - by_case.transform("min")) / MINUTE,
            "event_nr": by_case.cumcount() + 1,
            "open_cases": begun - ended,
        }
    ).astype(float)


def predict(control: Control, encoded: np.ndarray, train: Rows, test: Rows) -> np.ndarray:
    """Fit a control on some rows and return its probabilities on others."""
    x, z = encoded[train.end - 1], encoded[test.end - 1]
    weights = train.weights() if control.weighted else None
    model = _model(control)
    fitted = model.fit(x, train.labels, sample_weight=weights)
    probabilities: np.ndarray = fitted.predict_proba(z)[:, 1]
    return probabilities


def _model(control: Control) -> Any:
    if control.kind == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(random_state=7, n_jobs=1, **control.settings)
    from lightgbm import LGBMClassifier

    return LGBMClassifier(random_state=7, n_jobs=1, verbose=-1, **control.settings)
