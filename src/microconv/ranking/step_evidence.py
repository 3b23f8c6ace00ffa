"""What the measurement found a small step to be worth, for the choice of the next one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from microconv.errors import MicroconvError, MissingInputError

NO_EVIDENCE = "next on the journey map; no measured effect is large enough to say more"
"""Why a step is proposed that nothing is known of."""


@dataclass(frozen=True)
class Evidence:
    """Steps after which prospects convert more often, beyond what chance and many looks explain.

    Attributes
    ----------
    lower_bound : dict of str to float
        Step → the end of its interval that lies nearer to 1.
    says : dict of str to str
        Step → the evidence in words. An association: nobody dealt the steps at random.
    notes : tuple of str
    """

    lower_bound: dict[str, float] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def because(self, step: str | None) -> str | None:
        """Say why a step is proposed."""
        return None if step is None else self.says.get(step, NO_EVIDENCE)


NO_MEASUREMENT = Evidence()


def read_evidence(path: Path | None, *, as_of: datetime) -> Evidence:
    """Read the impact of single steps from `journey.json`, those that survived correction.

    A measurement that saw later than `as_of` is not used: a list of the past must not know
    what came after it.

    Raises
    ------
    MissingInputError
        If there is no such file.
    MicroconvError
        If it is no measurement.
    """
    if path is None:
        return NO_MEASUREMENT
    try:
        journey = json.loads(path.read_text(encoding="utf-8"))
        until = datetime.fromisoformat(journey["overview"]["observed_until"])
        steps = journey["impact"].get("tables", {}).get("steps", [])
        found = [row for row in steps if _counts(row)]
    except FileNotFoundError:
        raise MissingInputError(f"There is no measurement at {path}. Run `measure`.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MicroconvError(
            f"{path} is no measurement of the journey ({type(error).__name__}: {error}). Run the "
            "stage `measure` again, or leave it out."
        ) from None
    if until > as_of:
        note = (
            f"The measurement knows what happened until {until:%Y-%m-%d %H:%M}, after `as_of`: "
            "next steps go by the journey map alone."
        )
        return Evidence(notes=(note,))
    return Evidence(
        {row["sequence"]: row["rate_ratio_low"] for row in found},
        {row["sequence"]: _says(row) for row in found},
    )


def _counts(row: dict[str, Any]) -> bool:
    return row["length"] == 1 and bool(row["significant"]) and row["rate_ratio_low"] > 1


def _says(row: dict[str, Any]) -> str:
    return (
        f"associated with {row['rate_ratio']:.1f} times the rate of conversion "
        f"({row['rate_ratio_low']:.1f} to {row['rate_ratio_high']:.1f}) of those who have not done "
        "it yet"
    )
