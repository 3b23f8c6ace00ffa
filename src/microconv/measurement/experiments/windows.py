"""What each unit did after its assignment, and before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.journey import MAJOR, MICRO
from microconv.measurement.experiments.units import NEVER, Bools, Floats, Ints
from microconv.measurement.study.study import Study


@dataclass(frozen=True)
class Windows:
    """The time after each unit's assignment, ``[start, end)`` in µs since 1970.

    Attributes
    ----------
    study : Study
    unit : ndarray of int64, shape (n_prospects,)
        The unit that each prospect is; -1 for those outside the experiment.
    start, end : ndarray of int64, shape (n_units,)
    human : ndarray of bool, shape (n_events,)
        Events that count as a person's.
    """

    study: Study
    unit: Ints
    start: Ints
    end: Ints
    human: Bools

    @classmethod
    def of(
        cls, study: Study, prospect: Ints, start: Ints, end: Ints, *, min_human_probability: float
    ) -> Windows:
        """Open the windows of some prospects."""
        unit = np.full(len(study), -1)
        unit[prospect] = np.arange(len(prospect))
        return cls(study, unit, start, end, study.human_probability >= min_human_probability)

    def first(self, step: int) -> tuple[Ints, int]:
        """Find when each unit first did a step in its window, and count the times before it."""
        event, unit = self._theirs((self.study.step == step) & self.human)
        time = self.study.time[event]
        inside = (time >= self.start[unit]) & (time < self.end[unit])
        found = np.full(len(self.start), NEVER)
        np.minimum.at(found, unit[inside], time[inside])
        return found, int((time < self.start[unit]).sum())

    def revenue(self) -> Floats | None:
        """Add up the money of each unit's window; None where no conversion has a value."""
        kinds = self.study.journey.kinds[self.study.step]
        paid = (kinds == MAJOR) & ~np.isnan(self.study.value)
        if not paid.any():
            return None
        event, unit = self._theirs(paid)
        time = self.study.time[event]
        inside = (time >= self.start[unit]) & (time < self.end[unit])
        money = np.bincount(unit[inside], self.study.value[event[inside]], len(self.start))
        return money.astype(np.float64)

    def activity(self, before: int) -> Floats:
        """Count each unit's small steps that were seen strictly before its assignment.

        On the scale log(1 + n), so that a few restless units do not set the slope.
        """
        event, unit = self._theirs(self.study.journey.kinds[self.study.step] == MICRO)
        earlier = self.study.seen_at[event] < self.start[unit]
        earlier &= self.study.time[event] >= self.start[unit] - before
        weight = self.study.human_probability[event[earlier]]
        return np.asarray(np.log1p(np.bincount(unit[earlier], weight, len(self.start))))

    def _theirs(self, chosen: Bools) -> tuple[Ints, Ints]:
        """List the chosen events that belong to units, and those units."""
        event = np.flatnonzero(chosen)
        unit = self.unit[np.searchsorted(self.study.offsets, event, side="right") - 1]
        return event[unit >= 0], unit[unit >= 0]
