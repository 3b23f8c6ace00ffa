"""Reasons: what speaks most for and against each listed prospect, exactly, in plain words.

The model's logit is the sum of its columns' contributions, so a reason's weight
is no estimate. Columns about the same thing (how often pricing was visited in 7
days, in 30, when last) are added up to one reason: three ways of saying the same
would leave no room for the second thing that matters.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.family import Columns
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.explanations.text_table import ReasonText, built_in_texts
from microconv.ranking.explanations.wording import ReasonWriter

RAISES, LOWERS = "↑ ", "↓ "
"""How a reason begins that raises the probability above the average prospect's, or lowers it."""

FAINT = 0.01
"""Reasons that move the logit by less, and the odds by less than one percent, are added up."""

WEIGHED = "weighed"
"""The column with every reason and its weight, on its way to a list's details."""

BLOCK = 4096
"""Rows explained at a time: contributions are twice as wide as features."""


def explain(
    features: Columns,
    model: ProspectModel,
    *,
    most: int,
    texts: tuple[ReasonText, ...] | None = None,
    weighed: bool = False,
) -> pd.DataFrame:
    """Say what moves each row's probability away from that of the average prospect.

    Parameters
    ----------
    features : ndarray of float32, shape (n_columns, n_rows)
        The model's columns.
    model : ProspectModel
    most : int
        How many reasons a row gets, the heaviest first, for and against alike.
    texts : tuple of ReasonText, optional
        The table of words; the package's when None.
    weighed : bool
        Whether to tell all reasons with their weights, too.

    Returns
    -------
    DataFrame of shape (n_rows, most)
        Columns `reason_1`, `reason_2`, …: text that begins with :data:`RAISES` or
        :data:`LOWERS`; null where nothing else moves the probability. If asked for,
        :data:`WEIGHED`: JSON text, ``{"reasons": [[text, weight], …], "weaker": weight}``.
    """
    writer = ReasonWriter(
        model.columns, model.journey, built_in_texts() if texts is None else texts
    )
    reasons: list[list[str | None]] = []
    told: list[str] = []
    for begin in range(0, features.shape[1], BLOCK):
        block = features[:, begin : begin + BLOCK]
        contributions = model.logit_contributions(block)[:, :-1]
        reasons += reasons_of(block, contributions, writer, most=most)
        if weighed:
            told += map(json.dumps, weighed_reasons(block, contributions, writer))
    names = [f"reason_{number}" for number in range(1, most + 1)]
    frame = pd.DataFrame(reasons, columns=names, dtype="str")
    return frame.assign(**{WEIGHED: pd.Series(told, dtype="str")}) if weighed else frame


def reasons_of(
    features: Columns, contributions: npt.NDArray[np.float64], writer: ReasonWriter, *, most: int
) -> list[list[str | None]]:
    """Choose and word the reasons of some rows.

    Parameters
    ----------
    features : ndarray of float32, shape (n_columns, n_rows)
    contributions : ndarray of float64, shape (n_rows, n_columns)
        On the logit scale.
    writer : ReasonWriter
    most : int

    Returns
    -------
    list of list of str or None
        `most` per row.
    """
    found = _heaviest(features, contributions, writer, most=most)
    said = [
        [(RAISES if weight > 0 else LOWERS) + words for words, weight in row] for row, _ in found
    ]
    return [[*row, *[None] * (most - len(row))] for row in said]


def weighed_reasons(
    features: Columns, contributions: npt.NDArray[np.float64], writer: ReasonWriter
) -> list[dict[str, Any]]:
    """Word all reasons of some rows that move the logit by :data:`FAINT` or more.

    Parameters
    ----------
    features : ndarray of float32, shape (n_columns, n_rows)
    contributions : ndarray of float64, shape (n_rows, n_columns)
        On the logit scale.
    writer : ReasonWriter

    Returns
    -------
    list of dict
        `reasons`, pairs of text and weight, the heaviest first; and `weaker`, the weight
        of all others together. With the intercept they sum to the row's logit.
    """
    found = _heaviest(features, contributions, writer, least=FAINT)
    return [{"reasons": reasons, "weaker": weaker} for reasons, weaker in found]


def _heaviest(
    features: Columns,
    contributions: npt.NDArray[np.float64],
    writer: ReasonWriter,
    *,
    most: int | None = None,
    least: float = 0.0,
) -> list[tuple[list[tuple[str, float]], float]]:
    """Word each row's heaviest reasons with their weights, and add the others up."""
    subject = by_subject(writer)
    columns_of = list(subject.values())
    weights = sum_by(subject, contributions)
    heaviest = np.argsort(-np.abs(weights), axis=1, kind="stable")
    found = []
    for row in range(len(contributions)):
        heavy = [
            p for p in heaviest[row, :most] if abs(weights[row, p]) >= least and weights[row, p]
        ]
        said = []
        for position in heavy:
            weight, columns = weights[row, position], columns_of[position]
            order = columns[np.argsort(-np.sign(weight) * contributions[row, columns])]
            said.append((_first_strong(writer, order, features[:, row]), float(weight)))
        rest = np.delete(weights[row], heavy)
        found.append((said, float(rest.sum())))
    return found


def by_subject(writer: ReasonWriter) -> dict[str, npt.NDArray[np.intp]]:
    """List the positions of the columns about each subject; every column has one."""
    named = np.array(writer.subjects)
    return {name: np.flatnonzero(named == name) for name in dict.fromkeys(writer.subjects)}


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
    writer: ReasonWriter, columns: npt.NDArray[np.intp], row: npt.NDArray[np.float32]
) -> str:
    """Take the words of the column that weighs most and has something to say."""
    words = ""
    for column in columns:
        text, weak = writer.describe(column, row)
        if not weak:
            return text
        words = words or text
    return words
