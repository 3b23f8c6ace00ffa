"""From the text of params.yaml to one checked object; errors in the words of the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from microconv.errors import MissingInputError, SettingsError, did_you_mean
from microconv.settings.databases import DeliverSettings, ExtractSettings
from microconv.settings.evaluation import EvaluateSettings
from microconv.settings.features import FeatureSettings
from microconv.settings.ingest import IngestSettings
from microconv.settings.journey import JourneySettings
from microconv.settings.measurement import (
    AuditSettings,
    BenchmarkSettings,
    BottleneckSettings,
    ExperimentsSettings,
    MeasureSettings,
)
from microconv.settings.model import BacktestSettings, ModelSettings
from microconv.settings.renamed import new_name
from microconv.settings.runs import EngineSettings, SimulateSettings, TrackSettings
from microconv.settings.score import ScoreSettings
from microconv.settings.section import Section
from microconv.settings.snapshots import SnapshotSettings


class Settings(Section):
    """All of params.yaml. `simulate` is only needed for a demo world."""

    ingest: IngestSettings
    journey: JourneySettings
    snapshots: SnapshotSettings
    features: FeatureSettings
    backtest: BacktestSettings
    model: ModelSettings
    evaluate: EvaluateSettings
    score: ScoreSettings
    track: TrackSettings
    measure: MeasureSettings = MeasureSettings()
    experiments: ExperimentsSettings = ExperimentsSettings()
    audit: AuditSettings = AuditSettings()
    benchmarks: BenchmarkSettings = BenchmarkSettings()
    bottlenecks: BottleneckSettings = BottleneckSettings()
    engine: EngineSettings = EngineSettings()
    extract: ExtractSettings = ExtractSettings()
    deliver: DeliverSettings = DeliverSettings()
    simulate: SimulateSettings | None = None


def read_settings(path: str | Path) -> Settings:
    """Read and check params.yaml.

    Raises
    ------
    MissingInputError
        If there is no such file.
    SettingsError
        If it cannot be read or is not YAML, or if a key is unknown, missing or impossible.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)  # a safe loader
    except FileNotFoundError:
        raise MissingInputError(f"There is no parameter file at {path}.") from None
    except OSError as error:
        raise SettingsError(
            f"The parameter file {path} cannot be read: {error.strerror}."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not readable YAML: {error}") from None
    return check_settings(content, origin=str(path))


def engine_named(name: str | None, master: str | None) -> EngineSettings:
    """Return the settings of an engine that is named on the command line.

    Parameters
    ----------
    name : {"local", "spark"} or None
    master : str or None
        Spark's master.

    Raises
    ------
    SettingsError
        If there is no such engine, or the master does not belong to it.

    Examples
    --------
    >>> engine_named("spark", "local[2]").master
    'local[2]'
    """
    found = name or ("local" if master is None else "spark")
    try:
        return EngineSettings.model_validate({"name": found, "master": master})
    except ValidationError as error:
        raise SettingsError(f"`engine`: {_explain_engine(error)}") from None


def _explain_engine(error: ValidationError) -> str:
    (problem, *_) = error.errors()
    if problem["loc"]:
        return f"`{problem['input']}` cannot be its {problem['loc'][0]}: {problem['msg']}."
    return problem["msg"].removeprefix("Value error, ") + "."


class _EachKeyOnce(yaml.CSafeLoader):
    """Refuses a key that stands twice: of two sections `score`, YAML keeps the last, silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key `{key.value}` stands there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def check_settings(content: Any, *, origin: str = "params.yaml") -> Settings:
    """Return the checked settings of the parsed content of a params.yaml.

    Parameters
    ----------
    content : dict
    origin : str
        Name of the file in messages.

    Raises
    ------
    SettingsError
        Naming every offending key and, for a typo, the key that is near.
    """
    if not isinstance(content, dict):
        raise SettingsError(
            f"{origin} must hold sections (`ingest:`, `journey:`, …), and does not."
        )
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = error.errors()
        lines = [_explain(problem) for problem in problems if not _follows(problem, problems)]
        raise SettingsError(f"{origin}: " + " ".join(lines)) from None


def _follows(problem: Any, problems: Sequence[Any]) -> bool:
    """Check whether a list is only too short because an item of it is invalid."""
    within = (other["loc"][: len(problem["loc"])] for other in problems if other is not problem)
    return problem["type"] == "too_short" and problem["loc"] in within


def _explain(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *parents, key = problem["loc"]
        name = new_name(tuple(map(str, parents)), str(key))
        if name is not None:
            return f"`{place}` is now called `{name}`; `microconv migrate FILE` renames such keys."
        return f"unknown key `{place}`." + did_you_mean(str(key), _keys_at(parents))
    if problem["type"] == "missing":
        return f"`{place}` is missing."
    if problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return (
            f"`{place}` is {_shown(problem['input'])}, and must be a section: `key: value` lines."
        )
    reason = problem["msg"].removeprefix("Value error, ")
    return f"`{place}` is {_shown(problem['input'])}: {reason}."


def _shown(value: Any) -> str:
    """Write a value out; of one that is long only its beginning, of a URL not the password."""
    text = "empty" if value is None else re.sub(r"(?<=://)[^\s/'\"]*@", "…@", repr(value))
    return text if len(text) <= 200 else f"{text[:200]}…"


def _keys_at(loc: list[Any]) -> list[str]:
    """List the keys that would have been right at this place of params.yaml."""
    model: Any = Settings
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_inside(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_inside(argument)
        if found is not None:
            return found
    return None
