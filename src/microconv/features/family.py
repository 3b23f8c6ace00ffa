"""The contract of a feature family: fit, names, fill.

A family is one module with three functions and one self-contained ``@njit``
kernel. No kernel calls another module's kernel: a cached driver would keep the
old machine code of the other file after an edit, silently.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from microconv.histories.arrays import VisibleEvents
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings

State = dict[str, Any]
"""What a fitted family learnt; only what JSON can hold. Empty for stateless ones."""

Columns = npt.NDArray[np.float32]
"""Feature columns, shape (n_columns, n_rows): a column is contiguous."""


class Family(Protocol):
    """A module that fills feature columns.

    `FITTED` says whether the family learns anything: stateless families run once,
    in the stage `featurize`; fitted ones inside each fold.
    """

    FITTED: bool

    def fit(
        self,
        visible: VisibleEvents,
        labels: npt.NDArray[np.bool_],
        journey: JourneyMap,
        settings: FeatureSettings,
    ) -> State:
        """Learn what the columns need, from training rows only."""
        ...

    def names(self, journey: JourneyMap, settings: FeatureSettings, state: State) -> list[str]:
        """Name the columns, `family.what.window`, in the order `fill` writes them."""
        ...

    def fill(
        self,
        out: Columns,
        visible: VisibleEvents,
        journey: JourneyMap,
        settings: FeatureSettings,
        state: State,
    ) -> None:
        """Write every column for every row; nan where a value does not exist."""
        ...
