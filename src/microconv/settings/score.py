"""Section `score`: length of the list, grades, capacities, exploration."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from microconv.settings.section import Count, Days, Section, Seed, require_zone

Capacity = Annotated[int, Field(ge=0)]
"""How many prospects somebody can take."""


class CapacitySettings(Section):
    """How many prospects each owner, team or territory can take.

    Attributes
    ----------
    each : int or None
        Capacity of those who are not named; None for no limit.
    named : dict of str to int
        Name in the prospects table → capacity.
    """

    each: Capacity | None = None
    named: dict[str, Capacity] = Field(default_factory=dict)


class CoolOffSettings(Section):
    """Leave out prospects who were contacted recently.

    Attributes
    ----------
    steps : tuple of str
        Steps of the journey, such as a logged call.
    days : float
        A prospect with one of them within this many days before `as_of` is not listed.
    """

    steps: tuple[str, ...] = Field(min_length=1)
    days: Days


class ExplorationSettings(Section):
    """Rows of the list that are drawn at random from the prospects below the cut.

    Without them the next model is trained only on outcomes of those whom the last one ranked
    high. The draw depends on `seed`, `as_of` and the prospects' ids alone.

    Attributes
    ----------
    slots : int
        Number of rows.
    seed : int
        Of the draw.
    """

    slots: Count
    seed: Seed


class ScoreSettings(Section):
    """The prospect list: its length, grades, validity and selection rules.

    Attributes
    ----------
    as_of : datetime or None
        Instant of the list; None uses the log's `observed_until`.
    rank_by : {"probability", "expected_value"}
        Order of the list. Percentile and grade are of the probability, either way.
    limit : int
        Number of rows, including those for exploration.
    valid_days : float
        How long the list may be used after `as_of`.
    max_age_hours : float or None
        `microconv score` refuses a log that ended longer ago; None accepts any.
    reasons : int
        Reasons per row.
    reason_texts : Path or None
        A CSV table with your own reason texts; its rows come before the built-in ones: see
        :mod:`microconv.ranking.explanations.reason_texts`.
    horizons_days : tuple of float
        Further horizons, each a column (`probability_7d`), from the same model.
    grades : dict of str to float
        Grade → smallest probability, best grade first. The last grade must start at 0.
    capacities : dict of str to CapacitySettings
        Column of the prospects table (`owner`, `team`, …) → capacity of each value.
    one_per_account : bool
        List only the best prospect of each account; `other_contacts` names the others.
    cool_off : CoolOffSettings or None
        Prospects contacted recently are not listed.
    exploration : ExplorationSettings or None
        Rows drawn at random.
    """

    as_of: datetime | None = None
    rank_by: Literal["probability", "expected_value"] = "probability"
    limit: Count
    valid_days: Days
    max_age_hours: Annotated[float, Field(gt=0)] | None = None
    reasons: Annotated[int, Field(ge=1, le=10)] = 3
    reason_texts: Path | None = None
    horizons_days: tuple[Days, ...] = ()
    grades: dict[str, float] = Field(min_length=1)
    capacities: dict[str, CapacitySettings] = Field(default_factory=dict)
    one_per_account: bool = False
    cool_off: CoolOffSettings | None = None
    exploration: ExplorationSettings | None = None

    @field_validator("as_of")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return require_zone(instant)

    @field_validator("grades")
    @classmethod
    def _descending(cls, grades: dict[str, float]) -> dict[str, float]:
        thresholds = list(grades.values())
        if thresholds != sorted(thresholds, reverse=True) or thresholds[-1] != 0:
            raise ValueError("thresholds must fall from grade to grade and end at 0")
        return grades

    @field_validator("exploration")
    @classmethod
    def _some_by_rank(
        cls, exploration: ExplorationSettings | None, given: ValidationInfo
    ) -> ExplorationSettings | None:
        limit = given.data.get("limit")
        if exploration is not None and limit is not None and exploration.slots >= limit:
            raise ValueError(
                f"{exploration.slots} of the {limit} rows (`score.limit`) are for exploration, "
                "which leaves none for the best"
            )
        return exploration

    @property
    def capacity_columns(self) -> tuple[str, ...]:
        """Columns of the prospects table by which capacity is limited."""
        columns = (*self.capacities, *(("account_id",) if self.one_per_account else ()))
        return tuple(dict.fromkeys(columns))

    @property
    def needs_allocation(self) -> bool:
        """Whether prospects below the best `limit` may be listed."""
        return bool(self.capacity_columns) or self.exploration is not None
