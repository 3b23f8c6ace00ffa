"""Stability of reasons between models fitted on different resamples of prospects.

``python benchmarks/reasons.py`` makes a small demo world, fits a model on each of ``--models 6``
resamples of its prospects (drawn with replacement), lets each explain the same ``--listed 200``
prospects, and prints how many of the three heaviest reasons two models share, over all pairs
and prospects: columns one by one, and added up by subject as on the list. A reason is shared
if it has the same subject and the same direction. The column ``by chance`` is the share for two
different prospects.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from microconv.demo import simulate
from microconv.features.training_set import TrainingSet, load_training_set
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.bucket import model_features
from microconv.ranking.explanations.reasons import by_subject, sum_by
from microconv.ranking.explanations.wording import ReasonWriter
from microconv.settings import Settings, read_settings
from microconv.stages.featurize import featurize
from microconv.stages.ingest import ingest
from microconv.stages.snapshot import snapshot
from microconv.storage.log import EventLog

MOST = 3
"""Number of reasons on a prospect list."""

Signed = npt.NDArray[np.int64]
"""Shape (n_rows, MOST): the subject of each reason, from 1; negative where it lowers the score."""


def main() -> None:
    """Print the share of reasons that models have in common."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prospects", type=int, default=5000)
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--listed", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    settings = read_settings(given.params)
    with tempfile.TemporaryDirectory() as folder:
        training_set = world(settings, Path(folder), given.prospects)
    print(f"{len(training_set):,} rows about {given.prospects:,} prospects, "
          f"{training_set.snapshots['converted'].sum()} conversions")  # fmt: skip
    random = np.random.default_rng(given.seed)
    models = [
        ProspectModel.fit(resample(training_set, random), settings) for _ in range(given.models)
    ]
    latest = listed(training_set, ProspectModel.fit(training_set, settings), given.listed)
    reasons_of = [explained(model, training_set, latest) for model in models]
    for kind in reasons_of[0]:
        shared = [overlap(a[kind], b[kind]) for a, b in combinations(reasons_of, 2)]
        first = [overlap(a[kind][:, :1], b[kind][:, :1]) for a, b in combinations(reasons_of, 2)]
        chance = [
            overlap(a[kind], np.roll(b[kind], 1, axis=0)) for a, b in combinations(reasons_of, 2)
        ]
        print(f"{kind}: {np.mean(shared):.2f} of the top {MOST} shared (worst pair "
              f"{min(shared):.2f}), {np.mean(first):.2f} of the first; by chance "
              f"{np.mean(chance):.2f}")  # fmt: skip


def world(settings: Settings, root: Path, prospects: int) -> TrainingSet:
    """Make a demo world of so many prospects, and its training set as the stages would."""
    if settings.simulate is None:
        raise SystemExit("params.yaml has no section `simulate`.")
    simulate(
        settings.simulate.model_copy(update={"prospects": prospects}),
        out=root / "raw",
        truth=root / "truth",
    )
    log = root / "log"
    ingest(
        settings,
        inputs=root / "raw",
        log=log,
        quarantine=root / "quarantine.parquet",
        summary=root / "ingest.json",
    )
    snapshot(settings, log=log, snapshots=root / "snapshots")
    featurize(settings, log=log, snapshots=root / "snapshots", features=root / "features")
    return load_training_set(
        EventLog.open(log),
        root / "snapshots",
        root / "features",
        journey=JourneyMap.from_settings(settings.journey),
        settings=settings.features,
    )


def resample(training_set: TrainingSet, random: np.random.Generator) -> TrainingSet:
    """Draw as many prospects as there are, with replacement; one drawn twice is two people."""
    ids = training_set.snapshots["prospect_id"].astype(str).to_numpy()
    names, who = np.unique(ids, return_inverse=True)
    times = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))
    rows = np.repeat(np.arange(len(who)), times[who])
    copy = np.concatenate([np.arange(count) for count in times[who]])
    drawn = training_set.snapshots.iloc[rows].reset_index(drop=True)
    drawn["prospect_id"] = [
        f"{name} {number}" for name, number in zip(ids[rows], copy, strict=True)
    ]
    return replace(
        training_set,
        snapshots=drawn,
        values=training_set.values[:, rows],
        visible=training_set.visible.select(rows),
    )


def listed(training_set: TrainingSet, model: ProspectModel, most: int) -> npt.NDArray[np.intp]:
    """Find the rows of the latest date that head the list of the model of everybody."""
    as_of = training_set.snapshots["as_of"]
    latest = np.flatnonzero(as_of == as_of.max())
    return latest[np.argsort(-model.predict(columns(training_set, model, latest)))[:most]]


def columns(
    training_set: TrainingSet, model: ProspectModel, rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    """Build what a model sees of some rows."""
    return model_features(training_set.visible.select(rows), model)


def explained(
    model: ProspectModel, training_set: TrainingSet, rows: npt.NDArray[np.intp]
) -> dict[str, Signed]:
    """Name the heaviest reasons of each row: column by column, and by subject."""
    parts = model.logit_contributions(columns(training_set, model, rows))[:, :-1]
    subject = by_subject(ReasonWriter(model.columns, model.journey))
    return {
        "column by column": heaviest(parts, model.columns),
        "by subject": heaviest(sum_by(subject, parts), tuple(subject)),
    }


NUMBER: dict[str, int] = {}
"""What reasons are about → its number: resamples may know other categories."""


def heaviest(weights: npt.NDArray[np.float64], names: tuple[str, ...]) -> Signed:
    """Give each row the numbers of its heaviest reasons, with their sign."""
    number = np.array([NUMBER.setdefault(name, len(NUMBER) + 1) for name in names])
    order = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :MOST]
    sign = np.sign(np.take_along_axis(weights, order, axis=1)).astype(np.int64)
    return number[order] * sign


def overlap(one: Signed, other: Signed) -> float:
    """Return the mean share of reasons that two models have in common.

    Examples
    --------
    >>> overlap(np.array([[1, -2, 3]]), np.array([[3, 2, 4]])).round(2)
    np.float64(0.33)
    """
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(one, other, strict=True)]))


if __name__ == "__main__":
    main()
