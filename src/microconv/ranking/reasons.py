"""Reasons: what speaks most for and against each listed prospect, exactly, in plain words.

The model's logit is the sum of its columns' contributions, so a reason's weight
is no estimate. Columns about the same thing (how often pricing was visited in 7
days, in 30, when last) are added up to one reason: three ways of saying the same
would leave no room for the second thing that matters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.family import Columns
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.text_table import Text, shipped
from microconv.ranking.wording import Wording

FOR, AGAINST = "↑ ", "↓ "
"""How a reason begins that raises the probability above the average prospect's, or lowers it."""

BLOCK = 4096
"""Rows explained at a time: contributions are twice as wide as features."""


def explain(
    features: Columns, model: ProspectModel, *, most: int, texts: tuple[Text, ...] | None = None
) -> pd.DataFrame:
    """Say what moves each row's probability away from that of the average prospect.

    Parameters
    ----------
    features : ndarray of float32, shape (n_columns, n_rows)
        The model's columns.
    model : ProspectModel
    most : int
        How many reasons a row gets, the heaviest first, for and against alike.
    texts : tuple of Text, optional
        The table of words; the package's when None.

    Returns
    -------
    DataFrame of shape (n_rows, most)
        Columns `reason_1`, `reason_2`, …: text that begins with :data:`FOR` or
        :data:`AGAINST`; null where nothing else moves the probability.
    """
    wording = Wording(model.columns, model.journey, shipped() if texts is None else texts)
    reasons: list[list[str | None]] = []
    for begin in range(0, features.shape[1], BLOCK):
        block = features[:, begin : begin + BLOCK]
        contributions = model.logit_contributions(block)[:, :-1]
        reasons += reasons_of(block, contributions, wording, most=most)
    names = [f"reason_{number}" for number in range(1, most + 1)]
    return pd.DataFrame(reasons, columns=names, dtype="str")


def reasons_of(
    features: Columns, contributions: npt.NDArray[np.float64], wording: Wording, *, most: int
) -> list[list[str | None]]:
    """Choose and word the reasons of some rows.

    Parameters
    ----------
    features : ndarray of float32, shape (n_columns, n_rows)
    contributions : ndarray of float64, shape (n_rows, n_columns)
        On the logit scale.
    wording : Wording
    most : int

    Returns
    -------
    list of list of str or None
        `most` per row.
    """
    subject = by_subject(wording)
    columns_of = list(subject.values())
    weights = sum_by(subject, contributions)
    heaviest = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :most]
    reasons: list[list[str | None]] = []
    for row in range(len(contributions)):
        said: list[str | None] = []
        for position in heaviest[row]:
            weight, columns = weights[row, position], columns_of[position]
            if weight == 0:
                break
            order = columns[np.argsort(-np.sign(weight) * contributions[row, columns])]
            words = _first_strong(wording, order, features[:, row])
            said.append((FOR if weight > 0 else AGAINST) + words)
        reasons.append(said + [None] * (most - len(said)))
    return reasons


def by_subject(wording: Wording) -> dict[str, npt.NDArray[np.intp]]:
    """List the positions of the columns about each subject; every column has one."""
    named = np.array(wording.subjects)
    return {name: np.flatnonzero(named == name) for name in dict.fromkeys(wording.subjects)}


def sum_by(
    subject: dict[str, npt.NDArray[np.intp]], contributions: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Add the contributions of each subject's columns up.

    Parameters
    ----------
    subject : dict of str to ndarray
        Of :func:`by_subject`.
    contributions : ndarray of float64, shape (n_rows, n_columns)

    Returns
    -------
    ndarray of float64, shape (n_rows, n_subjects)
        With the intercept a row sums to its logit.
    """
    return np.stack([contributions[:, columns].sum(axis=1) for columns in subject.values()], axis=1)


def _first_strong(
    wording: Wording, columns: npt.NDArray[np.intp], row: npt.NDArray[np.float32]
) -> str:
    """Take the words of the column that weighs most and has something to say."""
    words = ""
    for column in columns:
        text, weak = wording.say(column, row)
        if not weak:
            return text
        words = words or text
    return words
