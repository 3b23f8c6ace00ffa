"""Reasons: what raises and lowers the probability of each listed prospect most, in plain words.

The model's log-odds are the sum of its columns' contributions, so a reason's weight is exact.
Columns about the same subject (how often pricing was visited in 7 days, in 30 days, when last)
are added up to one reason: three variants of it would leave no room for the second one.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.family import Columns
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.explanations.reason_texts import ReasonText, built_in_texts
from microconv.ranking.explanations.wording import ReasonWriter

RAISES, LOWERS = "↑ ", "↓ "
"""Prefix of a reason that raises the probability above the average prospect's, or lowers it."""

FAINT = 0.01
"""Reasons that change the log-odds by less, and the odds by less than one percent, are summed."""

ALL_REASONS = "all_reasons"
"""The column with all reasons and their weights, for the details of a list."""

BLOCK = 4096
"""Rows explained at a time: contributions are twice as wide as features."""


def explain(
    features: Columns,
    model: ProspectModel,
    *,
    most: int,
    texts: tuple[ReasonText, ...] | None = None,
    all_reasons: bool = False,
) -> pd.DataFrame:
    """Return the reasons why each row's probability differs from the average prospect's.

    Parameters
    ----------
    features : ndarray of float32, shape (n_columns, n_rows)
        The model's columns.
    model : ProspectModel
    most : int
        Number of reasons per row, strongest first, raising and lowering alike.
    texts : tuple of ReasonText, optional
        The built-in texts when None.
    all_reasons : bool
        Whether to add :data:`ALL_REASONS`.

    Returns
    -------
    DataFrame of shape (n_rows, most)
        Columns `reason_1`, `reason_2`, …: text that begins with :data:`RAISES` or
        :data:`LOWERS`; null where nothing else changes the probability. With `all_reasons`,
        :data:`ALL_REASONS`: JSON text, ``{"reasons": [[text, weight], …], "other": weight}``.
    """
    writer = ReasonWriter(
        model.columns, model.journey, built_in_texts() if texts is None else texts
    )
    reasons: list[list[str | None]] = []
    all_of_row: list[str] = []
    for begin in range(0, features.shape[1], BLOCK):
        block = features[:, begin : begin + BLOCK]
        contributions = model.logit_contributions(block)[:, :-1]
        reasons += reasons_of(block, contributions, writer, most=most)
        if all_reasons:
            all_of_row += [
                json.dumps({"reasons": strong, "other": other})
                for strong, other in _strongest(block, contributions, writer, least=FAINT)
            ]
    names = [f"reason_{number}" for number in range(1, most + 1)]
    frame = pd.DataFrame(reasons, columns=names, dtype="str")
    if not all_reasons:
        return frame
    return frame.assign(**{ALL_REASONS: pd.Series(all_of_row, dtype="str")})


def reasons_of(
    features: Columns, contributions: npt.NDArray[np.float64], writer: ReasonWriter, *, most: int
) -> list[list[str | None]]:
    """Choose the strongest reasons of some rows.

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
    found = _strongest(features, contributions, writer, most=most)
    texts = [
        [(RAISES if weight > 0 else LOWERS) + text for text, weight in row] for row, _ in found
    ]
    return [[*row, *[None] * (most - len(row))] for row in texts]


def _strongest(
    features: Columns,
    contributions: npt.NDArray[np.float64],
    writer: ReasonWriter,
    *,
    most: int | None = None,
    least: float = 0.0,
) -> list[tuple[list[tuple[str, float]], float]]:
    """Return the text and weight of each row's strongest reasons, and the sum of the others."""
    subject = by_subject(writer)
    columns_of = list(subject.values())
    weights = sum_by(subject, contributions)
    order_of = np.argsort(-np.abs(weights), axis=1, kind="stable")
    found = []
    for row in range(len(contributions)):
        chosen = [
            p for p in order_of[row, :most] if abs(weights[row, p]) >= least and weights[row, p]
        ]
        texts = []
        for position in chosen:
            weight, columns = weights[row, position], columns_of[position]
            order = columns[np.argsort(-np.sign(weight) * contributions[row, columns])]
            texts.append((_first_strong(writer, order, features[:, row]), float(weight)))
        rest = np.delete(weights[row], chosen)
        found.append((texts, float(rest.sum())))
    return found


def by_subject(writer: ReasonWriter) -> dict[str, npt.NDArray[np.intp]]:
    """Return the positions of the columns of each subject; every column has one."""
    named = np.array(writer.subjects)
    return {name: np.flatnonzero(named == name) for name in dict.fromkeys(writer.subjects)}


def sum_by(
    subject: dict[str, npt.NDArray[np.intp]], contributions: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Sum the contributions of each subject's columns.

    Parameters
    ----------
    subject : dict of str to ndarray
        Of :func:`by_subject`.
    contributions : ndarray of float64, shape (n_rows, n_columns)

    Returns
    -------
    ndarray of float64, shape (n_rows, n_subjects)
        With the intercept a row sums to its log-odds.
    """
    return np.stack([contributions[:, columns].sum(axis=1) for columns in subject.values()], axis=1)


def _first_strong(
    writer: ReasonWriter, columns: npt.NDArray[np.intp], row: npt.NDArray[np.float32]
) -> str:
    """Return the text of the strongest column that does not say little, else the strongest."""
    strongest = ""
    for column in columns:
        text, weak = writer.describe(column, row)
        if not weak:
            return text
        strongest = strongest or text
    return strongest
