"""What a model is for and what it is not for, in sentences made from its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microconv.errors import listed
from microconv.features.matrix import family_names
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.explanations.formatting import days


@dataclass(frozen=True)
class ModelScope:
    """A model in a few facts.

    Attributes
    ----------
    horizon_days : float
    active_within_days : float
        Whoever was active this long before is asked about.
    outcomes : tuple of str
        Names of the major steps.
    steps : int
        Micro steps of its journey.
    columns : int
    families : tuple of str
        Of its features.
    """

    horizon_days: float
    active_within_days: float
    outcomes: tuple[str, ...]
    steps: int
    columns: int
    families: tuple[str, ...]

    @classmethod
    def of(cls, model: ProspectModel) -> ModelScope:
        """Read them off a model."""
        steps = model.journey.steps
        return cls(
            horizon_days=model.snapshot_settings.horizon_days,
            active_within_days=model.snapshot_settings.active_within_days,
            outcomes=tuple(step.name for step in steps if step.kind == "major"),
            steps=sum(step.kind == "micro" for step in steps),
            columns=len(model.columns),
            families=family_names(model.feature_settings),
        )

    @property
    def question(self) -> str:
        """Say what it answers."""
        outcomes = listed(self.outcomes).replace("`", "")
        return (
            f"How probable it is that a prospect reaches {outcomes.replace(', ', ' or ')} in the "
            f"{days(self.horizon_days)} after an instant, from what was known before it."
        )

    @property
    def use(self) -> str:
        """Say what it is meant for."""
        return (
            "To choose whom to call first among prospects who are known, have not converted or "
            f"left, and did something in the last {days(self.active_within_days)}; as a "
            "probability where the calibration above allows, else as an order."
        )


def limits(about: ModelScope, evaluation: Mapping[str, Any]) -> list[str]:
    """Say what the model cannot do, and what was not looked at.

    Parameters
    ----------
    about : ModelScope
    evaluation : mapping
        The content of `evaluation.json`.
    """
    out = [
        "Reasons are associations. That a step goes with conversions does not say that asking for "
        "it makes anybody convert.",
        "It knows nobody's history before the log begins, and nothing of prospects outside the "
        "cohort.",
        "If only the top of the list is called, later outcomes are those of whoever was called: "
        "leave a random few in, or the next model learns its own choice.",
        f"It says nothing of what happens later than {days(about.horizon_days)}.",
    ]
    codes = {alarm["check"] for alarm in evaluation.get("leakage_checks", ())}
    if "synthetic_times" in codes:
        out.insert(0, "Tested on other prospects, not on later ones: the export has no dates.")
    if "drift" in codes:
        out.insert(0, "It is asked about prospects unlike those it learnt from (see the notes).")
    if any(alarm["status"] == "failed" for alarm in evaluation.get("leakage_checks", ())):
        out.insert(0, "Its figures are not to be believed while a leakage check fails.")
    return out
