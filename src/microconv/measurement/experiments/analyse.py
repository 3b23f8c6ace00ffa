"""One experiment read: the split first, then every comparison, and what may be said of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from microconv.errors import listed
from microconv.measurement.experiments.factorial import contrasts, missing_cells
from microconv.measurement.experiments.pairs import pair_rows
from microconv.measurement.experiments.rows import (
    Rows,
    arm_rows,
    corrected,
    guardrail_rows,
    segment_rows,
)
from microconv.measurement.experiments.split import check_split
from microconv.measurement.experiments.summary import mismatch, verdict
from microconv.measurement.experiments.units import Units
from microconv.settings import ExperimentSettings, ExperimentsSettings


@dataclass(frozen=True)
class Analysis:
    """What one experiment says.

    Attributes
    ----------
    result : str
        `sample_ratio_mismatch`, `winner`, `no_difference` or `empty_arm`.
    says, missing : list of str
    tables : dict of str to list of dict
        Rows of `arms`, `comparisons`, `guardrails`, `looks`, `segments`,
        `interactions`, `factors`.
    """

    result: str
    says: list[str]
    missing: list[str] = field(default_factory=list)
    tables: dict[str, Rows] = field(default_factory=dict)


def analyse(
    name: str, units: Units, test: ExperimentSettings, settings: ExperimentsSettings
) -> Analysis:
    """Read one experiment.

    Parameters
    ----------
    name : str
    units : Units
    test : ExperimentSettings
    settings : ExperimentsSettings

    Returns
    -------
    Analysis
        With the arms alone where the split is not what was intended or an arm
        is empty: no difference is computed then.
    """
    sizes = units.sizes()
    split = check_split(sizes, np.array(list(test.arms.values())))
    tables: dict[str, Rows] = {"arms": arm_rows(units, test, split, settings.confidence)}
    empty = [arm for arm, size in zip(units.arms, sizes, strict=True) if size == 0]
    if empty:
        nobody = f"{name}: nobody is in the arm {listed(empty)}, so there is nothing to compare."
        return Analysis("empty_arm", [], [nobody], tables)
    if not split.holds:
        return Analysis("sample_ratio_mismatch", [mismatch(name, units, split)], [], tables)
    tables["comparisons"], tables["looks"] = pair_rows(units, settings)
    tables["guardrails"] = guardrail_rows(units, test, settings)
    tables["segments"], tables["interactions"] = segment_rows(units, settings)
    missing = []
    if test.factors:
        absent = missing_cells(test.factors, units.arms)
        if absent:
            missing.append(
                f"{name}: the factors cannot be told apart, as no arm has {listed(absent)}."
            )
        else:
            counts = units.counts(), sizes
            effects = contrasts(test.factors, units.arms, counts, confidence=settings.confidence)
            tables["factors"] = corrected([vars(c) for c in effects])
    if units.revenue is None:
        missing.append(f"{name}: no conversion has a value, so revenue is not compared.")
    elif all(row["revenue_difference"] is None for row in tables["comparisons"]):
        missing.append(f"{name}: too few units paid in its window to compare revenue.")
    found, says = verdict(name, tables, test, settings)
    return Analysis(found, says, missing, tables)
