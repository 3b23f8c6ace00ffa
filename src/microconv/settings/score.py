"""`score`: who is called on Monday, how many each can take, and how the list is graded."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from microconv.settings.section import Count, Days, Section, Seed, require_zone

Places = Annotated[int, Field(ge=0)]
"""How many prospects somebody can take; 0 takes nobody."""


class CapacitySettings(Section):
    """How many prospects each owner, team or territory can take.

    Attributes
    ----------
    each : int or None
        Places of whoever is not named; None for as many as come.
    named : dict of str to int
        Name, as the prospects table spells it → places.
    """

    each: Places | None = None
    named: dict[str, Places] = Field(default_factory=dict)


class CoolOffSettings(Section):
    """Leave alone for a while whoever was spoken to.

    Attributes
    ----------
    steps : tuple of str
        Steps of the journey, like a logged call.
    days : float
        A prospect with one of them less than so many days before `as_of` is not listed.
    """

    steps: tuple[str, ...] = Field(min_length=1)
    days: Days


class ExplorationSettings(Section):
    """Places of the list that are drawn from those below the cut.

    Without them the next model only ever learns what became of those whom the last one
    liked. The draw follows from `seed`, the instant and the prospects' ids alone.
    """

    slots: Count
    seed: Seed


class ScoreSettings(Section):
    """The list: how long, how graded, for how long it may be used.

    Attributes
    ----------
    as_of : datetime or None
        When to ask; None takes the log's `observed_until`, and says so.
    rank_by : {"probability", "expected_value"}
        What comes first. Percentile and grade are of the probability, either way.
    limit : int
        Rows, those for exploration among them.
    max_age_hours : float or None
        `microconv score` makes no list of a log that ended longer ago; None takes any.
    reason_texts : Path or None
        A CSV table of one's own words for reasons, read before the one that comes with
        the package: see :mod:`microconv.ranking.explanations.text_table`.
    horizons_days : tuple of float
        Further horizons, each a column (`probability_7d`): from the same model, never
        falling from a shorter to a longer one.
    grades : dict of str to float
        Grade → smallest probability that earns it, best grade first. The last
        grade must start at 0.
    capacities : dict of str to CapacitySettings
        Column of the prospects table (`owner`, `team`, …) → how many each can take.
    one_per_account : bool
        Of each account only the best is listed; the column `other_contacts` names others.
    cool_off : CoolOffSettings or None
    exploration : ExplorationSettings or None
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
    def shared(self) -> tuple[str, ...]:
        """Columns of the prospects table by which places are shared out."""
        columns = (*self.capacities, *(("account_id",) if self.one_per_account else ()))
        return tuple(dict.fromkeys(columns))

    @property
    def shares_out(self) -> bool:
        """Whether anybody may be listed, however far down: not only the best come first."""
        return bool(self.shared) or self.exploration is not None
