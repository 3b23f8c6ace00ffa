"""One experiment in plain words: who won, what was harmed, or how little could be seen."""

from __future__ import annotations

from typing import Any

from microconv.measurement.experiments.power import Design, detectable_effect, units_needed
from microconv.measurement.experiments.rows import Rows
from microconv.measurement.experiments.split import Split
from microconv.measurement.experiments.units import Units
from microconv.settings import ExperimentSettings, ExperimentsSettings


def verdict(
    name: str, tables: dict[str, Rows], test: ExperimentSettings, settings: ExperimentsSettings
) -> tuple[str, list[str]]:
    """Judge an experiment whose split holds: its verdict, and the sentences for it."""
    alpha = 1 - settings.confidence
    arms = {row["arm"]: row for row in tables["arms"]}
    clear = [row for row in tables["comparisons"] if row["p_adjusted"] < alpha]
    says = [_difference(name, row, arms, test.metric) for row in clear]
    if not clear:
        says.append(_nothing(name, arms, test, settings))
    for row in tables["guardrails"]:
        if row["harmed"]:
            says.append(
                f"{name}: {row['arm']} does harm: `{row['step']}` happened to {row['rate']:.2%} "
                f"against {row['reference_rate']:.2%}."
            )
    for row in tables["interactions"]:
        if row["p_adjusted"] < alpha:
            says.append(f"{name}: the effect of {row['arm']} differs by {row['attribute']}.")
    return ("winner" if clear else "no_difference"), says


def _difference(
    name: str, row: dict[str, Any], arms: dict[str, dict[str, Any]], metric: str
) -> str:
    better, worse = row["arm"], row["reference"]
    low, high = row["difference_low"], row["difference_high"]
    if row["difference"] < 0:
        better, worse, low, high = worse, better, -high, -low
    one, other = arms[better]["rate"], arms[worse]["rate"]
    peeked = (
        "It would also stand had somebody looked every day."
        if row["anytime_significant"]
        else "That holds for this one look; by the rule for looking every day it is still open."
    )
    return (
        f"{name}: {better} is better than {worse}. {one:.1%} did `{metric}` against {other:.1%}: "
        f"{low:.1%} to {high:.1%} of units more. Units were assigned at random, so this is an "
        f"effect. {peeked}"
    )


def _nothing(
    name: str,
    arms: dict[str, dict[str, Any]],
    test: ExperimentSettings,
    settings: ExperimentsSettings,
) -> str:
    control = next(iter(arms.values()))
    least = min(row["units"] for row in arms.values())
    says = f"{name}: no difference in `{test.metric}` was shown."
    if not 0 < control["rate"] < 1:
        return says
    design = Design(control["rate"], len(arms), settings.power, 1 - settings.confidence)
    visible = detectable_effect(design, least)
    if visible is None:
        return f"{says} With {least:,} units an arm hardly any effect could have been."
    says += f" With {least:,} units an arm, an increase below {visible:.0%} is easily missed"
    effect = test.minimum_effect
    if effect is None or control["rate"] * (1 + effect) >= 1 or effect >= visible:
        return f"{says}."
    needed = units_needed(design, effect)
    return f"{says}; one of {effect:.0%} needs {needed:,}."


def mismatch(name: str, units: Units, split: Split) -> str:
    """Say why an experiment is refused: its arms do not have the sizes intended."""
    sizes = ", ".join(
        f"{arm} {size:,} of {wanted:,.0f}"
        for arm, size, wanted in zip(units.arms, units.sizes(), split.expected, strict=True)
    )
    return (
        f"{name}: refused. The arms do not have the sizes intended ({sizes}; an honest split is "
        f"so far off with probability {split.p_value:.1g}). Units are missing or misplaced for a "
        "reason that may have to do with the outcome, so no difference is shown. Find the reason."
    )
