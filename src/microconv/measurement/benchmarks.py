"""How often each ask is answered, against what comparable sends lead one to expect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.errors import listed
from microconv.journey import JourneyMap
from microconv.measurement.expected import APART, MOST_JUMPS, expect, histories_of
from microconv.measurement.section import MOST_NAMED, Section
from microconv.measurement.stats.intervals import wilson_interval
from microconv.measurement.stats.shrinkage import fit_prior_strength, shrink_rates
from microconv.measurement.study.message_sends import NO_GOAL, MessageSends
from microconv.measurement.study.study import Floats, Study
from microconv.settings import BenchmarkSettings

NO_MESSAGES = (
    "There is no table of messages with goals, so nobody knows which step a message asks for. "
    "Bring one (a source of the format `messages`, column `goal`)."
)


def benchmarks(
    study: Study, sends: MessageSends, settings: BenchmarkSettings, *, confidence: float
) -> Section:
    """Compare each ask with what comparable ones lead one to expect.

    Parameters
    ----------
    study : Study
    sends : MessageSends
        All of the study's; those whose time to answer is not over are left out.
    settings : BenchmarkSettings
    confidence : float

    Returns
    -------
    Section
        Table `benchmarks`: a row per step, campaign and position. Table
        `breakdown`: a row per step and position, previous step or history of
        whoever was asked.
    """
    asked = sends.where(sends.window_closed & (sends.goal != NO_GOAL))
    if study.messages is None or len(asked) == 0:
        return Section(missing=(NO_MESSAGES,))
    cells = count_responses(study.journey, study.messages, asked)
    table = _compare(cells, settings, confidence)
    goals = set(asked.goal.tolist())
    unasked = [name for name in study.names_of("micro") if study.journey.code_of(name) not in goals]
    missing = []
    if unasked:
        missing.append(
            f"No message asks for {listed(unasked, most=MOST_NAMED)}: these steps have no "
            "benchmark of their own."
        )
    if table["expected_rate"].isna().any():
        missing.append(
            "With a single message there is nothing comparable; put what the industry knows into "
            "`benchmarks.priors`."
        )
    tables = {"benchmarks": table, "breakdown": _by_state(cells, confidence)}
    return Section(_says(table), tuple(missing), tables)


def count_responses(
    journey: JourneyMap, messages: pd.DataFrame, sends: MessageSends
) -> pd.DataFrame:
    """Count sends and answers by message, history and previous step.

    Returns
    -------
    DataFrame
        `step`, `campaign`, `position`, `stage`, `commitment`, `jump`, `apart`,
        `previous`, `sends`, `responses`.
    """
    jump, apart = histories_of(journey, sends)
    shape = (len(messages), MOST_JUMPS + 1, len(APART), len(journey) + 1)
    place = (sends.message.astype(np.int64), jump, apart, sends.last_step.astype(np.int64) + 1)
    cell = np.ravel_multi_index(place, shape)
    asked = np.bincount(cell, minlength=int(np.prod(shape)))
    answered = np.bincount(cell[sends.responded], minlength=len(asked))
    some = np.flatnonzero(asked)
    message, jump, apart, last = np.unravel_index(some, shape)
    goal = goal_of(sends, len(messages))[message]
    rows = messages.iloc[message]
    names = np.array(["(none)", *journey.step_names], dtype=object)
    table = pd.DataFrame(
        {
            "step": names[1:][goal],
            "campaign": rows["campaign_id"].fillna("").to_numpy(),
            "position": rows["position"].astype("Int64").to_numpy(),
            "stage": np.array(journey.stages)[journey.stage_codes[goal]],
            "commitment": journey.commitments[goal],
            "jump": jump,
            "apart": APART[apart],
            "previous": names[last],
            "sends": asked[some],
            "responses": answered[some],
        }
    )
    keys = [name for name in table.columns if name not in ("sends", "responses")]
    return table.groupby(keys, sort=False, dropna=False).sum().reset_index()


def goal_of(sends: MessageSends, n_messages: int) -> npt.NDArray[np.int64]:
    """Look up the step that each message asks for, from its sends."""
    goals = np.zeros(n_messages, np.int64)
    goals[sends.message] = sends.goal
    return goals


def _compare(cells: pd.DataFrame, settings: BenchmarkSettings, confidence: float) -> pd.DataFrame:
    from scipy.stats import beta

    keys = ["step", "campaign", "position", "stage", "commitment"]
    groups = cells.groupby(keys, sort=False, dropna=False)[["sends", "responses"]].sum()
    groups = groups.reset_index()
    done, asked = (groups[name].to_numpy(np.float64) for name in ("responses", "sends"))
    expected, worth = expect(groups, cells, settings)
    strength = 1 / (1 / fit_prior_strength(done, asked, expected) + 1 / worth)
    shrunk = shrink_rates(done, asked, expected, strength=strength, confidence=confidence)
    low, high = wilson_interval(done, asked, confidence=confidence)
    target = beta.ppf(settings.target, strength * expected, strength * (1 - expected))
    gain = np.maximum(0.0, target - shrunk.rate) * asked
    return groups.assign(
        rate=done / asked,
        rate_low=low,
        rate_high=high,
        expected_rate=expected,
        shrunk_rate=shrunk.rate,
        shrunk_low=shrunk.low,
        shrunk_high=shrunk.high,
        target_rate=target,
        additional_responses=gain,
        prior_weight=strength,
        versus_expected=_judge(expected, shrunk.low, shrunk.high),
    ).sort_values(["additional_responses", "step"], ascending=[False, True], ignore_index=True)


def _judge(expected: Floats, low: Floats, high: Floats) -> pd.Series:
    words = np.where(high < expected, "below", np.where(low > expected, "above", "as expected"))
    return pd.Series(words, dtype=object).where(~np.isnan(expected), None)


def _by_state(cells: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Give the rate of each step by position, previous step and history, shrunk to the step's."""
    history = cells["apart"] + np.where(cells["jump"] > 0, ", too much at once", "")
    parts = []
    for by, values in (
        ("position", cells["position"].astype(str)),
        ("previous step", cells["previous"]),
        ("history", history),
    ):
        rows = cells.assign(by=by, value=values).groupby(["step", "by", "value"], sort=True)
        table = rows[["sends", "responses"]].sum().reset_index()
        table = table[table.groupby("step")["value"].transform("size") > 1]
        whole = table.groupby("step")[["sends", "responses"]].transform("sum")
        mean = ((whole["responses"] + 0.5) / (whole["sends"] + 1)).to_numpy(np.float64)
        done, asked = (table[name].to_numpy(np.float64) for name in ("responses", "sends"))
        strength = fit_prior_strength(done, asked, mean)
        low, high = wilson_interval(done, asked, confidence=confidence)
        expected = (strength * mean + done) / (strength + asked)
        parts.append(
            table.assign(rate=done / asked, rate_low=low, rate_high=high, expected_rate=expected)
        )
    return pd.concat(parts, ignore_index=True)


def _says(table: pd.DataFrame) -> tuple[str, ...]:
    below = table[table["versus_expected"] == "below"]
    says = [
        f"{len(below)} of {len(table)} sends are answered less often than comparable ones lead one "
        "to expect."
    ]
    says += [
        f"`{row['step']}` (message {row['position']} of {row['campaign'] or 'no campaign'}): "
        f"{row['rate']:.1%} answered, {row['expected_rate']:.1%} expected of comparable sends, "
        f"{row['target_rate']:.1%} within reach."
        for row in below.head(5).to_dict("records")
    ]
    return tuple(says)
