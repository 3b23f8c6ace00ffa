"""Predictions of a model for snapshots whose outcome became known after its training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.histories.folds import closed_as_ofs, plan_as_ofs
from microconv.histories.load import load_histories
from microconv.histories.snapshots import cohort_snapshots
from microconv.histories.visible import visible_events
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.bucket import model_features
from microconv.storage.log import EventLog, Log

ROWS = ["prospect_id", "as_of", "probability", "converted", "value"]
"""Columns of a prediction with its outcome."""


def out_of_time_predictions(model: ProspectModel) -> pd.DataFrame:
    """Return the out-of-time predictions that a model carries."""
    rows: pd.DataFrame = model.out_of_time.select(ROWS).to_pandas()
    return rows


def rescore(log: Log, model: ProspectModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Predict rows from after all that a model was trained on, including its open windows.

    Parameters
    ----------
    log : Log
    model : ProspectModel
    rows : DataFrame
        Predictions of another model; `prospect_id`, `as_of`, `converted` and `value` are kept.

    Returns
    -------
    DataFrame
        The later rows with this model's `probability`. Prospects that are not
        in the log are left out.
    """
    later = rows[rows["as_of"] >= pd.Timestamp(model.facts.learnt_until)]
    parts = list(_scored_buckets(log, model, later)) if len(later) else []
    return pd.concat(parts, ignore_index=True) if parts else later.iloc[:0][ROWS]


def _scored_buckets(log: Log, model: ProspectModel, rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for bucket in range(log.buckets):
        events, prospects = log.read_events(bucket), log.read_prospects(bucket)
        histories = load_histories(events, model.journey, prospects)
        wanted = pa.array(rows["prospect_id"], histories.prospect_ids.type)
        found = pc.index_in(wanted, value_set=histories.prospect_ids)
        here = found.is_valid().to_numpy(False)
        if not here.any():
            continue
        mine = rows[here]
        prospect = found.drop_null().to_numpy(False).astype(np.int64)
        as_of = mine["as_of"].dt.as_unit("us").astype("int64").to_numpy()
        visible = visible_events(histories, prospect, as_of)
        yield mine.assign(probability=model.predict(model_features(visible, model)))[ROWS]


def newly_labelled_rows(log: EventLog, model: ProspectModel) -> pd.DataFrame:
    """Predict every snapshot from after a model's training whose window has closed since.

    Parameters
    ----------
    log : EventLog
    model : ProspectModel

    Returns
    -------
    DataFrame
        With the columns of :data:`ROWS`; empty if no window has closed since.
    """
    settings, until = model.snapshot_settings, log.observed_until(model.journey)
    nothing = out_of_time_predictions(model).iloc[:0]
    if settings.first > until:
        return nothing
    as_ofs = plan_as_ofs(settings, observed_until=until)
    closed = closed_as_ofs(as_ofs, until, window=settings.horizon)
    later = [as_of for as_of in closed if as_of >= model.facts.learnt_until]
    if not later:
        return nothing
    tables = []
    for bucket in range(log.buckets):
        histories = load_histories(log.read_events(bucket), model.journey)
        table, _ = cohort_snapshots(histories, model.journey, settings, later, until)
        tables.append(table.filter(table["observed"]).select(["prospect_id", "as_of", "converted",
                                                              "value"]))  # fmt: skip
    snapshots = pa.concat_tables(tables).to_pandas()
    snapshots["converted"] = snapshots["converted"].astype(bool)
    return rescore(log, model, snapshots.assign(probability=np.nan))
