"""params.yaml as one frozen, checked object per section.

Adding a parameter touches params.yaml and one class here. Nothing that decides
time has a default: an instant that nobody wrote down is an error, not a guess.
"""

from __future__ import annotations

from microconv.settings.bots import BotSettings
from microconv.settings.databases import DeliverSettings, ExtractedTable, ExtractSettings
from microconv.settings.evaluation import EvaluateSettings, LeakageCheckSettings
from microconv.settings.features import FeatureSettings
from microconv.settings.ingest import IngestSettings, NamingRule, SourceSettings, SyntheticTimes
from microconv.settings.journey import JourneySettings, StepSettings
from microconv.settings.load import Settings, check_settings, engine_named, read_settings
from microconv.settings.measurement import (
    AuditSettings,
    BenchmarkSettings,
    BottleneckSettings,
    ExperimentSettings,
    ExperimentsSettings,
    IndustryPrior,
    MeasureSettings,
    PlannedSequence,
)
from microconv.settings.model import (
    BacktestSettings,
    FallbackSettings,
    ForestSettings,
    ModelSettings,
    PointsSettings,
    ReadinessSettings,
    RegressionSettings,
    SearchSettings,
    TreeSettings,
)
from microconv.settings.runs import EngineSettings, SimulateSettings, TrackSettings
from microconv.settings.score import (
    CapacitySettings,
    CoolOffSettings,
    ExplorationSettings,
    ScoreSettings,
)
from microconv.settings.section import Section
from microconv.settings.snapshots import SnapshotSettings

__all__ = [
    "AuditSettings",
    "BacktestSettings",
    "BenchmarkSettings",
    "BotSettings",
    "BottleneckSettings",
    "CapacitySettings",
    "CoolOffSettings",
    "DeliverSettings",
    "EngineSettings",
    "EvaluateSettings",
    "ExperimentSettings",
    "ExperimentsSettings",
    "ExplorationSettings",
    "ExtractSettings",
    "ExtractedTable",
    "FallbackSettings",
    "FeatureSettings",
    "ForestSettings",
    "IndustryPrior",
    "IngestSettings",
    "JourneySettings",
    "LeakageCheckSettings",
    "MeasureSettings",
    "ModelSettings",
    "NamingRule",
    "PlannedSequence",
    "PointsSettings",
    "ReadinessSettings",
    "RegressionSettings",
    "ScoreSettings",
    "SearchSettings",
    "Section",
    "Settings",
    "SimulateSettings",
    "SnapshotSettings",
    "SourceSettings",
    "StepSettings",
    "SyntheticTimes",
    "TrackSettings",
    "TreeSettings",
    "check_settings",
    "engine_named",
    "read_settings",
]
