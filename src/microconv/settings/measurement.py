"""`measure`, `experiments` and what is measured beside them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from microconv.errors import listed
from microconv.settings.section import Count, Days, Section, Share, require_zone


class PlannedSequence(Section):
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
    min_human_probability : float
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
    sequences : tuple of PlannedSequence
        The sequences asked about. Those that are mined come besides.
    max_sequence_length, max_sequences : int
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
    minimum_effect : float or None
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
    minimum_effect: Annotated[float, Field(gt=0)] | None = None

    @field_validator("starts", "ends")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return require_zone(instant)

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
    pre_period_days : float
        Activity in so many days before the assignment takes out noise (CUPED).
    bootstrap : int
        Resamples for revenue.
    tests : dict of str to ExperimentSettings
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    pre_period_days: Days = 30
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
    max_commitment_jump : int
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
    max_commitment_jump: Annotated[int, Field(ge=1, le=5)] = 1


class IndustryPrior(Section):
    """What is known from elsewhere about asks of one kind: a rate, worth so many asks."""

    stage: str
    commitment: Annotated[int, Field(ge=1, le=5)]
    rate: Annotated[float, Field(gt=0, lt=1)]
    weight: Annotated[float, Field(gt=0)]


class BenchmarkSettings(Section):
    """How often an ask is answered, and how often it could be.

    Attributes
    ----------
    response_days : float
        A step answers an ask if it is done within so many days.
    target : float
        The realistic target: this quantile of comparable asks.
    priors : tuple of IndustryPrior
    """

    response_days: Days = 4
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
    min_recipients : int
        Messages that asked fewer prospects are not judged.
    """

    barrier_days: Days = 30
    barrier_steps: tuple[str, ...] = ()
    retries: Annotated[int, Field(ge=2)] = 3
    pause_minutes: Annotated[float, Field(gt=0)] = 30
    min_recipients: Count = 200
