"""Impact: association of each micro-conversion, and of each sequence of them, with converting.

The completers of each step or sequence are compared with four comparators, from the least to
the best adjusted: all other prospects (the unadjusted ratio), similar prospects at a landmark,
similar person-time before completion, and prospects with the same steps in another order.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.engines.engine import map_buckets
from microconv.histories.arrays import DAY
from microconv.measurement.impact.comparison import (
    Comparison,
    ComparisonContext,
    StepCodes,
    assess_claim,
    compare,
    comparison_row,
    revenue_row,
)
from microconv.measurement.impact.landmark import draw_bootstrap, landmark_cohort
from microconv.measurement.impact.person_time import total_person_time
from microconv.measurement.impact.sequence_mining import (
    Candidate,
    choose_candidates,
    mine_sequences,
)
from microconv.measurement.section import Section
from microconv.measurement.stats.intervals import benjamini_hochberg
from microconv.measurement.study.human_events import (
    HumanEvents,
    open_step_codes,
    select_human_events,
)
from microconv.measurement.study.study import Study
from microconv.settings import MeasureSettings, PlannedSequence

EVERYBODY, OTHER_HALF = "all prospects", "the half of the prospects not used for mining"

MIN_COMPLETERS = 20
"""Minimum number of prospects of the mining half who completed a mined sequence."""


def impact(study: Study, settings: MeasureSettings, *, threads: int | None = None) -> Section:
    """Compare the completers of every step and sequence with every comparator.

    Parameters
    ----------
    study : Study
    settings : MeasureSettings
    threads : int, optional
        All cores when None; does not change any value.

    Returns
    -------
    Section
        Tables `claims` (one row per sequence in the settings, or else for the most significant
        mined one), `steps`, `sequences` and `revenue`. The p-value corrected for multiple tests
        is `rate_ratio_p` of steps and `order_ratio_p` of sequences.
    """
    human = settings.min_human_probability
    events = select_human_events(study, min_human_probability=human)
    all_events = select_human_events(study, min_human_probability=human, at_risk=False)

    def context(population: str) -> ComparisonContext:
        everybody = np.ones(len(study), bool)
        among = everybody if population == EVERYBODY else ~study.mining_half
        landmark = landmark_cohort(study, events, settings, among)
        return ComparisonContext(
            study=study,
            settings=settings,
            among=among,
            population=population,
            person_time=total_person_time(events, study.follow_up, among),
            all_events=all_events,
            landmark=landmark,
            draws=draw_bootstrap(landmark, settings.bootstrap, seed=settings.seed),
        )

    known = set(study.names_of("micro"))
    planned = [sequence for sequence in settings.sequences if known.issuperset(sequence.steps)]
    candidates = _mine_candidates(study, settings, events)
    everybody, other_half = context(EVERYBODY), context(OTHER_HALF)
    steps = study.journey.codes_of_kind("micro")
    code_of = study.journey.code_of
    work: list[tuple[ComparisonContext, StepCodes]] = [
        *((everybody, np.array([code], np.int16)) for code in steps),
        *((everybody, np.array([code_of(s) for s in each.steps], np.int16)) for each in planned),
        *((other_half, np.array(candidate.steps, np.int16)) for candidate in candidates),
    ]
    done = list(map_buckets(lambda k: compare(*work[k]), len(work), threads=threads))
    n, m = len(steps), len(steps) + len(planned)
    tables = {
        "claims": _claims(settings, planned, done[n:m], done[m:]),
        "steps": _ranked(done[:n], "rate", settings.false_discovery_rate),
        "sequences": _ranked(done[m:], "order", settings.false_discovery_rate, candidates),
        "revenue": pd.DataFrame([revenue_row(each) for each in done]),
    }
    return Section(_summary(study, tables, settings), _missing(study, settings, tables), tables)


def _mine_candidates(
    study: Study, settings: MeasureSettings, human_events: HumanEvents
) -> list[Candidate]:
    """Mine one half of the prospects, and choose the sequences to test on the other half."""
    follow_up = study.follow_up
    half = study.mining_half & follow_up.at_risk
    days = float((follow_up.ended_at - follow_up.first_seen)[half].sum()) / DAY
    if settings.max_sequences == 0 or days == 0:
        return []
    found = mine_sequences(
        human_events,
        follow_up,
        study.mining_half,
        n_steps=len(study.journey),
        max_length=settings.max_sequence_length,
        min_completers=max(MIN_COMPLETERS, round(settings.min_support * int(half.sum()))),
        spans=(round(settings.within_days * DAY), round(settings.effect_days * DAY)),
    )
    rate = float((follow_up.converted & half).sum()) / days
    return choose_candidates(found, rate=rate, most=settings.max_sequences)


def _ranked(
    done: list[Comparison], primary: str, rate: float, candidates: list[Candidate] | None = None
) -> pd.DataFrame:
    """Tabulate comparisons, the most significant first, corrected for multiple tests."""
    if not done:
        return pd.DataFrame()
    table = pd.DataFrame([comparison_row(each) for each in done])
    if candidates is not None:
        table["mined_completers"] = [candidate.completed for candidate in candidates]
    found, q = benjamini_hochberg(table[f"{primary}_ratio_p"].to_numpy(float), rate=rate)
    conservative = [getattr(each, primary).conservative for each in done]
    table = table.assign(q_value=q, significant=found, conservative_ratio=conservative)
    table = table.assign(distance=np.abs(np.log(table["conservative_ratio"].clip(lower=1e-9))))
    table = table.sort_values(
        ["distance", f"{primary}_ratio_p", "sequence"], ascending=[False, True, True], kind="stable"
    )
    return table.drop(columns="distance").reset_index(drop=True)


def _claims(
    settings: MeasureSettings,
    planned: list[PlannedSequence],
    compared: list[Comparison],
    mined: list[Comparison],
) -> pd.DataFrame:
    claim = settings.claimed_ratio
    rows = [
        assess_claim(each, claim=claim, randomised=sequence.randomised, population=EVERYBODY)
        for sequence, each in zip(planned, compared, strict=True)
    ]
    if not rows and mined:
        known = [each for each in mined if np.isfinite(each.order.ratio)] or mined
        best = max(known, key=lambda each: (each.order.conservative, each.order.ratio))
        rows = [assess_claim(best, claim=claim, randomised=False, population=OTHER_HALF)]
    return pd.DataFrame(rows)


def _summary(
    study: Study, tables: dict[str, pd.DataFrame], settings: MeasureSettings
) -> tuple[str, ...]:
    follow_up = study.follow_up
    sentences = [f"{row.sequence}. {row.sentence}" for row in tables["claims"].itertuples()]
    sentences.append(
        f"{int(follow_up.converted.sum()):,} of {int(follow_up.at_risk.sum()):,} prospects "
        "converted while at risk."
    )
    for name, what in (("steps", "steps"), ("sequences", "mined sequences")):
        table = tables[name]
        if len(table):
            sentences.append(
                f"{int(table['significant'].sum())} of {len(table)} {what} differ from their "
                f"comparator at a false discovery rate of {settings.false_discovery_rate:.0%}."
            )
    sentences.append(
        "Nobody was assigned to these steps at random: read every ratio as an association. The "
        "column `unadjusted_ratio` is what a dashboard would show. It is too high wherever "
        "interested people both do more and buy more."
    )
    return tuple(sentences)


def _missing(
    study: Study, settings: MeasureSettings, tables: dict[str, pd.DataFrame]
) -> tuple[str, ...]:
    missing = []
    micro = set(study.names_of("micro"))
    for sequence in settings.sequences:
        unknown = sorted(set(sequence.steps) - micro)
        if unknown:
            missing.append(
                f"`measure.sequences` names {', '.join(unknown)}, which is not a micro-conversion "
                "of the journey."
            )
    if len(micro) < 2:
        missing.append("The journey has fewer than two micro-conversions, so no sequences.")
    elif not len(tables["sequences"]):
        missing.append("No sequence was completed often enough to be tested.")
    if not study.follow_up.converted.any():
        missing.append("Nobody converted while at risk, so there are no ratios.")
    if not len(open_step_codes(study)):
        missing.append(
            "No exposure has `open` in its name, so comparisons are adjusted for the number of "
            "steps done and for recency, but not for opens."
        )
    if not (np.nan_to_num(study.follow_up.value) != 0).any():
        missing.append("No conversion has a value, so revenue cannot be compared.")
    return tuple(missing)
