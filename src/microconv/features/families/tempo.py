"""Tempo: the pace of the prospect's own actions.

An action is an event of a micro step with `human_probability` of at least one half; exposures keep
the sender's pace and do not count. A gap is the time in days between an action and the
next; two actions at one instant have a gap of 0.

===========================  ===================================================
``tempo.gap.last``           the gap before the latest action; nan below two actions
``tempo.gap.min/median/max`` over all gaps; an even number's median is the mean
                             of the middle two; nan below two actions
``tempo.gap.trend``          least-squares slope of the gaps over their position,
                             in days per gap: positive for a prospect who slows
                             down; nan below three actions
``tempo.gap.overdue``        days since the latest action over the median gap; nan
                             below two actions or where the median is 0
``tempo.active_days.30d``    distinct UTC dates with an action in the window
``tempo.sessions.30d``       sessions with an action in the window; a gap longer
                             than `session_gap_minutes` starts a new one
``tempo.pace.7d/30d``        actions a day in the shorter window over those in the
                             longer; nan without an action in the longer
===========================  ===================================================
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit

from microconv.features.family import Columns, Family, Spec, event_arrays
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.journey import MICRO
from microconv.storage.schema import HUMAN_THRESHOLD

MINUTE = 60_000_000
"""Microseconds in a minute."""

DATE = 1440 * MINUTE
"""Microseconds in a day, as a constant of the kernel's own file: numba avoids the division."""

FEW = 32
"""Up to this many actions, the median comes from comparing all gaps with each other."""

GAPS = ("last", "min", "median", "max", "trend", "overdue")


def _names(spec: Spec) -> list[str]:
    return [
        *(f"tempo.gap.{which}" for which in GAPS),
        *(f"tempo.active_days.{window}" for window in spec.windows),
        *(f"tempo.sessions.{window}" for window in spec.windows),
        *(f"tempo.pace.{short}/{long}" for short, long in pairwise(spec.windows[:-1])),
    ]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    pause = round(spec.settings.session_gap_minutes * MINUTE)
    longest = int((visible.end - visible.start).max(initial=0))
    gaps = np.empty(longest, dtype=np.int64)
    micro, arrays = spec.journey.kinds == MICRO, event_arrays(visible)
    _kernel(out, *arrays, micro, HUMAN_THRESHOLD, spec.spans, pause, gaps, DAY)


FAMILY = Family(_names, _fill)


@njit(cache=True, nogil=True, error_model="numpy")
def _median_of_few(gaps, n):  # type: ignore[no-untyped-def]
    """Return the median of the first n gaps: the one with half of the others before it.

    Compares every pair without a branch, which is fastest for few gaps.
    """
    middle, lower, upper = n // 2, gaps[0], gaps[0]
    for i in range(n):
        gap, before = gaps[i], 0
        for j in range(i):
            before += gaps[j] <= gap
        for j in range(i + 1, n):
            before += gaps[j] < gap
        upper = gap if before == middle else upper
        lower = gap if before == middle - 1 else lower
    return np.float64(upper) if n % 2 == 1 else (lower + upper) / 2


@njit(cache=True, nogil=True, error_model="numpy")
def _median_of_many(gaps, n):  # type: ignore[no-untyped-def]
    """Return the median of the first n gaps, reordering them (Hoare's selection)."""
    middle, low, high = n // 2, 0, n - 1
    while low < high:
        pivot = gaps[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while gaps[i] < pivot:
                i += 1
            while gaps[j] > pivot:
                j -= 1
            if i <= j:
                gaps[i], gaps[j] = gaps[j], gaps[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break
    upper = gaps[middle]
    if n % 2 == 1:
        return np.float64(upper)
    lower = gaps[0]
    for k in range(1, middle):
        lower = max(lower, gaps[k])
    return (lower + upper) / 2


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, micro, person, spans, pause, gaps, day
):
    """Walk each history backwards: a date or a session begins with its latest action."""
    n_spans = len(spans)
    actions = np.empty(n_spans + 1)
    dates = np.empty(n_spans + 1)
    sessions = np.empty(n_spans + 1)
    for r in range(len(as_of)):
        cut, w, n = as_of[r], 0, 0
        actions[:], dates[:], sessions[:] = 0, 0, 0
        newest, later, later_date, least, most = cut, cut, 0, 0, 0
        total, moment = 0.0, 0.0
        for i in range(end[r] - 1, start[r] - 1, -1):
            if not micro[step[i]] or human_probability[i] < person:
                continue
            t = time[i]
            while w < n_spans and cut - t > spans[w]:
                w += 1
            gap = later - t
            if n == 0:
                newest = t
            date = t // DATE
            dates[w] += n == 0 or date != later_date
            sessions[w] += n == 0 or gap > pause
            actions[w] += 1
            if n > 0:
                least = gap if n == 1 else min(least, gap)
                most = max(most, gap)
                total += gap
                moment += gap * (n - 1.0)
                gaps[n - 1] = gap
            later, later_date = t, date
            n += 1
        for c in range(6):
            out[c, r] = np.nan
        if n > 1:
            out[0, r] = gaps[0] / day
            middle = _median_of_few(gaps, n - 1) if n <= FEW else _median_of_many(gaps, n - 1)
            out[1, r] = least / day
            out[2, r] = middle / day
            out[3, r] = most / day
            if n > 2:  # gaps come latest first, so the slope is reversed
                k = n - 1.0
                spread = k * (k * k - 1) / 12
                out[4, r] = ((k - 1) / 2 * total - moment) / spread / day
            if middle > 0:
                out[5, r] = (cut - newest) / middle
        for w in range(1, n_spans + 1):
            actions[w] += actions[w - 1]
            dates[w] += dates[w - 1]
            sessions[w] += sessions[w - 1]
        c = 6
        for w in range(n_spans + 1):
            out[c + w, r] = dates[w]
            out[c + n_spans + 1 + w, r] = sessions[w]
        c += 2 * (n_spans + 1)
        for w in range(n_spans - 1):  # 0/0 is nan where the longer window has no action
            out[c + w, r] = actions[w] / actions[w + 1] * (spans[w + 1] / spans[w])
