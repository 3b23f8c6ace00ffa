"""Our features of prefixes: the package's own families, computed through `visible_prefixes`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from prefix_protocol import Cases, Rows

from microconv.features.family import Columns
from microconv.features.matrix import build_features, column_names
from microconv.histories.arrays import Histories, VisibleEvents
from microconv.histories.load import load_histories
from microconv.histories.visible import visible_prefixes
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings, JourneySettings
from microconv.storage.schema import INSTANT

SETTINGS = FeatureSettings(
    families=("counts", "recency", "tempo", "path", "ladder", "calendar", "attributes"),
    windows_days=(0.04, 1, 7, 30),
)
EXAMPLE = Path(__file__).parents[1] / "examples" / "bpi2012" / "params.yaml"


def read_journey() -> JourneyMap:
    """Read the example's journey with its outcomes as ordinary steps.

    Prefixes of the protocol go on behind the outcome, so that here it is
    something that was seen; the outcome to predict happens outside the log.
    """
    settings = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["journey"]
    last = settings["stages"][-1]
    for step in settings["steps"].values():
        if step["kind"] != "micro":
            step.update(kind="micro", stage=last, commitment=5)
    settings["steps"]["outcome"] = {"kind": "major"}
    return JourneyMap.from_settings(JourneySettings.model_validate(settings))


def load_cases(cases: Cases, journey: JourneyMap) -> Histories:
    """Convert the cases to histories, in the protocol's order of events."""
    events = cases.events
    case = pa.array(events["case"].map("{:05d}".format)).dictionary_encode()
    time = _instants(events["time"])
    rows = len(events)
    table = pa.table(
        {
            "prospect_id": case,
            "event_name": pa.array(events["name"]).dictionary_encode(),
            "time": time,
            "visible_at": time,
            "visible_until": pa.nulls(rows, INSTANT),
            "value": pa.nulls(rows, pa.float64()),
            "human_probability": np.ones(rows, np.float32),
        }
    )
    first = events.groupby("case").first()
    amounts = pa.table(
        {
            "prospect_id": pa.array(first.index.map("{:05d}".format)),
            "known_at": _instants(first["time"]),
            "amount": pa.array(first["amount"]),
        }
    )
    return load_histories(table, journey, amounts)


def _instants(times: pd.Series) -> pa.Array:
    """Convert times to Arrow."""
    return pa.array(times.dt.tz_convert(None).to_numpy()).cast(INSTANT)


def visible_rows(histories: Histories, rows: Rows) -> VisibleEvents:
    """Return each row's prefix, visible one microsecond after its last event."""
    return visible_prefixes(histories, rows.case, rows.end, histories.time[rows.end - 1] + 1)


def fill_families(
    histories: Histories, rows: Rows, journey: JourneyMap
) -> tuple[Columns, list[str]]:
    """Compute our feature columns of some prefixes, and their names.

    The one attribute is a number, so that nothing needs to be fitted.
    """
    visible = visible_rows(histories, rows)
    states = {"attributes": {"columns": [{"name": "amount"}]}}
    parts = [
        build_features(visible, journey, SETTINGS, states, fitted=fitted)
        for fitted in (False, True)
    ]
    names = [
        name
        for fitted in (False, True)
        for name in column_names(journey, SETTINGS, states, fitted=fitted)
    ]
    return np.concatenate(parts), names
