"""Completion rates of micro-conversions: by step, stage, message, segment and month.

Only events while at risk count, not those after a purchase or a disqualification. Next to each
raw count is the expected number of *people* among the prospects who completed the step: one
minus the probability that a machine did all of a prospect's events.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from microconv.errors import listed
from microconv.histories.arrays import Int64
from microconv.journey import MICRO
from microconv.measurement.section import MAX_NAMED, Section
from microconv.measurement.stats.intervals import wilson_interval
from microconv.measurement.study.message_sends import NO_GOAL, MessageSends, message_goals
from microconv.measurement.study.study import NO_CODE, Floats, Int32, Study
from microconv.settings import MeasureSettings

MAX_STEPS = 30
"""Segments and months are shown for this many steps, the most completed ones."""

UNKNOWN_VALUE = "(unknown)"


def completion(study: Study, sends: MessageSends, settings: MeasureSettings) -> Section:
    """Measure completion rates.

    Parameters
    ----------
    study : Study
    sends : MessageSends
    settings : MeasureSettings

    Returns
    -------
    Section
        Tables `steps`, `stages`, `campaigns`, `positions`, `segments` and `months`.
    """
    micro = study.journey.codes_of_kind("micro")
    at_risk = sends.time < study.follow_up.ended_at[sends.prospect]
    sends = sends.where(at_risk & study.follow_up.at_risk[sends.prospect]).with_outcome()
    steps = _steps(study, micro, sends, settings)
    shown = list(steps.sort_values("completed", ascending=False)["step"])[:MAX_STEPS]
    groups = {name: (codes.codes, codes.labels) for name, codes in study.segments.items()}
    segments = _by_groups(study, groups.items(), shown, settings)
    months = _by_groups(study, [("month", arrival_months(study))], shown, settings)
    tables = {
        "steps": steps,
        "stages": _stages(study, settings),
        "campaigns": _by_message(study, sends, ["campaign_id", "goal"], settings),
        "positions": _by_message(study, sends, ["position", "goal"], settings),
        "segments": segments,
        "months": months.drop(columns="attribute").rename(columns={"group": "month"}),
    }
    return Section(_summary(steps, settings), _missing(study, steps), tables)


def _steps(
    study: Study, micro: npt.NDArray[np.int16], sends: MessageSends, settings: MeasureSettings
) -> pd.DataFrame:
    everybody = np.zeros(len(study), np.int32)
    prospects, completed, by_people = _count_completions(
        study, everybody, 1, np.arange(len(study.journey), dtype=np.int32)
    )
    steps = [study.journey.steps[code] for code in micro]
    table = pd.DataFrame(
        {
            "step": [step.name for step in steps],
            "stage": [step.stage for step in steps],
            "commitment": [step.commitment for step in steps],
            "prospects": prospects[0],
            "reached": _reached(study)[study.journey.stage_codes[micro]],
            "completed": completed[0, micro].astype(np.int64),
            "completed_by_people": by_people[0, micro],
            "messaged": _prospects_by_goal(study, sends)[micro],
            "responded": _prospects_by_goal(study, sends.where(sends.responded))[micro],
        }
    )
    table = add_rate(table, "completed", "prospects", settings)
    table = add_rate(table, "completed_by_people", "prospects", settings)
    table = add_rate(table, "completed", "reached", settings, name="completed_of_reached")
    return add_rate(table, "responded", "messaged", settings)


def _reached(study: Study) -> Int64:
    """Count, for each stage, the prospects who had reached the stage before it."""
    stages, everybody = study.journey.stage_codes, np.zeros(len(study), np.int32)
    micro = study.journey.kinds == MICRO
    reached = [int(study.follow_up.at_risk.sum())]
    for stage in range(1, len(study.journey.stages)):
        target = np.where(micro & (stages >= stage - 1), 0, NO_CODE).astype(np.int32)
        reached.append(int(_count_completions(study, everybody, 1, target, n_targets=1)[1][0, 0]))
    return np.array(reached, np.int64)


def _stages(study: Study, settings: MeasureSettings) -> pd.DataFrame:
    target = np.where(study.journey.kinds == MICRO, study.journey.stage_codes, NO_CODE).astype(
        np.int32
    )
    size = len(study.journey.stages)
    prospects, completed, by_people = _count_completions(
        study, np.zeros(len(study), np.int32), 1, target, n_targets=size
    )
    table = pd.DataFrame(
        {
            "stage": study.journey.stages,
            "prospects": prospects[0],
            "completed": completed[0].astype(np.int64),
            "completed_by_people": by_people[0],
        }
    )
    table = add_rate(table, "completed", "prospects", settings)
    return add_rate(table, "completed_by_people", "prospects", settings)


def _by_groups(
    study: Study,
    groups: Iterable[tuple[str, tuple[Int32, tuple[str, ...]]]],
    shown: list[str],
    settings: MeasureSettings,
) -> pd.DataFrame:
    """Count completions of each group of each attribute."""
    micro = [study.journey.code_of(step) for step in shown]
    target = np.full(len(study.journey), NO_CODE, np.int32)
    target[micro] = np.arange(len(micro))
    parts = [pd.DataFrame(columns=["attribute", "group", "step", "prospects", "completed"])]
    for attribute, (codes, labels) in groups:
        names = [*labels, UNKNOWN_VALUE]
        own = np.where(codes < 0, len(labels), codes).astype(np.int32)
        prospects, completed, by_people = _count_completions(
            study, own, len(names), target, n_targets=len(micro)
        )
        part = pd.DataFrame(
            {
                "attribute": attribute,
                "group": np.repeat(names, len(micro)),
                "step": np.tile(shown, len(names)),
                "prospects": np.repeat(prospects, len(micro)),
                "completed": completed.ravel().astype(np.int64),
                "completed_by_people": by_people.ravel(),
            }
        )
        parts.append(part[part["prospects"] > 0])
    table = pd.concat(parts[1:], ignore_index=True) if len(parts) > 1 else parts[0]
    return add_rate(table, "completed", "prospects", settings)


def arrival_months(study: Study) -> tuple[Int32, tuple[str, ...]]:
    """Return the month in which each prospect was first seen, as codes and labels."""
    month = study.follow_up.first_seen.astype("datetime64[us]").astype("datetime64[M]")
    labels, codes = np.unique(month, return_inverse=True)
    return codes.astype(np.int32), tuple(str(label) for label in labels)


def _prospects_by_goal(study: Study, sends: MessageSends) -> Int64:
    """Count the prospects among the recipients of messages that ask for each step."""
    pairs = np.unique(sends.prospect * len(study.journey) + sends.goal)
    return np.bincount(pairs % len(study.journey), minlength=len(study.journey)).astype(np.int64)


def _by_message(
    study: Study, sends: MessageSends, keys: list[str], settings: MeasureSettings
) -> pd.DataFrame:
    """Sum sends and responses over the messages of each campaign or position."""
    table = pd.DataFrame(columns=[*keys, "sends", "responses"])
    if study.messages is not None:
        goal, size = message_goals(study), len(study.messages)
        messages = study.messages.assign(
            goal=[study.journey.step_names[code] for code in goal],
            sends=np.bincount(sends.message, minlength=size),
            responses=np.bincount(sends.message[sends.responded], minlength=size),
        )[goal != NO_GOAL]
        table = messages.groupby(keys, dropna=False, as_index=False)[["sends", "responses"]].sum()
    return add_rate(table, "responses", "sends", settings, name="response")


def add_rate(
    table: pd.DataFrame, count: str, total: str, settings: MeasureSettings, *, name: str = ""
) -> pd.DataFrame:
    """Add the columns of a rate with Wilson's confidence interval.

    Parameters
    ----------
    table : DataFrame
    count, total : str
        Columns of the numerator and the denominator.
    settings : MeasureSettings
    name : str
        Prefix of the new columns `…_rate`, `…_low` and `…_high`; `count` when empty.

    Returns
    -------
    DataFrame
    """
    counts, totals = (table[column].to_numpy(np.float64) for column in (count, total))
    low, high = wilson_interval(counts, totals, confidence=settings.confidence)
    rate = np.divide(counts, totals, out=np.full(len(table), np.nan), where=totals > 0)
    name = name or count
    return table.assign(**{f"{name}_rate": rate, f"{name}_low": low, f"{name}_high": high})


def _summary(steps: pd.DataFrame, settings: MeasureSettings) -> tuple[str, ...]:
    done = steps[steps["completed"] > 0].sort_values("completed_rate", ascending=False)
    if not len(done):
        return ()
    first, last = done.iloc[0], done.iloc[-1]
    sentences = [
        f"The most completed step is {first['step']} ({first['completed_rate']:.1%} of "
        f"{first['prospects']:,} prospects), the least {last['step']} "
        f"({last['completed_rate']:.2%})."
    ]
    messaged = steps[steps["messaged"] > 0].sort_values("responded_rate")
    if len(messaged):
        worst, best = messaged.iloc[0], messaged.iloc[-1]
        sentences.append(
            f"Of the goals of messages, {best['step']} has the highest response rate "
            f"({best['responded_rate']:.1%} of the recipients), {worst['step']} the lowest "
            f"({worst['responded_rate']:.1%})."
        )
    return tuple(sentences)


def _missing(study: Study, steps: pd.DataFrame) -> tuple[str, ...]:
    missing = []
    never = steps.loc[steps["completed"] == 0, "step"].tolist()
    if never:
        missing.append(f"Nobody completed {listed(never, most=MAX_NAMED)} while at risk.")
    if study.messages is None:
        missing.append(
            "The log has no messages table, so response rates by campaign and position cannot be "
            "measured. Add a source of the format `messages`."
        )
    elif not steps["messaged"].any():
        missing.append(
            "No event belongs to a message with a micro step as its goal, so no response is "
            "counted. Map `message_id` in the email source, and give the messages a `goal`."
        )
    if not study.segments:
        missing.append("No attribute was known when prospects were first seen: no segments.")
    return tuple(missing)


def _count_completions(
    study: Study, group: Int32, n_groups: int, target: Int32, *, n_targets: int | None = None
) -> tuple[Int64, Floats, Floats]:
    """Count the prospects of each group at risk, and those who did each target while at risk.

    Returned are the counts of prospects by group, of completions by group and target, and the
    expected number of people among these: one minus the probability that a machine did all of a
    prospect's events, summed. `group` holds the group of each prospect, `target` that of each
    step of the journey (-1 for none); there are as many targets as steps when `n_targets` is None.
    """
    follow_up = study.follow_up
    size = len(target) if n_targets is None else n_targets
    completed, by_people = _tally(
        study.offsets,
        (study.time, target[study.step], study.human_probability),
        np.where(follow_up.at_risk, follow_up.ended_at, np.iinfo(np.int64).min),
        group,
        (n_groups, size),
    )
    prospects = np.bincount(group[follow_up.at_risk], minlength=n_groups)
    return prospects, completed, by_people


@njit(cache=True, nogil=True)
def _tally(offsets, events, ended_at, group, shape):  # type: ignore[no-untyped-def]
    time, target, human_probability = events
    completed = np.zeros(shape, np.float64)
    by_people = np.zeros(shape, np.float64)
    seen_by = np.full(shape[1], -1, np.int64)
    machine = np.empty(shape[1], np.float64)  # probability that no person did it so far
    touched = np.empty(shape[1], np.int64)
    for p in range(len(offsets) - 1):
        m = 0
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= ended_at[p]:
                break
            k = target[i]
            if k < 0:
                continue
            if seen_by[k] != p:
                seen_by[k], machine[k] = p, 1.0
                touched[m] = k
                m += 1
            machine[k] *= 1.0 - human_probability[i]
        for j in range(m):
            completed[group[p], touched[j]] += 1
            by_people[group[p], touched[j]] += 1.0 - machine[touched[j]]
    return completed, by_people
