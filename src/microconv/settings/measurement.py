"""Settings of the measurement: `measure`, `experiments`, `audit`, `benchmarks`, `bottlenecks`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from microconv.errors import listed
from microconv.settings.section import Count, Days, Section, Share, require_zone


class PlannedSequence(Section):
    """A sequence that is named in advance, not mined from the data.

    Attributes
    ----------
    steps : tuple of str
        The steps in order, all different.
    randomised : bool
        Whether the order was drawn at random; only then is the result an *effect*.
    """

    steps: Annotated[tuple[str, ...], Field(min_length=2)]
    randomised: bool = False

    @field_validator("steps")
    @classmethod
    def _distinct(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(steps)) < len(steps):
            raise ValueError("the steps of a sequence must all be different")
        return steps


class MeasureSettings(Section):
    """Measurement of the journey: completion, velocity, paths, drop-off and impact.

    Attributes
    ----------
    confidence : float
        Confidence level of every interval.
    min_human_probability : float
        Events less likely to be a person's do not count.
    within_days : float
        All steps of a sequence, and both steps of a transition, within this many days.
    effect_days : float
        How long after a completion a conversion still counts for it.
    landmark_days : float
        Landmark analysis: days from first seen to the landmark, when prospects are
        grouped by what they have done.
    horizon_days : float
        Landmark analysis: days of follow-up after the landmark.
    active_within_days : float
        Landmark analysis: only prospects active in this many days before the landmark.
    stall_days : float
        A prospect without activity for this long has stopped.
    sequences : tuple of PlannedSequence
        Sequences named in advance; mined ones are added.
    max_sequence_length : int
        Maximum number of steps of mined sequences.
    max_sequences : int
        Maximum number of mined sequences that are tested.
    min_support : float
        Share of the prospects that must have completed a mined sequence.
    false_discovery_rate : float
        Of the tests of mined sequences (Benjamini and Hochberg).
    claimed_ratio : (float, float)
        Range of the rate ratio that the verdict compares with.
    bootstrap : int
        Resamples for intervals of revenue.
    seed : int
        Random seed of the bootstrap.
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    min_human_probability: Share = 0.5
    within_days: Days = 30
    effect_days: Days = 30
    landmark_days: Days = 60
    horizon_days: Days = 60
    active_within_days: Days = 30
    stall_days: Days = 30
    sequences: tuple[PlannedSequence, ...] = ()
    max_sequence_length: Annotated[int, Field(ge=2, le=6)] = 3
    max_sequences: Annotated[int, Field(ge=0, le=1000)] = 40
    min_support: Share = 0.01
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    claimed_ratio: tuple[float, float] = (2.0, 3.0)
    bootstrap: Annotated[int, Field(ge=100)] = 300
    seed: int = 13

    @field_validator("claimed_ratio")
    @classmethod
    def _above_one(cls, claim: tuple[float, float]) -> tuple[float, float]:
        if not 1 < claim[0] <= claim[1]:
            raise ValueError("must be two ratios above 1, the smaller first")
        return claim


class ExperimentSettings(Section):
    """One experiment (A/B test): its arms, assignment and metric.

    Attributes
    ----------
    dimension : str
        What the arms differ in.
    arms : dict of str to float
        Arm → intended share, the control first. Shares need not add up to 1.
    assigned_by : str
        `variant`: the first event with an arm's name in the column `variant` is the
        assignment. Else an attribute of the prospects table, assigned at `starts`.
    messages : tuple of str
        With `variant`: message ids (globs) of this experiment; all when empty.
    starts, ends : datetime or None
        Only assignments in `[starts, ends)` belong to the experiment.
    metric : str
        The step that the arms are to increase, in `[assigned, assigned + within_days)`.
    within_days : float
        Length of the outcome window after the assignment.
    guardrails : tuple of str
        Guardrail metrics: steps that must not become more frequent, such as unsubscribing.
    segments : tuple of str
        Attributes by whose levels the effect is broken down.
    factors : dict of str to dict of str to str
        For a factorial experiment: factor → arm → level.
    minimum_effect : float or None
        Smallest relative effect worth detecting; compared with the minimum detectable effect.
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
    minimum_effect: Annotated[float, Field(gt=0)] | None = None

    @field_validator("starts", "ends")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return require_zone(instant)

    @model_validator(mode="after")
    def _complete(self) -> ExperimentSettings:
        if self.assigned_by != "variant" and self.starts is None:
            raise ValueError(
                "an experiment assigned by an attribute needs `starts`, the instant of assignment"
            )
        for factor, levels in self.factors.items():
            if set(levels) != set(self.arms) or len(set(levels.values())) < 2:
                raise ValueError(
                    f"the factor `{factor}` must give each of the arms {listed(self.arms)} a "
                    "level, and have at least two levels"
                )
        return self


class ExperimentsSettings(Section):
    """Experiments and how they are analysed.

    Attributes
    ----------
    confidence : float
        Confidence level of every interval.
    power : float
        Power at which sample sizes and minimum detectable effects are computed.
    pre_period_days : float
        Days of activity before the assignment that CUPED uses to reduce variance.
    bootstrap : int
        Resamples for intervals of revenue.
    seed : int
        Random seed of the bootstrap.
    tests : dict of str to ExperimentSettings
        Name → experiment.
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    pre_period_days: Days = 30
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: int = 5
    tests: dict[str, ExperimentSettings] = Field(default_factory=dict)


class AuditSettings(Section):
    """What the audit of the email sequence reports.

    Attributes
    ----------
    generic_ctas : tuple of str
        Calls to action that do not say what follows; case and punctuation are ignored.
    max_commitment_jump : int
        Levels of commitment by which a message may exceed any earlier one.
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
    max_commitment_jump: Annotated[int, Field(ge=1, le=5)] = 1


class IndustryPrior(Section):
    """An industry benchmark for messages of one kind.

    Attributes
    ----------
    stage : str
        Stage of the goal of the messages.
    commitment : int
        Commitment of that goal.
    rate : float
        Response rate.
    weight : float
        How many sends of your own the rate counts as.
    """

    stage: str
    commitment: Annotated[int, Field(ge=1, le=5)]
    rate: Annotated[float, Field(gt=0, lt=1)]
    weight: Annotated[float, Field(gt=0)]


class BenchmarkSettings(Section):
    """Response rates of messages against those of comparable messages.

    Attributes
    ----------
    response_days : float
        A step within this many days of a message is a response to it.
    target : float
        Quantile of the response rates of comparable messages that is a realistic target.
    priors : tuple of IndustryPrior
        Industry benchmarks.
    """

    response_days: Days = 4
    target: Annotated[float, Field(gt=0, lt=1)] = 0.75
    priors: tuple[IndustryPrior, ...] = ()


class BottleneckSettings(Section):
    """Where prospects get stuck.

    Attributes
    ----------
    barrier_days : float
        Days after a step in which a trust barrier lowers the rate of decisions.
    barrier_steps : tuple of str
        Steps that are tested as barriers; all of commitment 3 or more when empty.
    retries : int
        An attempt that repeats a part this often is a burst of retries.
    pause_minutes : float
        A pause this long ends an attempt.
    min_recipients : int
        Messages with fewer recipients are left out.
    """

    barrier_days: Days = 30
    barrier_steps: tuple[str, ...] = ()
    retries: Annotated[int, Field(ge=2)] = 3
    pause_minutes: Annotated[float, Field(gt=0)] = 30
    min_recipients: Count = 200
