"""What comparable sends lead one to expect of an ask, drawn to what others do with such people.

Comparable are other asks for the same stage and commitment, of prospects with
the same *history*: how far ahead of them the step was (levels of commitment beyond
the next), and whether its stage was behind, theirs or ahead. They are drawn
towards what asks for other stages and commitments get of prospects with that
history, the more so the fewer they are. An ask never counts for itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.journey import JourneyMap
from microconv.measurement.stats.shrinkage import fit_prior_strength
from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.study import Floats
from microconv.settings import BenchmarkSettings

MOST_JUMPS = 2
"""Longer jumps count as this many levels."""

APART = np.array(["stage behind", "same stage", "stage ahead"], dtype=object)
"""Where a step's stage lies, as seen from the recipient."""


def histories_of(
    journey: JourneyMap, sends: MessageSends
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Say how each ask stood to what its recipient had done.

    Returns
    -------
    ndarray of int64
        Levels of commitment beyond the next one, at most :data:`MOST_JUMPS`.
    ndarray of int64
        Position in :data:`APART`.
    """
    jump = journey.commitments[sends.goal].astype(np.int64) - sends.commitment - 1
    apart = np.sign(journey.stage_codes[sends.goal].astype(np.int64) - sends.stage)
    return np.clip(jump, 0, MOST_JUMPS), apart + 1


def expect(
    groups: pd.DataFrame, cells: pd.DataFrame, settings: BenchmarkSettings
) -> tuple[Floats, Floats]:
    """Give the rate expected of each group of sends.

    Parameters
    ----------
    groups : DataFrame
        One row per `step`, `campaign`, `position`, with `stage` and `commitment`.
    cells : DataFrame
        Counts `sends` and `responses` by the same columns, `jump` and `apart`.
    settings : BenchmarkSettings

    Returns
    -------
    ndarray of float64, shape (n_groups,)
        Strictly between 0 and 1; nan where nothing is comparable.
    ndarray of float64, shape (n_groups,)
        How many sends that rate is worth.
    """
    keys = ["step", "campaign", "position"]
    number = groups.reset_index()[[*keys, "index"]]
    group = cells[keys].merge(number, on=keys, how="left")["index"].to_numpy()
    _, history = np.unique(
        cells["jump"].astype(str) + cells["apart"].astype(str), return_inverse=True
    )
    shape = len(groups), int(history.max()) + 1
    asked, done = np.zeros(shape), np.zeros(shape)
    np.add.at(asked, (group, history), cells["sends"].to_numpy())
    np.add.at(done, (group, history), cells["responses"].to_numpy())
    alike = _alike(groups)
    overall = _rate_elsewhere(done, asked, ~alike)
    strength = _strength_between(done, asked, overall, alike)
    others = alike & ~np.eye(len(groups), dtype=bool)
    more_done, more_asked = _priors(groups, asked, settings)
    weight = np.where(np.isnan(overall), 0.0, strength)
    total = weight + others @ asked + more_asked
    with np.errstate(invalid="ignore"):
        rate = (weight * np.nan_to_num(overall) + others @ done + more_done) / total
    share = asked / asked.sum(axis=1, keepdims=True)
    mean = np.clip(np.where(share > 0, share * rate, 0.0).sum(axis=1), 1e-6, 1 - 1e-6)
    elsewhere = (~alike @ asked).sum(axis=1)
    worth = (others @ asked + more_asked).sum(axis=1) + np.minimum(strength, elsewhere)
    return mean, np.maximum(worth, 1e-9)


def _rate_elsewhere(done: Floats, asked: Floats, others: npt.NDArray[np.bool_]) -> Floats:
    """Give each group the rate of the others by history, or of any where none has that history.

    Returns
    -------
    ndarray of float64, shape (n_groups, n_histories)
        nan where there are no others.
    """
    total = others @ asked
    all_done, all_asked = (others @ count.sum(axis=1) for count in (done, asked))
    whole = np.where(all_asked > 0, (all_done + 0.5) / (all_asked + 1), np.nan)
    return np.where(total > 0, (others @ done + 0.5) / (total + 1), whole[:, None])


def _alike(groups: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Say which groups ask for the same stage and commitment."""
    family = (groups["stage"].astype(str) + groups["commitment"].astype(str)).to_numpy()
    return np.asarray(family[:, None] == family[None, :])


def _strength_between(
    done: Floats, asked: Floats, overall: Floats, alike: npt.NDArray[np.bool_]
) -> float:
    """Fit how much stages and commitments differ from what histories lead one to expect."""
    first = alike.argmax(axis=1)
    families = np.unique(first)
    mine = first[None, :] == families[:, None]
    total = mine @ asked.sum(axis=1)
    mean = (mine @ (asked * overall).sum(axis=1)) / total
    return fit_prior_strength(mine @ done.sum(axis=1), total, np.clip(mean, 1e-6, 1 - 1e-6))


def _priors(
    groups: pd.DataFrame, asked: Floats, settings: BenchmarkSettings
) -> tuple[Floats, Floats]:
    """Count what the industry knows as so many more sends, spread over histories as ours are."""
    rate, worth = np.zeros(len(groups)), np.zeros(len(groups))
    for prior in settings.priors:
        here = (groups["stage"] == prior.stage) & (groups["commitment"] == prior.commitment)
        rate[here], worth[here] = prior.rate, prior.weight
    spread = asked / asked.sum(axis=1, keepdims=True) * worth[:, None]
    return spread * rate[:, None], spread
