"""Path: in which order the steps were done.

Only events count that were at least as likely a person's as a robot's. "Before"
and "after" mean the position in the log's total order, so that of two events at
one instant exactly one comes first, always the same. Other events may lie
between the steps of a pair or a sequence.

==============================  ===============================================
``path.a>b.done``               1 if `b` was done some time after `a`, else 0
``path.a>b.since``              days since the first completion, the earliest
                                `b` after an `a`; nan where not done
``path.a>b.days``               days it took: from the latest `a` before that
                                completion; nan where not done
``path.a>b.next``               how often `b` was the very next micro step after
                                `a` (pairs of micro steps only)
``path.a>b>c.done/since/days``  the same for a longer sequence; `days` from the
                                latest start that leads to the first completion
``path.last_1.stage``           stage of the latest micro event, counting from
                                1; nan without one. Likewise `last_2`, ...
``path.last_1.commitment``      its commitment
``path.last_1.days``            days since then
``path.last=pricing_visit``     1 if the latest micro event was that step, else 0;
                                ``path.last=(other)`` for all without columns of their own
==============================  ===============================================
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.features.family import Columns, State
from microconv.features.kernel import HUMAN_THRESHOLD, event_arrays
from microconv.features.rare_steps import group_rare_steps
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.journey import MICRO, JourneyMap
from microconv.settings import FeatureSettings

FITTED = False

Codes = npt.NDArray[np.int64]


def fit(
    visible: VisibleEvents,
    labels: npt.NDArray[np.bool_],
    journey: JourneyMap,
    settings: FeatureSettings,
) -> State:
    """Learn nothing."""
    return {}


def names(journey: JourneyMap, settings: FeatureSettings, state: State) -> list[str]:
    """Name the columns: pairs, longer sequences, the last steps."""
    micro = set(_micro_steps(journey))
    columns = []
    for sequence in _sequences(journey, settings):
        measures = ["done", "since", "days"]
        if _is_transition(sequence, micro):
            measures.append("next")
        columns += [f"path.{'>'.join(sequence)}.{measure}" for measure in measures]
    for k in range(1, settings.last_steps + 1):
        columns += [f"path.last_{k}.{what}" for what in ("stage", "commitment", "days")]
    if settings.last_steps:
        columns += [f"path.last={step}" for step in _told_micro(journey, settings)[0]]
    return columns


def fill(
    out: Columns,
    visible: VisibleEvents,
    journey: JourneyMap,
    settings: FeatureSettings,
    state: State,
) -> None:
    """Write every column for every row."""
    _fill(out, *event_arrays(visible), _plan(journey, settings), HUMAN_THRESHOLD, DAY)


class _Plan(NamedTuple):
    """Where the kernel writes what.

    Attributes
    ----------
    defaults : ndarray of float32, shape (n_columns,)
        What stands in a row without events.
    done_column, next_column : ndarray of int64, shape (n_paired, n_paired)
        The column `done` (then `since`, `days`) and the column `next` of a pair; or -1.
        Only steps that stand in a pair have a place here.
    last_column : ndarray of int64, shape (n_steps,)
        The column ``path.last=step``; or -1.
    last_steps : ndarray of int64, shape (2,)
        The column of ``path.last_1.stage``, and how many last steps there are.
    worth : ndarray of float32, shape (2, n_steps)
        Stage, counting from 1, and commitment.
    micro : ndarray of bool, shape (n_steps,)
    paired : ndarray of int64, shape (n_steps,)
        The place of a step that stands in a pair; else -1.
    offsets, places : ndarray of int64
        See :func:`_places`.
    """

    defaults: npt.NDArray[np.float32]
    done_column: Codes
    next_column: Codes
    last_column: Codes
    last_steps: Codes
    worth: npt.NDArray[np.float32]
    micro: npt.NDArray[np.bool_]
    paired: Codes
    offsets: Codes
    places: Codes


def _plan(journey: JourneyMap, settings: FeatureSettings) -> _Plan:
    """Give every pair, sequence and last step its columns, in the order of the names."""
    micro, n_steps = set(_micro_steps(journey)), len(journey)
    sequences = _sequences(journey, settings)
    code_of = {name: code for code, name in enumerate(journey.step_names)}
    paired = _paired([s for s in sequences if len(s) == 2], code_of)
    shape = (paired.max(initial=-1) + 1,) * 2
    done_column = np.full(shape, -1, dtype=np.int64)
    next_column = np.full(shape, -1, dtype=np.int64)
    last_column = np.full(n_steps, -1, dtype=np.int64)
    longer, column = [], 0
    for sequence in sequences:
        codes = [code_of[step] for step in sequence]
        pair = tuple(paired[codes])
        if len(codes) == 2:
            done_column[pair] = column
        else:
            longer.append((codes, column))
        column += 3
        if _is_transition(sequence, micro):
            next_column[pair] = column
            column += 1
    if settings.last_steps:
        one_hot = column + 3 * settings.last_steps
        last_column[journey.codes_of_kind("micro")] = one_hot + _told_micro(journey, settings)[1]
    offsets, places = _places(longer, n_steps)
    return _Plan(
        _defaults(names(journey, settings, {})),
        done_column,
        next_column,
        last_column,
        np.array([column, settings.last_steps], dtype=np.int64),
        np.stack([journey.stage_codes + 1, journey.commitments]).astype(np.float32),
        journey.kinds == MICRO,
        paired,
        offsets,
        places,
    )


def _paired(pairs: list[tuple[str, ...]], code_of: dict[str, int]) -> Codes:
    """Give the steps that stand in a pair a place each; -1 for the others."""
    found = sorted({code_of[step] for pair in pairs for step in pair})
    paired = np.full(len(code_of), -1, dtype=np.int64)
    paired[found] = np.arange(len(found))
    return paired


def _told_micro(journey: JourneyMap, settings: FeatureSettings) -> tuple[list[str], Codes]:
    """Name the micro steps that are told apart, and say which of them each micro step is."""
    told = group_rare_steps(journey, settings)
    found, which = np.unique(told.place[journey.codes_of_kind("micro")], return_inverse=True)
    return [told.names[place] for place in found], which.astype(np.int64)


def _micro_steps(journey: JourneyMap) -> list[str]:
    """Name the micro steps, in the order of their codes."""
    return [step.name for step in journey.steps if step.kind == "micro"]


def _sequences(journey: JourneyMap, settings: FeatureSettings) -> list[tuple[str, ...]]:
    """List the pairs, then the longer sequences, each once."""
    pairs: list[tuple[str, ...]] = []
    if settings.pairs == "all":
        own = set(group_rare_steps(journey, settings).names)
        pairs = list(permutations([s for s in _micro_steps(journey) if s in own], 2))
    elif settings.pairs != "none":
        pairs = list(settings.pairs)
    pairs += [sequence for sequence in settings.sequences if len(sequence) == 2]
    longer = [sequence for sequence in settings.sequences if len(sequence) > 2]
    return list(dict.fromkeys([*pairs, *longer]))


def _is_transition(sequence: tuple[str, ...], micro: set[str]) -> bool:
    return len(sequence) == 2 and all(step in micro for step in sequence)


def _defaults(columns: list[str]) -> npt.NDArray[np.float32]:
    """Say what stands in each column of a row without events."""
    zero = [name.endswith((".done", ".next")) or name.startswith("path.last=") for name in columns]
    return np.where(zero, 0, np.nan).astype(np.float32)


def _places(longer: list[tuple[list[int], int]], n_steps: int) -> tuple[Codes, Codes]:
    """List, for each step, where it stands in the longer sequences.

    The memory of sequence q is a run of slots, one for each of its positions.
    A step's places are rows (its slot, the column if it is the last position
    else -1, whether it is the first); a sequence's later positions come first,
    so that one event never advances a sequence twice.

    Returns
    -------
    offsets : ndarray of int64, shape (n_steps + 1,)
        Rows ``offsets[s]:offsets[s + 1]`` are the places of step `s`.
    places : ndarray of int64, shape (n_places, 3)
    """
    of_step: list[list[tuple[int, int, int]]] = [[] for _ in range(n_steps)]
    slot = 0
    for codes, column in longer:
        for position in reversed(range(len(codes))):
            ends = column if position == len(codes) - 1 else -1
            of_step[codes[position]].append((slot + position, ends, int(position == 0)))
        slot += len(codes)
    offsets = np.cumsum([0, *(len(places) for places in of_step)])
    rows = [place for places in of_step for place in places]
    return offsets.astype(np.int64), np.array(rows, dtype=np.int64).reshape(-1, 3)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, plan, person, day
):
    """Walk each history forwards; a pair costs something only when it is completed."""
    n_columns, n_rows = out.shape
    done_column, next_column, last_column = plan.done_column, plan.next_column, plan.last_column
    offsets, places, worth = plan.offsets, plan.places, plan.worth
    n_slots, n_paired = len(places), len(done_column)
    first_last, n_last = plan.last_steps
    lasts = np.empty(max(n_last, 1), np.int64)  # a ring of the latest micro events
    met = np.empty(n_paired, np.int64)  # the steps of pairs met, in order
    met_in = np.full(n_paired, -1, np.int64)
    followed = np.empty(n_paired, np.int64)  # how many of them a step has come after already
    latest = np.empty(n_paired, np.int64)
    begun = np.empty(n_slots, np.int64)  # latest start of each beginning of a longer sequence
    begun_in = np.full(n_slots, -1, np.int64)
    block = max(16, 131_072 // max(n_columns, 1))
    for first in range(0, n_rows, block):
        last = min(first + block, n_rows)
        for c in range(n_columns):
            default = plan.defaults[c]
            for r in range(first, last):
                out[c, r] = default
        for r in range(first, last):
            cut, n_met, n_micro, before = as_of[r], 0, 0, -1
            for i in range(start[r], end[r]):
                s, t = step[i], time[i]
                if human_probability[i] < person:
                    continue
                p = plan.paired[s]
                if plan.micro[s]:
                    if before >= 0 and p >= 0 and next_column[before, p] >= 0:
                        out[next_column[before, p], r] += 1
                    before = p
                    lasts[n_micro % n_last if n_last > 0 else 0] = i
                    n_micro += 1
                if p >= 0:
                    new, since = met_in[p] != r, (cut - t) / day
                    for k in range(0 if new else followed[p], n_met):
                        c = done_column[met[k], p]
                        if c >= 0:
                            out[c, r] = 1
                            out[c + 1, r] = since
                            out[c + 2, r] = (t - latest[met[k]]) / day
                    followed[p] = n_met
                    if new:
                        met_in[p] = r
                        met[n_met] = p
                        n_met += 1
                    latest[p] = t
                for k in range(offsets[s], offsets[s + 1]):
                    slot, c = places[k, 0], places[k, 1]
                    if places[k, 2] == 1:
                        begun[slot], begun_in[slot] = t, r
                    elif begun_in[slot - 1] == r:
                        if c >= 0 and begun_in[slot] != r:
                            out[c, r] = 1
                            out[c + 1, r] = (cut - t) / day
                            out[c + 2, r] = (t - begun[slot - 1]) / day
                        begun[slot], begun_in[slot] = begun[slot - 1], r
            for k in range(min(n_last, n_micro)):
                i = lasts[(n_micro - 1 - k) % n_last]
                c = first_last + 3 * k
                out[c, r] = worth[0, step[i]]
                out[c + 1, r] = worth[1, step[i]]
                out[c + 2, r] = (cut - time[i]) / day
                if k == 0:
                    out[last_column[step[i]], r] = 1
