"""Benchmarks: each message's response rate against the rate expected from comparable messages.

Comparable are other messages with a goal of the same stage and commitment, sent to prospects
in the same *state*: how many levels of commitment the step was beyond their next one, and
whether its stage was behind, their own or ahead. The expected rate of a state is shrunk
towards what messages for other stages and commitments get in that state, the more so the
fewer comparable sends there are. A message never counts towards its own expected rate.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.errors import listed
from microconv.histories.arrays import Int64
from microconv.journey import JourneyMap
from microconv.measurement.section import MAX_NAMED, Section
from microconv.measurement.stats.intervals import wilson_interval
from microconv.measurement.stats.shrinkage import fit_prior_strength, shrink_rates
from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.study import Bools, Floats, Study
from microconv.settings import BenchmarkSettings

MAX_COMMITMENT_GAP = 2
"""Larger gaps count as this many levels."""

STAGE_POSITIONS = np.array(["stage behind", "same stage", "stage ahead"], dtype=object)
"""The stage of a step, relative to the stage of the recipient."""

MESSAGE = ["step", "campaign", "position"]
"""Columns that identify a message, its variants together."""

NO_MESSAGES = (
    "There is no table of messages with goals, so the goal of a message is unknown. "
    "Add one (a source of the format `messages`, column `goal`)."
)


def benchmarks(
    study: Study, sends: MessageSends, settings: BenchmarkSettings, *, confidence: float
) -> Section:
    """Compare the response rate of each message with that of comparable messages.

    Parameters
    ----------
    study : Study
    sends : MessageSends
        All of the study's; those whose time to respond is not over are left out.
    settings : BenchmarkSettings
    confidence : float

    Returns
    -------
    Section
        Table `benchmarks`: a row per step, campaign and position. Table
        `breakdown`: a row per step and position, previous step or state of
        the recipients.
    """
    sends = sends.with_outcome()
    if study.messages is None or len(sends) == 0:
        return Section(missing=(NO_MESSAGES,))
    counts = count_responses(study.journey, study.messages, sends)
    table = _compare(counts, settings, confidence)
    missing = []
    goals = set(sends.goal.tolist())
    without = [name for name in study.names_of("micro") if study.journey.code_of(name) not in goals]
    if without:
        missing.append(
            f"No message has the goal {listed(without, most=MAX_NAMED)}: these steps have no "
            "benchmark of their own."
        )
    if table["expected_rate"].isna().any():
        missing.append(
            "A single message cannot be compared with others. Put industry benchmarks into "
            "`benchmarks.priors`."
        )
    tables = {"benchmarks": table, "breakdown": _breakdown(counts, confidence)}
    return Section(_summary(table), tuple(missing), tables)


def count_responses(
    journey: JourneyMap, messages: pd.DataFrame, sends: MessageSends
) -> pd.DataFrame:
    """Count sends and responses by message, state of the recipients and their previous step.

    Parameters
    ----------
    journey : JourneyMap
    messages : DataFrame
        The study's table of messages.
    sends : MessageSends
        All with a goal.

    Returns
    -------
    DataFrame
        `step`, `campaign`, `position`, `stage`, `commitment`, `commitment_gap`,
        `stage_position`, `previous`, `sends`, `responses`.
    """
    gap = np.clip(sends.commitment_gap(journey), 0, MAX_COMMITMENT_GAP)
    position = np.sign(sends.stage_gap(journey)) + 1
    shape = (len(messages), MAX_COMMITMENT_GAP + 1, len(STAGE_POSITIONS), len(journey) + 1)
    place = (sends.message.astype(np.int64), gap, position, sends.last_step.astype(np.int64) + 1)
    cell = np.ravel_multi_index(place, shape)
    sent = np.bincount(cell, minlength=int(np.prod(shape)))
    responses = np.bincount(cell[sends.responded], minlength=len(sent))
    used = np.flatnonzero(sent)
    message, gap, position, last = np.unravel_index(used, shape)
    goals = np.zeros(len(messages), np.int64)
    goals[sends.message] = sends.goal
    goal, rows = goals[message], messages.iloc[message]
    names = np.array(["(none)", *journey.step_names], dtype=object)
    table = pd.DataFrame(
        {
            "step": names[1:][goal],
            "campaign": rows["campaign_id"].fillna("").to_numpy(),
            "position": rows["position"].astype("Int64").to_numpy(),
            "stage": np.array(journey.stages)[journey.stage_codes[goal]],
            "commitment": journey.commitments[goal],
            "commitment_gap": gap,
            "stage_position": STAGE_POSITIONS[position],
            "previous": names[last],
            "sends": sent[used],
            "responses": responses[used],
        }
    )
    keys = [name for name in table.columns if name not in ("sends", "responses")]
    return table.groupby(keys, sort=False, dropna=False).sum().reset_index()


def _compare(counts: pd.DataFrame, settings: BenchmarkSettings, confidence: float) -> pd.DataFrame:
    from scipy.stats import beta

    keys = [*MESSAGE, "stage", "commitment"]
    groups = counts.groupby(keys, sort=False, dropna=False)[["sends", "responses"]].sum()
    groups = groups.reset_index()
    sends, responses = (groups[name].to_numpy(np.float64) for name in ("sends", "responses"))
    expected, weight = expected_rates(groups, counts, settings)
    strength = 1 / (1 / fit_prior_strength(responses, sends, expected) + 1 / weight)
    shrunk = shrink_rates(responses, sends, expected, strength=strength, confidence=confidence)
    low, high = wilson_interval(responses, sends, confidence=confidence)
    target = beta.ppf(settings.target, strength * expected, strength * (1 - expected))
    versus = np.select(
        [shrunk.high < expected, shrunk.low > expected], ["below", "above"], "as expected"
    )
    return groups.assign(
        rate=responses / sends,
        rate_low=low,
        rate_high=high,
        expected_rate=expected,
        shrunk_rate=shrunk.rate,
        shrunk_low=shrunk.low,
        shrunk_high=shrunk.high,
        target_rate=target,
        additional_responses=np.maximum(0.0, target - shrunk.rate) * sends,
        prior_weight=strength,
        versus_expected=pd.Series(versus, dtype=object).where(~np.isnan(expected), None),
    ).sort_values(["additional_responses", "step"], ascending=[False, True], ignore_index=True)


def expected_rates(
    groups: pd.DataFrame, counts: pd.DataFrame, settings: BenchmarkSettings
) -> tuple[Floats, Floats]:
    """Estimate the response rate expected of each message.

    Parameters
    ----------
    groups : DataFrame of shape (n_groups, 5)
        One row per `step`, `campaign`, `position`, with `stage` and `commitment`.
    counts : DataFrame
        `sends` and `responses` by the same columns, `commitment_gap` and `stage_position`.
    settings : BenchmarkSettings

    Returns
    -------
    rate : ndarray of float64, shape (n_groups,)
        Strictly between 0 and 1; nan where nothing is comparable.
    weight : ndarray of float64, shape (n_groups,)
        How many sends that rate counts as.
    """
    number = groups.reset_index()[[*MESSAGE, "index"]]
    group = counts[MESSAGE].merge(number, on=MESSAGE, how="left")["index"].to_numpy()
    states = counts["commitment_gap"].astype(str) + counts["stage_position"].astype(str)
    state = np.unique(states, return_inverse=True)[1]
    sends, responses = np.zeros((2, len(groups), int(state.max()) + 1))
    np.add.at(sends, (group, state), counts["sends"].to_numpy())
    np.add.at(responses, (group, state), counts["responses"].to_numpy())
    kind = (groups["stage"].astype(str) + groups["commitment"].astype(str)).to_numpy()
    comparable = np.asarray(kind[:, None] == kind[None, :])
    overall = _rates_elsewhere(responses, sends, ~comparable)
    strength = _strength_between(responses, sends, overall, comparable)
    others = comparable & ~np.eye(len(groups), dtype=bool)
    prior_responses, prior_sends = _industry_priors(groups, sends, settings)
    pull = np.where(np.isnan(overall), 0.0, strength)
    total = pull + others @ sends + prior_sends
    with np.errstate(invalid="ignore"):
        rate = (pull * np.nan_to_num(overall) + others @ responses + prior_responses) / total
    share = sends / sends.sum(axis=1, keepdims=True)
    mean = np.clip(np.where(share > 0, share * rate, 0.0).sum(axis=1), 1e-6, 1 - 1e-6)
    elsewhere = (~comparable @ sends).sum(axis=1)
    weight = (others @ sends + prior_sends).sum(axis=1) + np.minimum(strength, elsewhere)
    return mean, np.maximum(weight, 1e-9)


def _rates_elsewhere(responses: Floats, sends: Floats, others: Bools) -> Floats:
    """Return the rate of the other kinds of messages by state, shape (n_groups, n_states).

    Their rate in all states where there is no send in that state; nan where there are no others.
    """
    total = others @ sends
    all_responses, all_sends = (others @ count.sum(axis=1) for count in (responses, sends))
    whole = np.where(all_sends > 0, (all_responses + 0.5) / (all_sends + 1), np.nan)
    return np.where(total > 0, (others @ responses + 0.5) / (total + 1), whole[:, None])


def _strength_between(
    responses: Floats, sends: Floats, overall: Floats, comparable: Bools
) -> float:
    """Fit how little kinds of messages differ from what the states of recipients explain."""
    first: Int64 = comparable.argmax(axis=1)
    own = first[None, :] == np.unique(first)[:, None]
    total = own @ sends.sum(axis=1)
    mean = (own @ (sends * overall).sum(axis=1)) / total
    return fit_prior_strength(own @ responses.sum(axis=1), total, np.clip(mean, 1e-6, 1 - 1e-6))


def _industry_priors(
    groups: pd.DataFrame, sends: Floats, settings: BenchmarkSettings
) -> tuple[Floats, Floats]:
    """Turn the priors of the settings into responses and sends, spread over states as ours are."""
    rate, weight = np.zeros((2, len(groups)))
    for prior in settings.priors:
        here = (groups["stage"] == prior.stage) & (groups["commitment"] == prior.commitment)
        rate[here], weight[here] = prior.rate, prior.weight
    spread = sends / sends.sum(axis=1, keepdims=True) * weight[:, None]
    return spread * rate[:, None], spread


def _breakdown(counts: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Compute the rate of each step by position, previous step and state, shrunk to the step's."""
    too_much = np.where(counts["commitment_gap"] > 0, ", too much at once", "")
    parts = []
    for by, values in (
        ("position", counts["position"].astype(str)),
        ("previous step", counts["previous"]),
        ("history", counts["stage_position"] + too_much),
    ):
        rows = counts.assign(by=by, value=values).groupby(["step", "by", "value"], sort=True)
        table = rows[["sends", "responses"]].sum().reset_index()
        table = table[table.groupby("step")["value"].transform("size") > 1]
        whole = table.groupby("step")[["sends", "responses"]].transform("sum")
        mean = ((whole["responses"] + 0.5) / (whole["sends"] + 1)).to_numpy(np.float64)
        sends, responses = (table[name].to_numpy(np.float64) for name in ("sends", "responses"))
        strength = fit_prior_strength(responses, sends, mean)
        low, high = wilson_interval(responses, sends, confidence=confidence)
        parts.append(
            table.assign(
                rate=responses / sends,
                rate_low=low,
                rate_high=high,
                expected_rate=(strength * mean + responses) / (strength + sends),
            )
        )
    return pd.concat(parts, ignore_index=True)


def _summary(table: pd.DataFrame) -> tuple[str, ...]:
    below = table[table["versus_expected"] == "below"]
    return (
        f"{len(below)} of {len(table)} messages get fewer responses than comparable messages.",
        *(
            f"`{row['step']}` (message {row['position']} of {row['campaign'] or 'no campaign'}): "
            f"response rate {row['rate']:.1%}; comparable messages get {row['expected_rate']:.1%}, "
            f"a realistic target is {row['target_rate']:.1%}."
            for row in below.head(5).to_dict("records")
        ),
    )
