"""The backtest: fit every model and baseline on the past, and predict the test dates after it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.errors import EventLogError, NotEnoughDataError
from microconv.evaluation.segments import segments_of
from microconv.features.training_set import TrainingSet
from microconv.histories.folds import Fold
from microconv.model.baselines import BaselineInputs, fit_baselines
from microconv.model.fit import EnsembleFit, fit_ensemble
from microconv.model.logistic import sigmoid
from microconv.model.training_facts import count_training_data, readiness
from microconv.model.training_rows import (
    Floats,
    TrainingConfig,
    known_labels,
    labelled_rows_at,
    require_both_classes,
    sorted_rows,
    visit_order_weights,
)
from microconv.storage.files import atomic_write

PREDICTIONS = pa.schema(
    [
        pa.field("prospect_id", pa.string(), nullable=False),
        pa.field("as_of", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("fold", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("model", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("converted", pa.bool_(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("amount", pa.float64()),
        pa.field("unseen", pa.bool_(), nullable=False),
    ]
)
"""One row per test snapshot, fold and model. `value` is that of the conversion, `amount` the
expected one; `unseen`: the prospect has no training row in the fold. The columns of
:func:`~microconv.evaluation.segments.segments_of` follow."""

NOTES = b"microconv.backtest"
"""Key of the notes in the metadata of the Parquet file."""


@dataclass(frozen=True)
class Backtest:
    """Out-of-time predictions with notes on how they were made.

    Attributes
    ----------
    predictions : Table
        Schema :data:`PREDICTIONS`, then the segments; by fold, model, prospect and `as_of`.
    notes : dict
        `folds` (name → dates, rows, base rate and choice), `skipped` (fold → why),
        `left_out` (baseline → why), `training_counts` (conversions, prospects, days) and
        `readiness` (whether that is enough); the stage adds `leakage_diagnostics` and
        `synthetic_times`.
    """

    predictions: pa.Table = field(repr=False)
    notes: dict[str, Any]

    def of_model(self, name: str) -> pd.DataFrame:
        """Return one model's predictions."""
        chosen = pc.equal(self.predictions["model"].cast(pa.string()), name)
        frame: pd.DataFrame = self.predictions.filter(chosen).to_pandas()
        return frame

    def write(self, path: str | Path) -> None:
        """Write predictions and notes as one Parquet file."""
        notes = {NOTES: json.dumps(self.notes).encode()}
        noted = self.predictions.replace_schema_metadata(notes)
        with atomic_write(path) as fresh:
            pq.write_table(noted, fresh, compression="zstd")

    @classmethod
    def read(cls, path: str | Path) -> Backtest:
        """Read what :meth:`write` wrote.

        Raises
        ------
        EventLogError
            If the file was not written by a backtest.
        """
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        if NOTES not in metadata:
            raise EventLogError(
                f"{path} does not contain the predictions of a backtest. "
                "Run the stage `backtest` again."
            )
        return cls(table.replace_schema_metadata(None), json.loads(metadata[NOTES]))


def backtest(training_set: TrainingSet, folds: Sequence[Fold], config: TrainingConfig) -> Backtest:
    """Fit every candidate on each fold's training rows and predict its test rows.

    A fold is trained on conversions known strictly before its first test date. A fold whose
    training rows have only one outcome is skipped, with a note.

    Parameters
    ----------
    training_set : TrainingSet
    folds : sequence of Fold
    config : TrainingConfig

    Returns
    -------
    Backtest

    Raises
    ------
    NotEnoughDataError
        If nobody, or everybody, converted; or no fold can be trained.
    """
    snapshots = training_set.snapshots
    require_both_classes(
        known_labels(snapshots, None)[training_set.labelled], "with a closed outcome window"
    )
    tables: list[pa.Table] = []
    notes: dict[str, Any] = {"folds": {}, "skipped": {}, "left_out": {}}
    notes["training_counts"] = count_training_data(snapshots[training_set.labelled])
    notes["readiness"] = readiness(notes["training_counts"], config.model.ready)
    for fold in folds:
        train, test = (labelled_rows_at(training_set, dates) for dates in (fold.train, fold.test))
        try:
            require_both_classes(known_labels(snapshots, fold.test[0])[train], "that train it")
            if not test.any():
                raise NotEnoughDataError("Nobody was in the cohort on its test dates.")
        except NotEnoughDataError as error:
            notes["skipped"][fold.name] = str(error)
            continue
        fitted = fit_ensemble(training_set, train, config, known_before=fold.test[0])
        rows = sorted_rows(snapshots, test)
        inputs = _baseline_inputs(training_set, fold, fitted, sorted_rows(snapshots, train), config)
        predicted, left_out = _predict(fitted, inputs, rows)
        notes["left_out"].update(left_out)
        notes["folds"][fold.name] = {
            "train": [as_of.isoformat() for as_of in fold.train],
            "test": [as_of.isoformat() for as_of in fold.test],
            "train_rows": int(train.sum()),
            "test_rows": int(test.sum()),
            "train_base_rate": float(known_labels(snapshots, fold.test[0])[train].mean()),
            "choice": fitted.choice,
        }
        tested = snapshots.iloc[rows].assign(
            amount=_expected_amount(fitted, rows),
            unseen=~snapshots["prospect_id"].iloc[rows].isin(_seen_prospects(snapshots, fold)),
        )
        segments = segments_of(training_set, rows)
        for model, probability in predicted.items():
            tables.append(_with_segments(_table(tested, fold, model, probability), segments))
    if not tables:
        reasons = " ".join(f"{name}: {why}" for name, why in notes["skipped"].items())
        raise NotEnoughDataError(
            f"None of the {len(folds)} folds can be trained. {reasons}"
            if folds
            else "There is no fold to backtest: no outcome window has closed. Use an earlier "
            "`snapshots.first`, or a longer export."
        )
    return Backtest(pa.concat_tables(tables).unify_dictionaries().combine_chunks(), notes)


def _seen_prospects(snapshots: pd.DataFrame, fold: Fold) -> pd.Series[str]:
    """Return the prospects with a snapshot before the test: the hazard also uses open windows."""
    names: pd.Series[str] = snapshots["prospect_id"][
        snapshots["as_of"] < pd.Timestamp(fold.test[0])
    ]
    return names.drop_duplicates()  # `isin` converts each of them to Python


def _baseline_inputs(
    training_set: TrainingSet,
    fold: Fold,
    fitted: EnsembleFit,
    rows: npt.NDArray[np.intp],
    config: TrainingConfig,
) -> BaselineInputs:
    """Build what the baselines of a fold are fitted on: the training rows of the ensemble."""
    snapshots, columns = training_set.snapshots, fitted.columns
    return BaselineInputs(
        names=columns.names,
        values=columns.pick(rows),
        labels=known_labels(snapshots, fold.test[0])[rows],
        weights=visit_order_weights(snapshots.iloc[rows]),
        journey=training_set.journey,
        settings=config.model,
        threads=config.threads,
    )


def _predict(
    fitted: EnsembleFit, inputs: BaselineInputs, rows: npt.NDArray[np.intp]
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Predict a fold's test rows with every model; return also the baselines left out."""
    values = fitted.columns.take(rows)
    baselines, left_out = fit_baselines(inputs)
    out = {name: predict(values) for name, predict in baselines.items()}
    logits = fitted.ensemble.base_logits(values, threads=inputs.threads)
    out |= {name: sigmoid(logit) for name, logit in logits.items()}
    out["ensemble"] = fitted.ensemble.predict_from(logits)
    return out, left_out


def _expected_amount(fitted: EnsembleFit, rows: npt.NDArray[np.intp]) -> Floats:
    if fitted.amount is None:
        return np.full(len(rows), np.nan)
    return fitted.amount.predict(fitted.columns.take(rows))


def _table(rows: pd.DataFrame, fold: Fold, model: str, probability: Floats) -> pa.Table:
    def repeated(word: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), [word])

    columns = [
        pa.array(rows["prospect_id"]),
        pa.array(rows["as_of"].dt.tz_convert(None).to_numpy()).cast(pa.timestamp("us", tz="UTC")),
        repeated(fold.name),
        repeated(model),
        pa.array(probability),
        pa.array(rows["converted"].to_numpy(dtype=bool)),
        pa.array(rows["value"].to_numpy(dtype=np.float64), from_pandas=True),
        pa.array(rows["amount"].to_numpy(dtype=np.float64), from_pandas=True),
        pa.array(rows["unseen"].to_numpy(dtype=bool)),
    ]
    return pa.table(columns, schema=PREDICTIONS)


def _with_segments(table: pa.Table, segments: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    """Append a column per segment; texts, which repeat, are dictionary-encoded."""
    for name, column in segments.items():
        text = column.dtype == object
        values = pa.array(column, pa.string()) if text else pa.array(column, from_pandas=True)
        table = table.append_column(name, values.dictionary_encode() if text else values)
    return table
