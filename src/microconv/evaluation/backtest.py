"""The backtest: every candidate learns in the past and is asked about what came after."""

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
from microconv.histories.timeline import Fold
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
"""One row per tested snapshot, fold and model. `value` is what the conversion was worth, `amount`
what the fold expected of one; `unseen`: the prospect trained nothing there. Behind these
come the columns of :func:`~microconv.evaluation.segments.segments_of`."""

NOTES = b"microconv.backtest"
"""Where the Parquet file keeps the notes."""


@dataclass(frozen=True)
class Backtest:
    """Out-of-time predictions, and how they came about.

    Attributes
    ----------
    predictions : Table
        With :data:`PREDICTIONS`: by fold, model, prospect and instant; segments behind.
    notes : dict
        `folds` (name → dates, rows, base rate and choice), `skipped` (fold → why),
        `left_out` (baseline → why), `training_counts` (conversions, prospects, days) and
        `readiness` (whether that is enough).
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
            If the file is not a backtest's.
        """
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        if NOTES not in metadata:
            raise EventLogError(
                f"{path} does not hold predictions of a backtest. Run the stage `backtest` again."
            )
        return cls(table.replace_schema_metadata(None), json.loads(metadata[NOTES]))


def backtest(training_set: TrainingSet, folds: Sequence[Fold], config: TrainingConfig) -> Backtest:
    """Fit every candidate on each fold's training rows and predict its test rows.

    A fold learns from conversions known strictly before its first test instant.
    A fold whose training rows hold only one outcome is skipped, and the notes say so.

    Parameters
    ----------
    training_set : TrainingSet
    folds : sequence of Fold
    config : TrainingConfig

    Raises
    ------
    NotEnoughDataError
        If nobody, or everybody, converted; or no fold can be learnt from.
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
        predicted, left_out = _predict(
            fitted, _lore(training_set, fold, fitted, sorted_rows(snapshots, train), config), rows
        )
        notes["left_out"].update(left_out)
        notes["folds"][fold.name] = _facts(training_set, fold, fitted)
        asked = snapshots.iloc[rows].assign(
            amount=_expected_amount(fitted, rows),
            unseen=~snapshots["prospect_id"].iloc[rows].isin(_asked_before(snapshots, fold)),
        )
        segments = segments_of(training_set, rows)
        for model, probability in predicted.items():
            table = _table(asked, fold, model, probability)
            tables.append(_with_segments(table, segments))
    if not tables:
        reasons = " ".join(f"{name}: {why}" for name, why in notes["skipped"].items())
        raise NotEnoughDataError(
            f"None of the {len(folds)} folds can be learnt from. {reasons}"
            if folds
            else "There is no fold to backtest: no outcome window has closed. Ask earlier "
            "(`snapshots.first`) or bring a longer export."
        )
    return Backtest(pa.concat_tables(tables).unify_dictionaries().combine_chunks(), notes)


def _asked_before(snapshots: pd.DataFrame, fold: Fold) -> pd.Series[str]:
    """Name whoever had been asked about by then: the hazard learns from open windows too."""
    names: pd.Series[str] = snapshots["prospect_id"][
        snapshots["as_of"] < pd.Timestamp(fold.test[0])
    ]
    return names.drop_duplicates()  # `isin` takes each of them to Python


def _lore(
    training_set: TrainingSet,
    fold: Fold,
    fitted: EnsembleFit,
    learnt: npt.NDArray[np.intp],
    config: TrainingConfig,
) -> BaselineInputs:
    """Gather what a fold's baselines may look at: the rows that trained the ensemble."""
    snapshots, columns = training_set.snapshots, fitted.columns
    return BaselineInputs(
        names=columns.names,
        values=columns.pick(learnt),
        labels=known_labels(snapshots, fold.test[0])[learnt],
        weights=visit_order_weights(snapshots.iloc[learnt]),
        journey=training_set.journey,
        settings=config.model,
        threads=config.threads,
    )


def _predict(
    fitted: EnsembleFit, inputs: BaselineInputs, tested: npt.NDArray[np.intp]
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Score a fold's test rows with every candidate."""
    values = fitted.columns.take(tested)
    baselines, left_out = fit_baselines(inputs)
    out = {name: predict(values) for name, predict in baselines.items()}
    voices = fitted.ensemble.base_logits(values, threads=inputs.threads)
    out |= {name: sigmoid(logit) for name, logit in voices.items()}
    out["ensemble"] = fitted.ensemble.predict_from(voices)
    return out, left_out


def _facts(training_set: TrainingSet, fold: Fold, fitted: EnsembleFit) -> dict[str, Any]:
    train, test = (labelled_rows_at(training_set, dates) for dates in (fold.train, fold.test))
    known = known_labels(training_set.snapshots, fold.test[0])[train]
    return {
        "train": [instant.isoformat() for instant in fold.train],
        "test": [instant.isoformat() for instant in fold.test],
        "train_rows": int(train.sum()),
        "test_rows": int(test.sum()),
        "train_base_rate": float(known.mean()),
        "choice": fitted.choice,
    }


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
    """Append a column per segment: texts as dictionaries, for they repeat."""
    for name, column in segments.items():
        text = column.dtype == object
        values = pa.array(column, pa.string()) if text else pa.array(column, from_pandas=True)
        table = table.append_column(name, values.dictionary_encode() if text else values)
    return table
