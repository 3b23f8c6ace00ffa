"""The section on experiments: each A/B test of the settings checked, analysed and summarised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from microconv.errors import MicroconvError, listed
from microconv.measurement.experiments.assignment import find_units
from microconv.measurement.experiments.factorial import factor_effects, missing_combinations
from microconv.measurement.experiments.power import (
    Design,
    minimum_detectable_effect,
    required_sample_size,
)
from microconv.measurement.experiments.sample_ratio import SampleRatio, check_sample_ratio
from microconv.measurement.experiments.tables import (
    Rows,
    arm_rows,
    comparison_rows,
    guardrail_rows,
    segment_rows,
    with_holm,
)
from microconv.measurement.experiments.units import Units
from microconv.measurement.section import Section
from microconv.measurement.study.study import Study
from microconv.settings import ExperimentSettings, ExperimentsSettings


@dataclass(frozen=True)
class Analysis:
    """The result of one experiment.

    Attributes
    ----------
    result : str
        `sample_ratio_mismatch`, `winner`, `no_difference` or `empty_arm`.
    summary, missing : list of str
    tables : dict of str to list of dict
        Rows of `arms`, `comparisons`, `guardrails`, `looks`, `segments`,
        `interactions`, `factors`.
    """

    result: str
    summary: list[str]
    missing: list[str] = field(default_factory=list)
    tables: dict[str, Rows] = field(default_factory=dict)


def experiments(
    study: Study, settings: ExperimentsSettings, *, min_human_probability: float
) -> Section:
    """Analyse every experiment of the settings.

    Parameters
    ----------
    study : Study
    settings : ExperimentsSettings
    min_human_probability : float
        Events less likely to be a person's do not count as a metric or a guardrail.

    Returns
    -------
    Section
        Table `experiments` has a row per experiment; the other tables name the
        experiment of a row in the column `experiment`. An experiment that cannot
        be analysed is listed under `missing` with the reason.
    """
    if not settings.tests:
        return Section(
            missing=(
                "`experiments.tests` describes no experiment, so the effect of a change is "
                "unknown. Run one: two variants of a message, each for a random half of the "
                "prospects.",
            )
        )
    summary: list[str] = []
    missing: list[str] = []
    rows: dict[str, Rows] = {"experiments": []}
    for name, test in settings.tests.items():
        try:
            units, assignment, open_windows = find_units(
                study,
                test,
                pre_period_days=settings.pre_period_days,
                min_human_probability=min_human_probability,
            )
            found = analyse(name, units, test, settings)
        except MicroconvError as error:
            missing.append(f"{name}: {error}")
            continue
        assigned, switched = len(assignment.prospect), assignment.switched
        summary += found.summary
        missing += found.missing
        if open_windows:
            missing.append(
                f"{name}: {open_windows:,} of {assigned:,} units were assigned less than "
                f"{test.within_days:g} days before the end of the log; they are not analysed yet."
            )
        if switched:
            missing.append(
                f"{name}: {switched:,} units were given a second arm later; each is analysed in "
                "its first arm."
            )
        facts = {
            "result": found.result,
            "dimension": test.dimension,
            "metric": test.metric,
            "within_days": test.within_days,
            "assigned": assigned,
            "analysed": len(units),
            "window_open": open_windows,
            "switched_arms": switched,
        }
        rows["experiments"].append({"experiment": name, **facts})
        for table, lines in found.tables.items():
            rows.setdefault(table, []).extend({"experiment": name, **line} for line in lines)
    tables = {name: pd.DataFrame(lines) for name, lines in rows.items() if lines}
    return Section(tuple(summary), tuple(missing), tables)


def analyse(
    name: str, units: Units, test: ExperimentSettings, settings: ExperimentsSettings
) -> Analysis:
    """Analyse one experiment.

    Parameters
    ----------
    name : str
    units : Units
    test : ExperimentSettings
    settings : ExperimentsSettings

    Returns
    -------
    Analysis
        With only the arms where there is a sample ratio mismatch or an
        empty arm: no difference is computed then.
    """
    sizes = units.sizes()
    ratio = check_sample_ratio(sizes, np.array(list(test.arms.values())))
    tables = {"arms": arm_rows(units, test, ratio, confidence=settings.confidence)}
    empty = [arm for arm, size in zip(units.arms, sizes, strict=True) if size == 0]
    if empty:
        nobody = f"{name}: nobody is in the arm {listed(empty)}, so there is nothing to compare."
        return Analysis("empty_arm", [], [nobody], tables)
    if ratio.mismatch:
        return Analysis("sample_ratio_mismatch", [_mismatch(name, units, ratio)], [], tables)
    tables["comparisons"], tables["looks"] = comparison_rows(units, settings)
    tables["guardrails"] = guardrail_rows(units, test, settings)
    tables["segments"], tables["interactions"] = segment_rows(units, settings)
    missing = []
    if test.factors:
        absent = missing_combinations(test.factors, units.arms)
        if absent:
            missing.append(
                f"{name}: the effects of the factors cannot be separated, as no arm has "
                f"{listed(absent)}."
            )
        else:
            counts = units.counts(), sizes
            effects = factor_effects(
                test.factors, units.arms, counts, confidence=settings.confidence
            )
            tables["factors"] = with_holm([vars(effect) for effect in effects])
    if units.revenue is None:
        missing.append(f"{name}: no conversion has a value, so revenue is not compared.")
    elif all(row["revenue_difference"] is None for row in tables["comparisons"]):
        missing.append(f"{name}: too few units paid in its window to compare revenue.")
    result, summary = _summarise(name, tables, test, settings)
    return Analysis(result, summary, missing, tables)


def _summarise(
    name: str, tables: dict[str, Rows], test: ExperimentSettings, settings: ExperimentsSettings
) -> tuple[str, list[str]]:
    """Return the result of an experiment without a mismatch, and its sentences."""
    alpha = 1 - settings.confidence
    arms = {row["arm"]: row for row in tables["arms"]}
    significant = [row for row in tables["comparisons"] if row["p_adjusted"] < alpha]
    summary = [_winner(name, row, arms, test.metric) for row in significant]
    if not significant:
        summary.append(_no_difference(name, arms, test, settings))
    summary += [
        f"{name}: {row['arm']} harms the guardrail metric `{row['step']}`: {row['rate']:.2%} "
        f"against {row['reference_rate']:.2%}."
        for row in tables["guardrails"]
        if row["harmed"]
    ]
    summary += [
        f"{name}: the effect of {row['arm']} differs by {row['attribute']}."
        for row in tables["interactions"]
        if row["p_adjusted"] < alpha
    ]
    return ("winner" if significant else "no_difference"), summary


def _winner(name: str, row: dict[str, Any], arms: dict[str, dict[str, Any]], metric: str) -> str:
    better, worse = row["arm"], row["reference"]
    low, high = row["difference_low"], row["difference_high"]
    if row["difference"] < 0:
        better, worse, low, high = worse, better, -high, -low
    one, other = arms[better]["rate"], arms[worse]["rate"]
    looks = (
        "It stays significant with daily looks at the results."
        if row["anytime_significant"]
        else "That holds for a single look at the end; with daily looks it is not significant yet."
    )
    return (
        f"{name}: {better} is better than {worse}. {one:.1%} did `{metric}` against {other:.1%}, "
        f"a difference of {low * 100:.1f} to {high * 100:.1f} percentage points. Units were "
        f"assigned at random, so this is an effect. {looks}"
    )


def _no_difference(
    name: str,
    arms: dict[str, dict[str, Any]],
    test: ExperimentSettings,
    settings: ExperimentsSettings,
) -> str:
    rate = next(iter(arms.values()))["rate"]
    smallest = min(row["units"] for row in arms.values())
    text = f"{name}: no significant difference in `{test.metric}`."
    if not 0 < rate < 1:
        return text
    design = Design(rate, len(arms), settings.power, 1 - settings.confidence)
    detectable = minimum_detectable_effect(design, smallest)
    if detectable is None:
        return f"{text} With {smallest:,} units per arm hardly any effect is detectable."
    text += f" With {smallest:,} units per arm the minimum detectable effect is {detectable:.0%}"
    effect = test.minimum_effect
    if effect is None or rate * (1 + effect) >= 1 or effect >= detectable:
        return f"{text}."
    return f"{text}; to detect {effect:.0%} it needs {required_sample_size(design, effect):,}."


def _mismatch(name: str, units: Units, ratio: SampleRatio) -> str:
    sizes = ", ".join(
        f"{arm} {size:,} instead of {expected:,.0f}"
        for arm, size, expected in zip(units.arms, units.sizes(), ratio.expected, strict=True)
    )
    return (
        f"{name}: sample ratio mismatch ({sizes}; p = {ratio.p_value:.1g}). Units are missing or "
        "misassigned for a reason that may be related to the outcome, so no difference is shown. "
        "Find the reason and repeat the experiment."
    )
