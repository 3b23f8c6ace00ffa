"""What MLflow loads: the folder of a model, as a function that ranks raw events.

MLflow imports this module by its name (`loader_module`) and hands it the
folder (`data_path`). No code and no pickle lies in the artefact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from microconv.errors import MicroconvError, TimeError, listed
from microconv.model.prospect_model import ProspectModel

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

REQUIRED = ("prospect_id", "time", "event_name")
"""Columns that raw events must have."""

OPTIONAL = ("known_at", "visible_at", "visible_until", "value", "human_probability", "event_id")
"""Columns that change the result if they are there."""


INSTANTS = ("time", "known_at", "visible_at", "visible_until")

ZONED = r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:?\d\d)"
"""An instant written out with its zone."""


@dataclass(frozen=True)
class ServedModel:
    """A model in MLflow's terms: ``predict(events, params={"as_of": …, "limit": …})``."""

    model: ProspectModel

    def predict(self, events: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Rank the prospects of raw events, exactly as :func:`microconv.score` does.

        Parameters
        ----------
        events : DataFrame
            Canonical events, in any order.
        params : dict
            `as_of`, an instant with its zone, must be given; `limit` may be.

        Returns
        -------
        DataFrame
            What is missing is None: a server would write NaN, which is no JSON.

        Raises
        ------
        MlflowException
            With the sentence of whatever error the library raises: a server sends no
            other to whoever asked.
        """
        from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

        try:
            return without_nan(self._ranked(events, params or {}))
        except MicroconvError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error

    def _ranked(self, events: pd.DataFrame, given: dict[str, Any]) -> pd.DataFrame:
        if given.get("as_of") is None:
            raise TimeError(
                "`as_of` is missing: a list is about one instant. Pass it with the events, like "
                '`predict(events, params={"as_of": "2024-06-03T00:00:00Z"})`.'
            )
        from microconv.ranking.score import score  # kernels: whoever only writes the model has none

        return score(
            with_instants(events),
            model=self.model,
            as_of=given["as_of"],
            limit=given.get("limit"),
        )


def without_nan(ranked: pd.DataFrame) -> pd.DataFrame:
    """Write None for what is missing; columns that miss nothing keep their type.

    Examples
    --------
    >>> without_nan(pd.DataFrame({"grade": ["A", float("nan")]}))["grade"].tolist()
    ['A', None]
    """
    whole = ranked.copy()
    for name in ranked.columns[ranked.isna().any()]:
        column = ranked[name].astype(object)
        whole[name] = column.where(column.notna(), None)
    return whole


def with_instants(events: pd.DataFrame) -> pd.DataFrame:
    """Read instants that are text, as they are in a JSON request.

    Raises
    ------
    TimeError
        If one of them has no time zone.

    Examples
    --------
    >>> with_instants(pd.DataFrame({"time": ["2024-06-03T02:00:00+02:00"]}))["time"][0]
    Timestamp('2024-06-03 00:00:00+0000', tz='UTC')
    """
    written = [
        name
        for name in INSTANTS
        if name in events and pd.api.types.is_string_dtype(events[name].dtype)
    ]
    for name in written:
        naive = events[name][~events[name].str.fullmatch(ZONED).fillna(True).astype(bool)]
        if len(naive):
            raise TimeError(
                f"{len(naive)} of {len(events)} values of `{name}` are no instants with a time "
                f"zone: {listed(naive, most=3)}. Write them like 2024-06-03T00:00:00Z."
            )
    read = {name: pd.to_datetime(events[name], format="ISO8601", utc=True) for name in written}
    return events.assign(**read)


def _load_pyfunc(data_path: str) -> ServedModel:
    """Load the model; MLflow calls this by its name."""
    return ServedModel(ProspectModel.load(data_path))


def signature() -> ModelSignature:
    """Describe the events and parameters of :meth:`ServedModel.predict`.

    Only prospect ids are typed. MLflow would refuse instants with a time zone,
    categories and whole numbers where it expects something near: they are
    checked, in better words, when the events are read.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

    columns = [ColSpec("string", "prospect_id")]
    columns += [ColSpec(AnyType(), name) for name in REQUIRED[1:]]
    columns += [ColSpec(AnyType(), name, required=False) for name in OPTIONAL]
    params = [ParamSpec("as_of", "string", None), ParamSpec("limit", "long", None)]
    return ModelSignature(Schema(columns), params=ParamSchema(params))


def example_of(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Make up one prospect's events, with an instant to ask at: nobody's data is needed."""
    model = ProspectModel.load(folder)
    as_of = model.facts.learnt_until
    names = [step.events[0] for step in model.journey.steps if step.kind == "micro"][:3]
    hour = timedelta(hours=1)
    events = pd.DataFrame(
        {
            "prospect_id": "ada@example.com",
            "time": [(as_of - (len(names) - k) * hour).isoformat() for k in range(len(names))],
            "event_name": names,
        }
    )
    return events, {"as_of": as_of.isoformat(), "limit": 1}
