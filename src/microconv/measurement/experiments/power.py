"""Power analysis: the sample size that an experiment needs, and its minimum detectable effect."""

from __future__ import annotations

from dataclasses import dataclass

from microconv.errors import SettingsError


@dataclass(frozen=True)
class Design:
    """The design of an experiment that is to be planned.

    Attributes
    ----------
    baseline : float
        Rate of the metric in the control.
    arms : int
        Control included. Each of the others is compared with it, at a significance
        level divided by their number.
    power, alpha : float
        Probability of detecting a real effect, and significance level (over all arms).
    """

    baseline: float
    arms: int = 2
    power: float = 0.8
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        SettingsError
            If a probability is not between 0 and 1, or there is no second arm.
        """
        for name in ("baseline", "power", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(
                    f"`{name}` is {getattr(self, name):g}; it must be strictly between 0 and 1."
                )
        if self.arms < 2:
            raise SettingsError(f"`arms` is {self.arms}; an experiment needs at least 2.")


def required_sample_size(design: Design, effect: float) -> int:
    """Return how many units each arm needs to detect a relative effect.

    Parameters
    ----------
    design : Design
    effect : float
        Relative: 0.25 means a rate 25 % above the baseline, -0.1 one 10 % below.

    Returns
    -------
    int

    Raises
    ------
    SettingsError
        If the effect is 0 or leads to a rate outside (0, 1).

    Examples
    --------
    >>> required_sample_size(Design(baseline=0.10), 0.25)
    2507
    """
    import math

    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    reached = design.baseline * (1 + effect)
    if effect == 0 or not 0 < reached < 1:
        raise SettingsError(
            f"A relative effect of {effect:g} on a baseline of {design.baseline:g} leads to "
            f"{reached:g}; choose one that changes the rate and keeps it between 0 and 1."
        )
    needed: float = samplesize_proportions_2indep_onetail(
        reached - design.baseline,
        design.baseline,
        design.power,
        alpha=design.alpha / (design.arms - 1),
    )
    return math.ceil(needed)


def minimum_detectable_effect(design: Design, units: int) -> float | None:
    """Return the smallest relative increase that an experiment of this size detects.

    Parameters
    ----------
    design : Design
    units : int
        Per arm.

    Returns
    -------
    float or None
        None where not even an increase to (nearly) 100 % is detectable.

    Examples
    --------
    >>> round(minimum_detectable_effect(Design(baseline=0.10), 2507), 3)
    0.25
    """
    low, high = 0.0, (1 - 1e-9) / design.baseline - 1
    if units < 2 or required_sample_size(design, high) > units:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        if required_sample_size(design, middle) > units:
            low = middle
        else:
            high = middle
    return high


def power_report(
    design: Design, *, effect: float | None, units: int | None, per_day: float | None
) -> list[str]:
    """Return in sentences what sample size an experiment needs, or what it can detect.

    Parameters
    ----------
    design : Design
    effect : float or None
        Relative effect to detect: adds the required sample size.
    units : int or None
        Units per arm: adds the minimum detectable effect.
    per_day : float or None
        Units that can be assigned per day, over all arms: adds the duration.

    Returns
    -------
    list of str

    Raises
    ------
    SettingsError
        If neither `effect` nor `units` is given, or one is impossible.
    """
    if effect is None and units is None:
        raise SettingsError(
            "Give `--effect` (the relative effect to detect) for the required sample size, or "
            "`--units` (per arm) for the minimum detectable effect."
        )
    if per_day is not None and per_day <= 0:
        raise SettingsError(f"`per_day` is {per_day:g}; it must be above 0.")
    sentences = []
    if effect is not None:
        needed = required_sample_size(design, effect)
        sentences.append(
            f"To detect a change from {design.baseline:.2%} to "
            f"{design.baseline * (1 + effect):.2%} with {design.power:.0%} power at a significance "
            f"level of {design.alpha:.0%}, each of the {design.arms} arms needs {needed:,} units, "
            f"{needed * design.arms:,} in total." + _duration(needed * design.arms, per_day)
        )
    if units is not None:
        detectable = minimum_detectable_effect(design, units)
        sentences.append(
            f"With {units:,} units per arm no increase is detectable with that power."
            if detectable is None
            else f"With {units:,} units per arm the minimum detectable effect is {detectable:.1%}, "
            f"from {design.baseline:.2%} to {design.baseline * (1 + detectable):.2%}."
            + _duration(units * design.arms, per_day)
        )
    return sentences


def _duration(units: int, per_day: float | None) -> str:
    if per_day is None:
        return ""
    return f" At {per_day:g} per day this takes {units / per_day:,.0f} days."
