"""What MLflow loads: a registered model as a function that scores events.

MLflow imports this module by its name (`loader_module`) and passes it a folder (`data_path`)
with the model, the score settings of its run and its reason texts. The artefact holds no code
and no pickle.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from microconv.errors import (
    EventLogError,
    MicroconvError,
    SettingsError,
    TimeError,
    did_you_mean,
    listed,
)
from microconv.model.prospect_model import ProspectModel
from microconv.settings import ScoreSettings

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

MODEL, SETTINGS, TEXTS = "prospect_model", "score.json", "reason_texts.csv"
"""What the folder of a registered model holds."""

PARAMS = ("as_of", "limit", "missing_attributes")
"""Parameters of :meth:`ServedModel.predict`."""

TABLES = ("events", "prospects")
"""Keys of a request that consists of two tables."""


@dataclass(frozen=True)
class ServedModel:
    """A registered model in MLflow's terms: ``predict(request, params={"as_of": …})``.

    Attributes
    ----------
    model : ProspectModel
    settings : ScoreSettings or None
        The score settings of the run that registered the model: grades, number of reasons and
        their texts, further horizons. Its rules about who is listed do not apply to a request.
    """

    model: ProspectModel
    settings: ScoreSettings | None = None

    def predict(self, request: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score the prospects of a request, exactly as :func:`microconv.score` does.

        Parameters
        ----------
        request : DataFrame or dict
            Events, in any order, with the attributes of their prospects as further columns; or
            ``{"events": table, "prospects": table}``, each a DataFrame or a list of records.
        params : dict
            `as_of`, an instant with its time zone, is required; `limit` and
            `missing_attributes` ("refuse" or "allow") are optional.

        Returns
        -------
        DataFrame
            The ranked prospects, then those outside the cohort with their `status`. Missing
            values are None, because NaN is not valid JSON.

        Raises
        ------
        MlflowException
            With the message of the library's error, as a server returns no other.
        """
        from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

        try:
            return without_nan(self._scored(request, params or {}))
        except MicroconvError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error

    def _scored(self, request: Any, params: Mapping[str, Any]) -> pd.DataFrame:
        require_params(params)
        if params.get("as_of") is None:
            raise TimeError(
                "`as_of` is missing: a list is about one instant. Pass it with the events, like "
                '`predict(events, params={"as_of": "2024-06-03T00:00:00Z"})`.'
            )
        from microconv.ranking.requests import parse_instants  # kernels: not needed to log a model
        from microconv.ranking.score import score

        events, prospects = _tables(request)
        return score(
            parse_instants(events, called="events"),
            model=self.model,
            as_of=params["as_of"],
            limit=params.get("limit") or len(events),
            prospects=None if prospects is None else parse_instants(prospects, called="prospects"),
            settings=self.settings,
            missing_attributes=params.get("missing_attributes") or "refuse",
            include_unscored=True,
        )


def require_params(params: Mapping[str, Any]) -> None:
    """Refuse a parameter that does not exist, or has an impossible value.

    Raises
    ------
    SettingsError
    """
    unknown = [name for name in params if name not in PARAMS]
    if unknown:
        raise SettingsError(
            f"There is no parameter {listed(unknown)}.{did_you_mean(str(unknown[0]), PARAMS)} "
            f"Parameters are {listed(PARAMS)}."
        )
    missing = params.get("missing_attributes")
    if missing not in (None, "refuse", "allow"):
        raise SettingsError(f'`missing_attributes` is {missing!r}; it can be "refuse" or "allow".')


def _tables(request: Any) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the events and the prospects of a request."""
    if isinstance(request, pd.DataFrame):
        return request, None
    if not isinstance(request, Mapping):
        raise EventLogError(
            f'A request is a table of events or {{"events": …, "prospects": …}}; a '
            f"{type(request).__name__} is neither."
        )
    unknown = [name for name in request if name not in TABLES]
    if unknown or "events" not in request:
        raise EventLogError(
            f"A request of several tables has the keys {listed(TABLES)}; this one has "
            f"{listed(request)}."
        )
    events, prospects = (request.get(name) for name in TABLES)
    return _frame(events, "events"), None if prospects is None else _frame(prospects, "prospects")


def _frame(rows: Any, called: str) -> pd.DataFrame:
    if isinstance(rows, pd.DataFrame):
        return rows
    records = list(rows)
    if not all(isinstance(record, Mapping) for record in records):
        raise EventLogError(
            f'`{called}` must be a list of records, like [{{"prospect_id": "ada", …}}, …].'
        )
    return pd.DataFrame(records)


def without_nan(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return a table with None for missing values; complete columns keep their type.

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


def write_artefact(folder: Path, model: Path, settings: ScoreSettings) -> None:
    """Write what :func:`_load_pyfunc` reads: the model and the score settings of its run.

    Parameters
    ----------
    folder : Path
        A new folder.
    model : Path
        Folder of the model.
    settings : ScoreSettings
    """
    shutil.copytree(model, folder / MODEL)
    if settings.reason_texts is not None:
        shutil.copyfile(settings.reason_texts, folder / TEXTS)
    text = settings.model_dump_json(exclude={"as_of", "reason_texts"}, indent=1)
    (folder / SETTINGS).write_text(f"{text}\n", encoding="utf-8")


def read_score_settings(folder: Path) -> ScoreSettings | None:
    """Return the score settings that were registered with a model.

    Parameters
    ----------
    folder : Path
        As :func:`write_artefact` wrote it.
    """
    if not (folder / SETTINGS).exists():
        return None
    content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    texts = folder / TEXTS
    return ScoreSettings.model_validate(
        {**content, "reason_texts": texts if texts.exists() else None}
    )


def _load_pyfunc(data_path: str) -> ServedModel:
    """Load the model; MLflow calls this by its name."""
    folder = Path(data_path)
    settings = read_score_settings(folder)
    if settings is not None:  # rules of a list, not of a request
        update = {"capacities": {}, "one_per_account": False, "cool_off": None, "exploration": None}
        settings = settings.model_copy(update=update)
    logging.getLogger("mlflow.models.utils").addFilter(_refuse_ignored_params)
    return ServedModel(ProspectModel.load(folder / MODEL), settings)


def _refuse_ignored_params(record: logging.LogRecord) -> bool:
    """Refuse parameters that MLflow would drop with a warning before `predict` sees them."""
    message = record.getMessage()
    ours = all(f"'{name}'" in message for name in PARAMS)
    if message.startswith("Unrecognized params") and ours:
        from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

        unknown = message.split("[", 1)[1].split("]", 1)[0]
        raise MlflowException(
            f"There is no parameter {unknown}. Parameters are {listed(PARAMS)}.",
            error_code=INVALID_PARAMETER_VALUE,
        )
    return True


def signature() -> ModelSignature:
    """Return the parameters of :meth:`ServedModel.predict`.

    The columns of a request are not part of it: MLflow would drop every other column silently,
    and a misspelt attribute would be a missing one. They are checked when a request is read, and
    the input example shows them.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ParamSchema, ParamSpec

    params = [
        ParamSpec("as_of", "string", None),
        ParamSpec("limit", "long", None),
        ParamSpec("missing_attributes", "string", "refuse"),
    ]
    return ModelSignature(params=ParamSchema(params))


def example_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a request about an invented prospect, and its parameters.

    Parameters
    ----------
    folder : Path
        Folder of the model.
    """
    model = ProspectModel.load(folder)
    as_of = model.facts.learnt_until
    names = [step.events[0] for step in model.journey.steps if step.kind == "micro"][:3]
    ada, hour = "ada@example.com", timedelta(hours=1)
    times = [(as_of - (len(names) - k) * hour).isoformat() for k in range(len(names))]
    events = [
        {"prospect_id": ada, "time": time, "event_name": name}
        for time, name in zip(times, names, strict=True)
    ]
    attributes = {
        column["name"]: column.get("categories", [1.0])[0]
        for column in model.states.get("attributes", {"columns": []})["columns"]
        if column.get("categories", [1.0])
    }
    prospects = [{"prospect_id": ada, "known_at": times[0], **attributes}] if times else []
    return {"events": events, "prospects": prospects}, {"as_of": as_of.isoformat(), "limit": 1}
