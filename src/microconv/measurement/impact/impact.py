"""Impact: what each micro-conversion, and each sequence of them, goes together with.

Every one is held against four comparators, from the least to the most honest:
everybody who did not (what a dashboard would say), comparable prospects at a
landmark, comparable person-time, and the same steps in another order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from microconv.engines.engine import map_buckets
from microconv.histories.arrays import DAY
from microconv.measurement.impact.comparison import (
    Codes16,
    Comparison,
    ComparisonContext,
    assess_claim,
    compare,
    comparison_row,
    revenue_row,
)
from microconv.measurement.impact.landmark import draw_bootstrap, landmark_cohort
from microconv.measurement.impact.person_time import total_person_time
from microconv.measurement.impact.sequence_mining import Candidate, choose_candidates, mine
from microconv.measurement.section import Section
from microconv.measurement.stats.intervals import benjamini_hochberg
from microconv.measurement.study.human_events import (
    HumanEvents,
    open_step_codes,
    select_human_events,
)
from microconv.measurement.study.study import Bools, Study
from microconv.settings import MeasureSettings, PlannedSequence

EVERYBODY, OTHER_HALF = "all prospects", "the half on which nothing was mined"
FEWEST = 20
"""A mined sequence was completed by so many prospects of the mining half, at least."""


@dataclass(frozen=True)
class _Doings:
    at_risk: HumanEvents
    ever: HumanEvents


def impact(study: Study, settings: MeasureSettings, *, threads: int | None = None) -> Section:
    """Compare completers of every step and sequence with everybody comparable.

    Parameters
    ----------
    study : Study
    settings : MeasureSettings
    threads : int, optional
        Every core when None; changes no value.

    Returns
    -------
    Section
        Tables `claims` (one row per sequence asked about, or else for the most
        convincing one mined), `steps`, `sequences` and `revenue`. The p-value that
        is corrected for many tests is `rate_ratio_p` of steps and `order_ratio_p` of sequences.
    """
    did = _Doings(
        select_human_events(study, min_human_probability=settings.min_human_probability),
        select_human_events(
            study, min_human_probability=settings.min_human_probability, at_risk=False
        ),
    )
    asked = [request for request in settings.sequences if _is_known(study, request)]
    chosen = _mined(study, settings, did.at_risk)
    everybody = _context(study, settings, did, np.ones(len(study), bool), EVERYBODY)
    other_half = _context(study, settings, did, ~study.mining_half, OTHER_HALF)
    steps = [np.array([code]) for code in study.journey.codes_of_kind("micro")]
    questions = [_codes(study, request.steps) for request in asked]
    patterns = [np.array(candidate.steps, np.int16) for candidate in chosen]
    work: list[tuple[ComparisonContext, Codes16]] = [
        *((everybody, step.astype(np.int16)) for step in steps),
        *((everybody, question) for question in questions),
        *((other_half, pattern) for pattern in patterns),
    ]
    done = list(map_buckets(lambda k: compare(*work[k]), len(work), threads=threads))
    single, wanted = done[: len(steps)], done[len(steps) : len(steps) + len(asked)]
    tested = done[len(steps) + len(asked) :]
    tables = {
        "claims": _verdicts(settings, asked, wanted, tested),
        "steps": _ranked(single, "rate", settings.false_discovery_rate),
        "sequences": _ranked(tested, "order", settings.false_discovery_rate, chosen),
        "revenue": pd.DataFrame([revenue_row(each) for each in done]),
    }
    return Section(_summary(study, tables, settings), _missing(study, settings, tables), tables)


def _is_known(study: Study, request: PlannedSequence) -> bool:
    return set(request.steps) <= set(study.names_of("micro"))


def _codes(study: Study, steps: tuple[str, ...]) -> Codes16:
    return np.array([study.journey.code_of(step) for step in steps], np.int16)


def _mined(study: Study, settings: MeasureSettings, human_events: HumanEvents) -> list[Candidate]:
    """Mine one half, and choose what the other half is to test."""
    follow_up = study.follow_up
    half = study.mining_half & follow_up.at_risk
    days = float((follow_up.ended_at - follow_up.first_seen)[half].sum()) / DAY
    if settings.max_sequences == 0 or days == 0:
        return []
    found = mine(
        human_events,
        follow_up,
        study.mining_half,
        n_steps=len(study.journey),
        longest=settings.max_sequence_length,
        least=max(FEWEST, round(settings.min_support * int(half.sum()))),
        spans=(round(settings.within_days * DAY), round(settings.effect_days * DAY)),
    )
    rate = float((follow_up.converted & half).sum()) / days
    return choose_candidates(found, rate=rate, most=settings.max_sequences)


def _context(
    study: Study, settings: MeasureSettings, did: _Doings, among: Bools, population: str
) -> ComparisonContext:
    landmark = landmark_cohort(study, did.at_risk, settings, among)
    return ComparisonContext(
        study=study,
        settings=settings,
        among=among,
        population=population,
        person_time=total_person_time(did.at_risk, study.follow_up, among),
        everything=did.ever,
        landmark=landmark,
        resamples=draw_bootstrap(landmark, settings.bootstrap, seed=settings.seed),
    )


def _ranked(
    done: list[Comparison], primary: str, rate: float, chosen: list[Candidate] | None = None
) -> pd.DataFrame:
    """Put comparisons into a table, the surest first, with the correction for many tests."""
    if not done:
        return pd.DataFrame()
    table = pd.DataFrame([comparison_row(each) for each in done])
    if chosen is not None:
        table["mined_completers"] = [candidate.completed for candidate in chosen]
    found, q = benjamini_hochberg(table[f"{primary}_ratio_p"].to_numpy(float), rate=rate)
    near = [getattr(each, primary).conservative for each in done]
    table = table.assign(q_value=q, significant=found, conservative_ratio=near)
    table = table.assign(distance=np.abs(np.log(table["conservative_ratio"].clip(lower=1e-9))))
    table = table.sort_values(
        ["distance", f"{primary}_ratio_p", "sequence"], ascending=[False, True, True], kind="stable"
    )
    return table.drop(columns="distance").reset_index(drop=True)


def _verdicts(
    settings: MeasureSettings,
    asked: list[PlannedSequence],
    wanted: list[Comparison],
    tested: list[Comparison],
) -> pd.DataFrame:
    claim = settings.claimed_ratio
    rows = [
        assess_claim(each, claim=claim, randomised=request.randomised, population=EVERYBODY)
        for request, each in zip(asked, wanted, strict=True)
    ]
    if not rows and tested:
        known = [each for each in tested if np.isfinite(each.order.ratio)] or tested
        surest = max(known, key=lambda each: (each.order.conservative, each.order.ratio))
        rows = [assess_claim(surest, claim=claim, randomised=False, population=OTHER_HALF)]
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
    for request in settings.sequences:
        unknown = sorted(set(request.steps) - set(study.names_of("micro")))
        if unknown:
            missing.append(
                f"`measure.sequences` asks about {', '.join(unknown)}, which is no micro step of "
                "the journey."
            )
    if len(study.names_of("micro")) < 2:
        missing.append("The journey has fewer than two micro steps, so there is no sequence.")
    elif not len(tables["sequences"]):
        missing.append("No sequence was completed often enough to be tested.")
    if not study.follow_up.converted.any():
        missing.append("Nobody converted while at risk, so no ratio can be given.")
    if not len(open_step_codes(study)):
        missing.append(
            "No exposure has `open` in its name, so opens could not be held equal; only the "
            "number of steps done and recency were."
        )
    if not (np.nan_to_num(study.follow_up.value) != 0).any():
        missing.append("No conversion has a value, so revenue cannot be compared.")
    return tuple(missing)
