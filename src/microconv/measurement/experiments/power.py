"""How many units a test needs before it starts, and what it can see with those it has."""

from __future__ import annotations

from dataclasses import dataclass

from microconv.errors import SettingsError


@dataclass(frozen=True)
class Design:
    """What a test is meant to find.

    Attributes
    ----------
    baseline : float
        Share of the control that does the metric step.
    arms : int
        Control included. Each of the others is compared with it, at a level
        divided by their number.
    power, alpha : float
        Probability of finding the effect if it is there, and of finding one if
        there is none (in any arm).
    """

    baseline: float
    arms: int = 2
    power: float = 0.8
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what no test can be planned for.

        Raises
        ------
        SettingsError
        """
        for name in ("baseline", "power", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(
                    f"`{name}` is {getattr(self, name):g}; it is a share strictly between 0 and 1."
                )
        if self.arms < 2:
            raise SettingsError(f"`arms` is {self.arms}; a comparison needs at least 2.")


def units_needed(design: Design, effect: float) -> int:
    """Say how many units each arm needs to show a relative effect.

    Parameters
    ----------
    design : Design
    effect : float
        Relative: 0.25 means a share 25 % above the baseline, -0.1 one 10 % below.

    Raises
    ------
    SettingsError
        If the effect is 0 or leads to a share outside (0, 1).

    Examples
    --------
    >>> units_needed(Design(baseline=0.10), 0.25)
    2507
    """
    import math

    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    reached = design.baseline * (1 + effect)
    if effect == 0 or not 0 < reached < 1:
        raise SettingsError(
            f"A relative effect of {effect:g} on a baseline of {design.baseline:g} leads to "
            f"{reached:g}; name one that changes the share and keeps it between 0 and 1."
        )
    needed: float = samplesize_proportions_2indep_onetail(
        reached - design.baseline,
        design.baseline,
        design.power,
        alpha=design.alpha / (design.arms - 1),
    )
    return math.ceil(needed)


def detectable_effect(design: Design, units: int) -> float | None:
    """Say which relative increase a test with so many units an arm is likely to show.

    Returns
    -------
    float or None
        None where not even an increase to (nearly) 100 % would be.

    Examples
    --------
    >>> round(detectable_effect(Design(baseline=0.10), 2507), 3)
    0.25
    """
    low, high = 0.0, (1 - 1e-9) / design.baseline - 1
    if units < 2 or units_needed(design, high) > units:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        if units_needed(design, middle) > units:
            low = middle
        else:
            high = middle
    return high


def plan(
    design: Design, *, effect: float | None, units: int | None, per_day: float | None
) -> list[str]:
    """Say in words what a test needs, or what it can see.

    Parameters
    ----------
    effect : float or None
        Relative effect to be shown; asks for the size.
    units : int or None
        Units an arm; asks for the effect.
    per_day : float or None
        Units that can be assigned a day, over all arms; adds how long it takes.

    Raises
    ------
    SettingsError
        If neither `effect` nor `units` is given, or one is impossible.
    """
    if effect is None and units is None:
        raise SettingsError(
            "Say `--effect` (the relative effect worth finding) to learn how many units are "
            "needed, or `--units` (an arm) to learn which effect they can show."
        )
    if per_day is not None and per_day <= 0:
        raise SettingsError(f"`per_day` is {per_day:g}; it is a number of units above 0.")
    says = []
    if effect is not None:
        needed = units_needed(design, effect)
        says.append(
            f"To show a change from {design.baseline:.2%} to {design.baseline * (1 + effect):.2%} "
            f"with power {design.power:.0%} at the level {design.alpha:.0%}, each of the "
            f"{design.arms} arms needs {needed:,} units, {needed * design.arms:,} in all."
            + _lasting(needed * design.arms, per_day)
        )
    if units is not None:
        visible = detectable_effect(design, units)
        says.append(
            f"With {units:,} units an arm no increase can be shown with that power."
            if visible is None
            else f"With {units:,} units an arm the smallest increase likely to be shown is "
            f"{visible:.1%}, from {design.baseline:.2%} to {design.baseline * (1 + visible):.2%}."
            + _lasting(units * design.arms, per_day)
        )
    return says


def _lasting(units: int, per_day: float | None) -> str:
    return (
        "" if per_day is None else f" At {per_day:g} a day that takes {units / per_day:,.0f} days."
    )
