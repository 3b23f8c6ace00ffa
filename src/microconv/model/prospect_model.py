"""The model artefact: everything that turns a history into a probability, in one folder.

::

    model.json           columns, ensemble, fitted families, journey and settings, training facts
    trees.txt            LightGBM's own text format: the trees for whether
    hazard.txt           the trees for when
    out_of_time.parquet  the backtest's predictions, to compare a later model with
    SHA256SUMS           checked before any of the others is parsed (`sha256sum -c` reads it)

Nothing is pickled: loading a model runs no code from its files.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, InstanceOf, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from microconv.errors import DamagedModelError, ModelError, OtherJourneyError, listed
from microconv.features.family import Columns, State
from microconv.journey import JourneyMap
from microconv.model.amount import AmountModel
from microconv.model.artefact import STRICT, read_files, sums_of, write_files
from microconv.model.booster import Booster
from microconv.model.ensemble import Ensemble
from microconv.model.logistic import sigmoid
from microconv.model.training_facts import TrainingFacts
from microconv.model.training_rows import Floats, TrainingConfig
from microconv.model.trees import ConversionTrees
from microconv.settings import FeatureSettings, JourneySettings, Settings, SnapshotSettings

if TYPE_CHECKING:
    from microconv.features.training_set import TrainingSet

FORMAT = 4
"""Version of the artefact's format."""

FILES = ("model.json", "trees.txt", "hazard.txt", "out_of_time.parquet")

OUT_OF_TIME = pa.schema(
    [
        pa.field("prospect_id", pa.string(), nullable=False),
        pa.field("as_of", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("fold", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("converted", pa.bool_(), nullable=False),
        pa.field("value", pa.float64()),
    ]
)
"""One row per snapshot that the backtest's ensemble predicted before its outcome was known."""


@dataclass(frozen=True, config=STRICT)
class ProspectModel:
    """A model that scores histories, and all that is needed to compute its columns.

    Attributes
    ----------
    ensemble : Ensemble
    amount : AmountModel or None
        How much a conversion is worth; None if none had a value.
    columns : tuple of str
        What `values` must hold, in this order.
    states : dict of str to State
        Of the fitted feature families.
    journey_settings, feature_settings, snapshot_settings
        The sections of params.yaml it was trained with.
    facts : TrainingFacts
        What it was trained on.
    out_of_time : Table
        The backtest's predictions, :data:`OUT_OF_TIME`; possibly empty.
    """

    ensemble: Ensemble
    amount: AmountModel | None
    columns: tuple[str, ...] = field(repr=False)
    states: dict[str, State] = field(repr=False)
    journey_settings: JourneySettings = field(repr=False)
    feature_settings: FeatureSettings = field(repr=False)
    snapshot_settings: SnapshotSettings = field(repr=False)
    facts: TrainingFacts
    out_of_time: Annotated[InstanceOf[pa.Table], Field(exclude=True)] = field(repr=False)

    def __post_init__(self) -> None:
        """Check that the regression has one coefficient per column.

        Raises
        ------
        ValueError
        """
        coefficients = len(self.ensemble.regression.weight)
        if coefficients != len(self.columns):
            raise ValueError(f"{coefficients} coefficients for {len(self.columns)} columns")

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the prospects' attributes that it was trained on."""
        fitted = self.states.get("attributes", {"columns": []})
        return tuple(column["name"] for column in fitted["columns"])

    @classmethod
    def fit(
        cls, training_set: TrainingSet, settings: Settings, *, out_of_time: pa.Table | None = None
    ) -> ProspectModel:
        """Train on every row of a training set; the hazard uses open windows too.

        Parameters
        ----------
        training_set : TrainingSet
        settings : Settings
            Its sections `journey`, `snapshots`, `features`, `backtest`, `model`.
        out_of_time : Table, optional
            Predictions of a backtest; the ensemble's are kept with the model.

        Raises
        ------
        NotEnoughDataError
            If nobody, or everybody, converted.
        OtherJourneyError
            If the training set was made with another journey than the settings'.
        """
        from microconv.features.matrix import family_names
        from microconv.model.fit import fit_ensemble  # slow to import, and not needed for scoring

        given = JourneyMap.from_settings(settings.journey)
        require_same_journey(training_set.journey, given, "The training set", "the settings")
        config = TrainingConfig.from_settings(settings)
        fitted = fit_ensemble(training_set, training_set.labelled, config)
        return cls(
            ensemble=fitted.ensemble,
            amount=fitted.amount,
            columns=tuple(fitted.columns.names),
            states=fitted.columns.states,
            journey_settings=settings.journey,
            feature_settings=settings.features.model_copy(
                update={"families": family_names(settings.features)}
            ),
            snapshot_settings=settings.snapshots,
            facts=TrainingFacts.from_snapshots(
                training_set.snapshots, fitted.choice, settings.model.ready
            ),
            out_of_time=_of_ensemble(out_of_time),
        )

    def logit(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Score rows on the logit scale.

        Parameters
        ----------
        values : ndarray of float32, shape (n_columns, n_rows)
            The columns named in :attr:`columns`; nan and ±inf count as missing.
        threads : int, optional
            Every core when None; results are identical, and no row depends on another.

        Returns
        -------
        ndarray of float64, shape (n_rows,)

        Raises
        ------
        ModelError
            If the number of columns is not the model's.
        """
        self._check(values)
        return self.ensemble.logit(values, threads=threads)

    def predict(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return each row's probability of converting within the horizon; never nan.

        Parameters
        ----------
        values, threads
            As in :meth:`logit`, errors included.
        """
        return sigmoid(self.logit(values, threads=threads))

    def probability_within(self, probability: Floats, days: float) -> Floats:
        """Convert probabilities for the horizon into those for another number of days.

        Parameters
        ----------
        probability, days
            As in :meth:`~microconv.model.hazard.Hazard.probability_within`, and so is the result.
        """
        return self.ensemble.hazard.probability_within(probability, days)

    def expected_amount(self, values: Columns) -> Floats:
        """Return how much each row's conversion would be worth; nan if none ever had a value.

        Parameters and errors are those of :meth:`logit`.
        """
        self._check(values)
        if self.amount is None:
            return np.full(values.shape[1], np.nan)
        return self.amount.predict(values)

    def logit_contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's logit exactly into the contributions of its columns.

        Parameters
        ----------
        values, threads
            As in :meth:`logit`, errors included.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept; a row sums to its logit.
        """
        self._check(values)
        return self.ensemble.contributions(values, threads=threads)

    def _check(self, values: Columns) -> None:
        if values.ndim != 2 or len(values) != len(self.columns):
            raise ModelError(
                f"The model takes {len(self.columns)} columns, one per row of `values`, and was "
                f"given an array of shape {values.shape}. Build them with the model's own journey, "
                "feature settings and states."
            )

    @cached_property
    def journey(self) -> JourneyMap:
        """The journey it was trained on."""
        return JourneyMap.from_settings(self.journey_settings)

    def require_journey(self, journey: JourneyMap) -> None:
        """Check that a journey is the one that the model was trained on, labels aside.

        Raises
        ------
        OtherJourneyError
            Naming the steps that differ.
        """
        require_same_journey(self.journey, journey, "The model", "the settings")

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the whole artefact: the sha256 of its list of checksums."""
        return hashlib.sha256(sums_of(self._files()).encode()).hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write the artefact; an existing folder is replaced only by a complete one."""
        write_files(folder, self._files())

    @classmethod
    def load(cls, folder: str | Path) -> ProspectModel:
        """Read an artefact, after its checksums have been checked.

        Raises
        ------
        ModelError
            If there is none, or another version of microconv wrote it.
        DamagedModelError
            If a file is missing, cut short or changed: nothing is parsed then. Or
            if the sums are right and the content is not that of a model.
        """
        files = read_files(folder)
        try:
            content = json.loads(files["model.json"])
            written = int(content.pop("format"))
            if written == FORMAT:
                booster, hazard = (Booster(files[name].decode()) for name in FILES[1:3])
                content["ensemble"]["trees"] = ConversionTrees(booster)
                content["ensemble"]["hazard"]["booster"] = hazard
                table = pq.read_table(io.BytesIO(files["out_of_time.parquet"]))
                return ADAPTER.validate_python({**content, "out_of_time": table})
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamagedModelError(
                f"The model at {folder} has the right checksums, but its content is not that of a "
                f"model ({_explain(error)}): something other than microconv has written it. "
                "Nothing of it was used. Train it again."
            ) from None
        age = "an earlier" if written < FORMAT else "a later"
        raise ModelError(
            f"The model at {folder} was written by {age} microconv (format {written}, and this "
            f"version reads format {FORMAT}). Train it again."
        )

    def _files(self) -> dict[str, bytes]:
        content = {"format": FORMAT, **ADAPTER.dump_python(self, mode="json")}
        table = io.BytesIO()
        pq.write_table(self.out_of_time, table, compression="zstd")
        return {
            "model.json": json.dumps(content, allow_nan=False, indent=0).encode(),
            "trees.txt": self.ensemble.trees.booster.text.encode(),
            "hazard.txt": self.ensemble.hazard.booster.text.encode(),
            "out_of_time.parquet": table.getvalue(),
        }


ADAPTER = TypeAdapter(ProspectModel)
"""Reads and writes model.json."""


def _explain(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    problem = error.errors(include_url=False)[0]
    return f"`{'.'.join(map(str, problem['loc']))}`: {problem['msg']}"


def require_same_journey(
    journey: JourneyMap, other: JourneyMap, owner: str, other_owner: str
) -> None:
    """Check that two journeys differ in labels at most.

    Parameters
    ----------
    journey, other : JourneyMap
    owner, other_owner : str
        Whose they are, for the message: "The model", "the settings".

    Raises
    ------
    OtherJourneyError
        Naming the steps that differ.
    """
    if journey.digest() == other.digest():
        return
    mine, theirs = _meanings(journey), _meanings(other)
    names = dict.fromkeys([*mine, *theirs])
    differ = [name for name in names if mine.get(name) != theirs.get(name)]
    what = f"these steps differ: {listed(differ)}" if differ else "stages or order differ"
    raise OtherJourneyError(
        f"{owner} was made with another journey than that of {other_owner}: {what}. Use the "
        "journey it was made with, or train again with this one."
    )


def _meanings(journey: JourneyMap) -> dict[str, Any]:
    return {
        step.name: (step.kind, step.stage, step.commitment, sorted(step.events))
        for step in journey.steps
    }


def _of_ensemble(predictions: pa.Table | None) -> pa.Table:
    if predictions is None:
        return OUT_OF_TIME.empty_table()
    kept = predictions.filter(pc.equal(predictions["model"].cast(pa.string()), "ensemble"))
    return kept.select(OUT_OF_TIME.names).cast(OUT_OF_TIME).combine_chunks()
