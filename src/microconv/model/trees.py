"""Trees for whether a prospect converts within the horizon, with leaving as a competing risk.

A prospect who leaves within the horizon differs from one who is still undecided, and a binary
label of converting cannot express that. Where enough exits are known, the trees are trained on
three outcomes at once: staying undecided, converting, leaving. The softmax of their three
scores is the probability of each, so

    logit of converting = (s_convert − s_stay) − log(1 + exp(s_leave − s_stay)).

Both differences are sums over trees; the second one then goes through an increasing, smooth
link. Its contributions are rescaled through that link, so contributions sum to the logit as
exactly as with two outcomes.

A worked example. Scores of 0 (stay), −1 (convert) and 1 (leave): converting has the
probability e⁻¹ / (1 + e⁻¹ + e) = .09 and the logit −1 − log(1 + e) = −2.31.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from microconv.features.family import Columns
from microconv.features.row_view import RowView, view_all_rows
from microconv.model.booster import Booster, fit_booster
from microconv.model.logistic import rescale_contributions
from microconv.model.training_rows import MIN_PER_CLASS, Floats, Mask
from microconv.settings import TreeSettings

STAY, CONVERT, LEAVE = range(3)
"""The outcomes, in the order of the trees' scores."""


@dataclass(frozen=True)
class ConversionTrees:
    """Trees for two or three outcomes, as the logit of converting.

    Attributes
    ----------
    booster : Booster
        With one score, the logit itself, or with one for each outcome.
    """

    booster: Booster = field(repr=False)

    def __post_init__(self) -> None:
        """Check the number of scores.

        Raises
        ------
        ValueError
        """
        if self.booster.scores not in (1, 3):
            raise ValueError(f"trees with {self.booster.scores} scores: 1 or 3 are expected")

    @property
    def competing(self) -> bool:
        """Whether leaving is an outcome of its own."""
        return self.booster.scores > 1

    def logit(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return the logit of converting within the horizon, shape (n_rows,).

        Parameters
        ----------
        values, threads
            As in :meth:`~microconv.model.booster.Booster.raw`.
        """
        scores = self.booster.raw(values, threads=threads)
        if not self.competing:
            return scores
        stay, convert, leave = scores.T
        return np.asarray((convert - stay) - softplus(leave - stay))

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's logit into its columns by exact tree SHAP of the scores.

        Parameters
        ----------
        values, threads
            As in :meth:`~microconv.model.booster.Booster.raw`.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept; a row sums to its logit.
        """
        parts = self.booster.contributions(values, threads=threads)
        if not self.competing:
            return parts
        stay, convert, leave = (parts[:, outcome] for outcome in (STAY, CONVERT, LEAVE))
        return np.asarray((convert - stay) - rescale_contributions(leave - stay, softplus))


def softplus(x: Floats) -> Floats:
    """Return log(1 + exp(x)) without overflow."""
    return np.logaddexp(0, x)


def fit_trees(
    values: Columns | RowView,
    labels: Mask,
    weights: Floats,
    settings: TreeSettings,
    *,
    exits: Mask | None = None,
    seed: int,
    threads: int | None = None,
) -> ConversionTrees:
    """Fit trees on converting or not, or on three outcomes where enough left and stayed.

    Parameters
    ----------
    values : ndarray of float32 or RowView, shape (n_columns, n_rows)
        Infinite values count as missing.
    labels : ndarray of bool, shape (n_rows,)
        Of both classes.
    weights : ndarray of float64, shape (n_rows,)
    settings : TreeSettings
    exits : ndarray of bool, shape (n_rows,), optional
        Who left; a prospect who left and converted counts as converted. With fewer than
        :data:`~microconv.model.training_rows.MIN_PER_CLASS` rows that only left, or only
        stayed, there are two outcomes.
    seed : int
    threads : int, optional
        Every core when None; results are identical.
    """
    outcome = labels.astype(np.int64) * CONVERT
    fixed = {"objective": "binary", "seed": seed, "num_threads": threads or 0}
    if exits is not None:
        three = np.where(exits & ~labels, LEAVE, outcome)
        counts = np.bincount(three, minlength=3)
        if min(counts[STAY], counts[LEAVE]) >= MIN_PER_CLASS:
            outcome, fixed = three, {**fixed, "objective": "multiclass", "num_class": 3}
    target = {"label": outcome.astype(np.float32), "weight": weights.astype(np.float32)}
    rows = values if isinstance(values, RowView) else view_all_rows(values)
    return ConversionTrees(fit_booster(rows, target, settings, fixed))
