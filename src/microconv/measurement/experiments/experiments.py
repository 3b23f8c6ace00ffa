"""The part `experiments`: every test of the settings, read off the study."""

from __future__ import annotations

from typing import Any

import pandas as pd

from microconv.errors import MicroconvError
from microconv.measurement.experiments.analyse import Analysis, analyse
from microconv.measurement.experiments.assignment import Assignment, draw_units
from microconv.measurement.experiments.units import Units
from microconv.measurement.section import Section
from microconv.measurement.study.study import Study
from microconv.settings import ExperimentSettings, ExperimentsSettings


def experiments(
    study: Study, settings: ExperimentsSettings, *, min_human_probability: float
) -> Section:
    """Read every test that the settings describe.

    Parameters
    ----------
    study : Study
    settings : ExperimentsSettings
    min_human_probability : float
        Events less likely to be a person's do not count as a metric or a guardrail.

    Returns
    -------
    Section
        Table `experiments` has a row per test; the other tables say which test
        a row belongs to in the column `experiment`. A test that cannot be read
        says why among what is missing, and the others are there.
    """
    if not settings.tests:
        return Section(
            missing=(
                "No test is described in `experiments.tests`, so nothing can be said about what "
                "a change causes. Randomise one: two variants of a message, half of the "
                "prospects each.",
            )
        )
    says: list[str] = []
    missing: list[str] = []
    rows: dict[str, list[dict[str, Any]]] = {"experiments": []}
    for name, test in settings.tests.items():
        try:
            drawn = draw_units(
                study,
                test,
                pre_period_days=settings.pre_period_days,
                min_human_probability=min_human_probability,
            )
            found, facts = _read(name, test, settings, drawn)
        except MicroconvError as error:
            missing.append(f"{name}: {error}")
            continue
        says += found.says
        missing += found.missing
        rows["experiments"].append({"experiment": name, "result": found.result, **facts})
        for table, lines in found.tables.items():
            rows.setdefault(table, []).extend({"experiment": name, **line} for line in lines)
    tables = {name: pd.DataFrame(lines) for name, lines in rows.items() if lines}
    return Section(tuple(says), tuple(missing), tables)


def _read(
    name: str,
    test: ExperimentSettings,
    settings: ExperimentsSettings,
    drawn: tuple[Units, Assignment, int],
) -> tuple[Analysis, dict[str, Any]]:
    units, assigned, waiting = drawn
    facts = {
        "dimension": test.dimension,
        "metric": test.metric,
        "within_days": test.within_days,
        "assigned": len(assigned.prospect),
        "analysed": len(units),
        "window_open": waiting,
        "switched_arms": assigned.switched,
    }
    found = analyse(name, units, test, settings)
    if waiting:
        found.missing.append(
            f"{name}: {waiting:,} of {len(assigned.prospect):,} units were assigned less than "
            f"{test.within_days:g} days before the log ends and are not read yet."
        )
    if assigned.switched:
        found.missing.append(
            f"{name}: {assigned.switched:,} units were given a second arm later; each counts where "
            "it was first."
        )
    return found, facts
