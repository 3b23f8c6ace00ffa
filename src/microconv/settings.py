"""params.yaml as one frozen, checked object per section.

Adding a parameter touches params.yaml and one class here. Nothing that decides
time has a default: an instant that nobody wrote down is an error, not a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from microconv.errors import MissingInputError, SettingsError, did_you_mean, listed

Days = Annotated[float, Field(gt=0, le=36_500)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""What every library here takes for a seed."""


class Section(BaseModel):
    """What every section has in common: unknown keys refused, values frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NamingRule(Section):
    """One line of a source's naming rules: if all that is given matches, the row is called `name`.

    Attributes
    ----------
    event : str or None
        The vendor's own name for the row (`click`, `Video Completed`), as a glob.
    link : str or None
        A glob on the path of the link (`/pricing*`), or on host and path if it
        does not begin with a slash (`social.example/*`).
    category : str or None
        A glob; one of the row's categories must match.
    property : dict of str to str
        Property name → glob on its value.
    name : str
        The event name given.
    """

    event: str | None = None
    link: str | None = None
    category: str | None = None
    property: dict[str, str] = Field(default_factory=dict)
    name: str


class DealtInstants(Section):
    """Days for an export without any: a hash of its id deals each prospect to a cohort.

    Attributes
    ----------
    first : datetime
        The day of the first cohort; the others follow every `every_days`.
    cohorts : int
    after_days : float
        How long after its cohort's day the source's rows happened, like an outcome.
    """

    first: datetime
    every_days: Days
    cohorts: Annotated[int, Field(ge=2, le=1000)]
    after_days: Annotated[float, Field(ge=0)] = 0

    @field_validator("first")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return _require_zone(instant)


class SourceSettings(Section):
    """One export: where it lies, how it is read, what its rows are called.

    Attributes
    ----------
    files : str
        One file or a glob, relative to `ingest.input_dir`.
    timezone : str or None
        Zone of naive timestamps. Without it a naive timestamp is refused.
    complete_until : datetime or None
        First instant up to which this source's outcomes are complete. Required
        of every source that bears a major conversion.
    columns : dict of str to str
        Field of the events table → column of the file (or key of the payload).
    prefix : str
        Put before the vendor's event name where no rule matches.
    ignore : tuple of str
        Vendor event names (globs) that are counted and left out.
    attributes : tuple of str
        Columns kept as attributes of the prospect (formats `prospects`, `xes`).
    dealt : DealtInstants or None
        Instants for an export that has none (formats `table`, `prospects`).
    """

    name: str
    format: Literal["table", "sendgrid", "segment", "xes", "deals", "prospects", "messages"]
    files: str
    timezone: str | None = None
    complete_until: datetime | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    prefix: str = ""
    rules: tuple[NamingRule, ...] = ()
    ignore: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    dealt: DealtInstants | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(
                    f"no time zone is called `{zone}`; write one like `UTC`"
                ) from error
        return zone

    @field_validator("complete_until")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return _require_zone(instant)


class IngestSettings(Section):
    """Which exports make the log, and what is refused.

    Attributes
    ----------
    unit : {"prospect", "account"}
        Who converts.
    credit : {"contact", "all"}
        With `unit: prospect`: whom a deal is credited to, the deal's contact
        or every contact its account had when the deal closed.
    plausible_from, plausible_until : datetime
        Rows dated outside `[plausible_from, plausible_until)` are quarantined.
    max_refused_share : float
        Above this share of quarantined rows in any one source the run stops.
    buckets : int
        Hash buckets of the log; a bucket is the unit of memory. A power of two.
    """

    input_dir: str
    unit: Literal["prospect", "account"] = "prospect"
    credit: Literal["contact", "all"] = "contact"
    plausible_from: datetime
    plausible_until: datetime
    max_refused_share: Share = 0.05
    buckets: Annotated[int, Field(ge=1, le=4096)] = 16
    sources: tuple[SourceSettings, ...] = Field(min_length=1)

    @field_validator("plausible_from", "plausible_until")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return _require_zone(instant)

    @field_validator("buckets")
    @classmethod
    def _power_of_two(cls, buckets: int) -> int:
        if buckets & (buckets - 1):
            raise ValueError(f"{buckets} is not a power of two")
        return buckets

    @model_validator(mode="after")
    def _distinct_names(self) -> IngestSettings:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called {listed(twice)}; each needs its own name")
        if self.plausible_from >= self.plausible_until:
            raise ValueError("`plausible_from` must lie before `plausible_until`")
        return self

    @model_validator(mode="after")
    def _complete_within_reason(self) -> IngestSettings:
        for source in self.sources:
            until = source.complete_until
            if until is not None and not self.plausible_from < until <= self.plausible_until:
                raise ValueError(
                    f"the source `{source.name}` is said to be complete until {until:%Y-%m-%d}, "
                    "but rows are only taken between `plausible_from` "
                    f"({self.plausible_from:%Y-%m-%d}) and `plausible_until` "
                    f"({self.plausible_until:%Y-%m-%d}): outcomes outside could not be seen"
                )
        return self


class StepSettings(Section):
    """One step of the journey and the event names that mean it (its own name by default)."""

    kind: Literal["exposure", "micro", "major", "exit"]
    stage: str | None = None
    commitment: Annotated[int, Field(ge=0, le=5)] = 0
    events: tuple[str, ...] = ()
    says: str | None = None


class JourneySettings(Section):
    """The journey map. `refuse_unplaced` makes an event name without a step an error.

    `multi_step` names, for a micro-conversion done in several parts (a video, the
    pages of an assessment, a form), the event names of its parts in their order.
    """

    stages: tuple[str, ...] = Field(
        default=("awareness", "consideration", "decision"), min_length=1
    )
    steps: dict[str, StepSettings] = Field(min_length=1)
    multi_step: dict[str, Annotated[tuple[str, ...], Field(min_length=2)]] = Field(
        default_factory=dict
    )
    ignore: tuple[str, ...] = ()
    refuse_unplaced: bool = False


class SnapshotSettings(Section):
    """Which questions are asked: when, of whom, and how far ahead.

    Attributes
    ----------
    first : datetime
        The first `as_of`; the others follow every `every_days`.
    last : datetime or None
        No `as_of` after this instant; None for the end of the log.
    horizon_days : float
        A conversion counts in `[as_of, as_of + horizon)`.
    active_within_days : float
        Only prospects with an event of `active_kinds` in this many days before.
    """

    first: datetime
    last: datetime | None = None
    every_days: Days
    horizon_days: Days
    active_within_days: Days
    active_kinds: tuple[Literal["exposure", "micro", "major", "exit"], ...] = ("exposure", "micro")

    @field_validator("first", "last")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return _require_zone(instant)

    @property
    def horizon(self) -> timedelta:
        """How long after `as_of` a conversion still counts."""
        return timedelta(days=self.horizon_days)

    @property
    def active_within(self) -> timedelta:
        """How long before `as_of` the last activity may lie."""
        return timedelta(days=self.active_within_days)


class FeatureSettings(Section):
    """Which feature families are built, and how wide.

    Attributes
    ----------
    windows_days : tuple of float
        Windows counted backwards from `as_of`; "ever" is always added.
    pairs : "all", "none" or tuple of (str, str)
        Ordered pairs of steps whose completion becomes features; "all" takes
        every ordered pair of distinct micro steps.
    sequences : tuple of tuple of str
        Longer ordered sequences to follow in the same way.
    last_steps : int
        How many of the latest steps become features.
    session_gap_minutes : float
        A pause longer than this starts a new session.
    max_categories, min_category_share
        Limits on the categories learnt for one attribute.
    """

    families: tuple[str, ...] = (
        "counts",
        "recency",
        "tempo",
        "path",
        "ladder",
        "exposure",
        "calendar",
        "attributes",
    )
    windows_days: tuple[Days, ...] = (1, 7, 30, 90)
    pairs: Literal["all", "none"] | tuple[tuple[str, str], ...] = "none"
    sequences: tuple[tuple[str, ...], ...] = ()
    last_steps: Annotated[int, Field(ge=0, le=20)] = 5
    session_gap_minutes: Days = 30
    max_categories: Count = 20
    min_category_share: Share = 0.005

    @field_validator("windows_days")
    @classmethod
    def _ascending(cls, windows: tuple[float, ...]) -> tuple[float, ...]:
        if list(windows) != sorted(set(windows)) or not windows:
            raise ValueError("windows must be distinct and ascending, and at least one")
        return windows

    @field_validator("sequences")
    @classmethod
    def _at_least_two(cls, sequences: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if any(len(sequence) < 2 for sequence in sequences):
            raise ValueError("a sequence needs at least two steps")
        return sequences


class BacktestSettings(Section):
    """Walk-forward folds, planned from dates alone.

    Attributes
    ----------
    folds : int
        How many test blocks, walking back from the last closed window.
    test_snapshots : int
        How many consecutive `as_of` dates one test block holds.
    min_train_snapshots : int
        A fold with fewer training dates is not planned.
    label_lag_days : float
        Extra embargo: how long an outcome may take to become known.
    """

    folds: Count
    test_snapshots: Count
    min_train_snapshots: Count = 2
    label_lag_days: Annotated[float, Field(ge=0)] = 0

    @property
    def label_lag(self) -> timedelta:
        """The extra embargo as a duration."""
        return timedelta(days=self.label_lag_days)


class BoostedSettings(Section):
    """LightGBM, in its own parameter names where it has one.

    The defaults are small trees with few columns each: conversions are few.
    """

    num_iterations: Count = 150
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.04
    num_leaves: Annotated[int, Field(ge=2)] = 4
    min_data_in_leaf: Count = 100
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.7
    lambda_l2: Annotated[float, Field(ge=0)] = 20.0


class LinearSettings(Section):
    """Logistic regression: `inverse_penalty` is scikit-learn's C."""

    inverse_penalty: Annotated[float, Field(gt=0)] = 0.001


class PointsSettings(Section):
    """The hand-made score: points for a step done in the last `within_days` days."""

    within_days: Days = 30
    per_commitment: float = 1.0


class ForestSettings(Section):
    """The control: a random forest on counts."""

    trees: Count = 200
    max_rows: Count = 20_000


class ModelSettings(Section):
    """How the models learn.

    Attributes
    ----------
    boosted, hazard : BoostedSettings
        The trees that learn whether, and the trees that learn when.
    calibration_share : float
        Share of the training dates, the latest, on which blend weight and
        calibration are chosen before everything is refitted on all of them.
    calibrations : tuple of str
        The candidates; the first is kept unless another is better there.
    """

    seed: Seed
    boosted: BoostedSettings = BoostedSettings()
    hazard: BoostedSettings = BoostedSettings()
    linear: LinearSettings = LinearSettings()
    points: PointsSettings = PointsSettings()
    forest: ForestSettings = ForestSettings()
    calibration_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    calibrations: tuple[Literal["none", "sigmoid", "beta"], ...] = ("none", "sigmoid", "beta")


class AlarmSettings(Section):
    """From where on a finding is an alarm; :mod:`microconv.evaluation.alarms` lists them.

    Attributes
    ----------
    single_column, too_good : float
        By how much AUC one column must beat the histories without it, and the AUC
        that it must have itself: one step may well be what matters.
    fill_gap : float
        Difference between the shares of converters and others that have an attribute.
    certain_values : float
        Share of an attribute's rows whose value is as good as the outcome.
    filled_after, min_converters
        Share of converters whose attribute became known only afterwards, of so many.
    collapse_from, collapse_to : float
        A column worth so much AUC above one half in training, and at most this part
        of it afterwards, has collapsed.
    shuffled_labels, random_gap : float
        AUC above one half, and above the split in time.
    drift, base_rate_drift : float
        Population stability index of a column, and of the outcome.
    """

    single_column: Share = 0.15
    too_good: Share = 0.8
    fill_gap: Share = 0.2
    certain_values: Share = 0.1
    filled_after: Share = 0.9
    min_converters: Count = 20
    collapse_from: Share = 0.1
    collapse_to: Share = 0.25
    shuffled_labels: Share = 0.05
    random_gap: Share = 0.05
    drift: Annotated[float, Field(gt=0)] = 0.25
    base_rate_drift: Annotated[float, Field(gt=0)] = 0.1


class ReadySettings(Section):
    """What it takes to call by a model: below it the data are thin.

    Attributes
    ----------
    conversions, prospects : int
    days : float
        From the first to the last training date.
    thin_share : float
        Below this share of `conversions` there is not enough at all.
    """

    conversions: Count = 120
    prospects: Count = 1000
    days: Annotated[float, Field(ge=0)] = 28
    thin_share: Share = 0.4


class EvaluateSettings(Section):
    """What the figures are computed at: the team's list size, the bootstrap; what alarms.

    Attributes
    ----------
    worse_by : float
        A challenger that may be worse than the champion by this much AUC, by the
        interval of the paired difference, is not promoted.
    """

    list_size: Count
    bootstrap: Annotated[int, Field(ge=0)] = 300
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    bins: Annotated[int, Field(ge=2)] = 10
    seed: Seed
    worse_by: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    alarms: AlarmSettings = AlarmSettings()
    ready: ReadySettings = ReadySettings()


class ScoreSettings(Section):
    """The list: how long, how graded, for how long it may be used.

    Attributes
    ----------
    as_of : datetime or None
        When to ask; None takes the log's `observed_until`, and says so.
    horizons_days : tuple of float
        Further horizons, each a column (`probability_7d`): from the same model, never
        falling from a shorter to a longer one.
    grades : dict of str to float
        Grade → smallest probability that earns it, best grade first. The last
        grade must start at 0.
    """

    as_of: datetime | None = None
    limit: Count
    valid_days: Days
    reasons: Annotated[int, Field(ge=1, le=10)] = 3
    horizons_days: tuple[Days, ...] = ()
    grades: dict[str, float] = Field(min_length=1)

    @field_validator("as_of")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return _require_zone(instant)

    @field_validator("grades")
    @classmethod
    def _descending(cls, grades: dict[str, float]) -> dict[str, float]:
        thresholds = list(grades.values())
        if thresholds != sorted(thresholds, reverse=True) or thresholds[-1] != 0:
            raise ValueError("thresholds must fall from grade to grade and end at 0")
        return grades


class TrackSettings(Section):
    """Where the diary is kept."""

    experiment: str
    registered_model: str


class EngineSettings(Section):
    """How the machine is used; changes no value. `threads: null` takes every core."""

    threads: Count | None = None


class AskedSequence(Section):
    """A sequence that somebody named before looking; only `randomised` ones have an *effect*."""

    steps: Annotated[tuple[str, ...], Field(min_length=2)]
    randomised: bool = False

    @field_validator("steps")
    @classmethod
    def _distinct(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(steps)) < len(steps):
            raise ValueError("the steps of a sequence must differ, or no other order exists")
        return steps


class MeasureSettings(Section):
    """What the measurement of the journey is computed at.

    Attributes
    ----------
    confidence : float
        Of every interval.
    min_human : float
        A step counts as done if a person did it with at least this probability.
    within_days : float
        All steps of a sequence within so many days; also how long after an
        offer a step still answers it.
    effect_days : float
        How long after a completion conversions are credited to it.
    landmark_days, horizon_days, active_within_days : float
        Landmark analysis: so long after a prospect was first seen, those active
        within the last `active_within_days` are divided by what they had done,
        and followed for `horizon_days`.
    stall_days : float
        Without anything done for so long a prospect has stopped.
    sequences : tuple of AskedSequence
        The sequences asked about. Those that are mined come besides.
    longest_sequence, most_sequences : int
        How long mined sequences are, and how many of them are tested.
    min_support : float
        Share of the prospects that must have completed a mined sequence.
    false_discovery_rate : float
        Benjamini and Hochberg's.
    claimed_ratio : (float, float)
        The claim that the verdict is about: so many times the rate.
    bootstrap : int
        Resamples for money.
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    min_human: Share = 0.5
    within_days: Days = 30
    effect_days: Days = 30
    landmark_days: Days = 60
    horizon_days: Days = 60
    active_within_days: Days = 30
    stall_days: Days = 30
    sequences: tuple[AskedSequence, ...] = ()
    longest_sequence: Annotated[int, Field(ge=2, le=6)] = 3
    most_sequences: Annotated[int, Field(ge=0, le=1000)] = 40
    min_support: Share = 0.01
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    claimed_ratio: tuple[float, float] = (2.0, 3.0)
    bootstrap: Annotated[int, Field(ge=100)] = 300
    seed: int = 13

    @field_validator("claimed_ratio")
    @classmethod
    def _above_one(cls, claim: tuple[float, float]) -> tuple[float, float]:
        if not 1 < claim[0] <= claim[1]:
            raise ValueError("the claim must be two ratios above 1, the smaller first")
        return claim


class ExperimentSettings(Section):
    """One test (A/B): who was assigned what, and what is measured.

    Attributes
    ----------
    dimension : str
        What the arms differ in.
    arms : dict of str to float
        Arm → intended share, the control first. Shares need not add up to 1.
    assigned_by : str
        `variant`: the first event that carries an arm's name in the column
        `variant` is the assignment. Else an attribute of the prospects table;
        then `starts` is the instant of assignment.
    messages : tuple of str
        With `variant`: the message ids (globs) that belong to this test; all
        when empty.
    starts, ends : datetime or None
        Only assignments in `[starts, ends)` belong to the test.
    metric : str
        The step that is to happen more often, in `[assigned, assigned + within)`.
    guardrails : tuple of str
        Steps that must not happen more often: unsubscribing, for instance.
    segments : tuple of str
        Attributes in whose levels the effect is looked at.
    factors : dict of str to dict of str to str
        For a factorial test: factor → arm → level.
    smallest_effect : float or None
        The relative effect worth finding; says whether the test was big enough.
    """

    dimension: Literal["subject_line", "cta", "content", "timing", "segmentation", "other"]
    arms: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=2)
    assigned_by: str = "variant"
    messages: tuple[str, ...] = ()
    starts: datetime | None = None
    ends: datetime | None = None
    metric: str
    within_days: Days
    guardrails: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    factors: dict[str, dict[str, str]] = Field(default_factory=dict)
    smallest_effect: Annotated[float, Field(gt=0)] | None = None

    @field_validator("starts", "ends")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return _require_zone(instant)

    @model_validator(mode="after")
    def _complete(self) -> ExperimentSettings:
        if self.assigned_by != "variant" and self.starts is None:
            raise ValueError(
                "a test assigned by an attribute needs `starts`, the instant of assignment"
            )
        for factor, levels in self.factors.items():
            if set(levels) != set(self.arms) or len(set(levels.values())) < 2:
                raise ValueError(
                    f"the factor `{factor}` must give each of the arms {listed(self.arms)} a "
                    "level, and have two levels at least"
                )
        return self


class ExperimentsSettings(Section):
    """The tests that were run, and how they are read.

    Attributes
    ----------
    confidence : float
    power : float
        What `detectable` and `needed` are computed for.
    before_days : float
        Activity in so many days before the assignment takes out noise (CUPED).
    bootstrap : int
        Resamples for revenue.
    tests : dict of str to ExperimentSettings
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    before_days: Days = 30
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: int = 5
    tests: dict[str, ExperimentSettings] = Field(default_factory=dict)


class AuditSettings(Section):
    """What counts as a fault in a sequence of messages.

    Attributes
    ----------
    generic_ctas : tuple of str
        Calls to action that say nothing about what follows; case and
        punctuation do not matter.
    most_levels : int
        By how many levels the commitment asked for may rise at once.
    """

    generic_ctas: tuple[str, ...] = (
        "learn more",
        "click here",
        "read more",
        "more",
        "find out more",
        "see more",
        "here",
        "discover more",
        "more info",
        "continue",
        "go",
        "submit",
    )
    most_levels: Annotated[int, Field(ge=1, le=5)] = 1


class IndustryPrior(Section):
    """What is known from elsewhere about asks of one kind: a rate, worth so many asks."""

    stage: str
    commitment: Annotated[int, Field(ge=1, le=5)]
    rate: Annotated[float, Field(gt=0, lt=1)]
    worth: Annotated[float, Field(gt=0)]


class BenchmarkSettings(Section):
    """How often an ask is answered, and how often it could be.

    Attributes
    ----------
    answer_days : float
        A step answers an ask if it is done within so many days.
    target : float
        The realistic target: this quantile of comparable asks.
    priors : tuple of IndustryPrior
    """

    answer_days: Days = 4
    target: Annotated[float, Field(gt=0, lt=1)] = 0.75
    priors: tuple[IndustryPrior, ...] = ()


class BottleneckSettings(Section):
    """What is looked for where prospects get stuck.

    Attributes
    ----------
    barrier_days : float
        How long after a step a reluctance to go on is looked for.
    barrier_steps : tuple of str
        The steps it is looked for after; all that ask for a commitment of 3 or
        more when empty.
    retries, pause_minutes : int, float
        The same part done so often without a pause this long is a burst of retries.
    least_asked : int
        Messages that asked fewer prospects are not judged.
    """

    barrier_days: Days = 30
    barrier_steps: tuple[str, ...] = ()
    retries: Annotated[int, Field(ge=2)] = 3
    pause_minutes: Annotated[float, Field(gt=0)] = 30
    least_asked: Count = 200


class SimulateSettings(Section):
    """The demo world."""

    world: Literal["planted", "confounded", "null"]
    prospects: Count
    days: Annotated[int, Field(ge=60)]
    start: datetime
    seed: Seed

    @field_validator("start")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return _require_zone(instant)


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
    simulate: SimulateSettings | None = None


def read_settings(path: str | Path) -> Settings:
    """Read and check params.yaml.

    Raises
    ------
    MissingInputError
        If there is no such file.
    SettingsError
        If it is not YAML, or a key is unknown, missing or has an impossible value.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)  # a safe loader
    except FileNotFoundError:
        raise MissingInputError(f"There is no parameter file at {path}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not readable YAML: {error}") from None
    return check_settings(content, origin=str(path))


class _EachKeyOnce(yaml.SafeLoader):
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
    """Check the parsed content of a params.yaml.

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
    """Say whether a list only counts as too short because something in it is wrong."""
    within = (other["loc"][: len(problem["loc"])] for other in problems if other is not problem)
    return problem["type"] == "too_short" and problem["loc"] in within


def _explain(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *parents, key = problem["loc"]
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
    """Write a value out; of one that is long only its beginning."""
    text = "empty" if value is None else repr(value)
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


def _require_zone(instant: datetime | None) -> datetime | None:
    if instant is not None and instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone; write it like 2024-01-31T00:00:00Z")
    return instant
