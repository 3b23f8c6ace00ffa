"""Path: in which order the steps were done.

Events with `human_probability` below one half are ignored. "Before" and "after" mean the position
in the log's total order, so of two events at one instant exactly one comes first,
always the same. Other events may lie between the steps of a pair or a sequence.

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
                                ``path.last=(other)`` for steps without columns
==============================  ===============================================
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.features.family import Columns, Family, Spec, event_arrays
from microconv.features.rare_steps import group_rare_steps
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.journey import MICRO, JourneyMap
from microconv.storage.schema import HUMAN_THRESHOLD

Codes = npt.NDArray[np.int64]


def _names(spec: Spec) -> list[str]:
    """Name the columns: pairs, longer sequences, the last steps."""
    micro = set(_micro_steps(spec.journey))
    columns = []
    for sequence in _sequences(spec):
        measures = ["done", "since", "days"]
        if _is_transition(sequence, micro):
            measures.append("next")
        columns += [f"path.{'>'.join(sequence)}.{measure}" for measure in measures]
    for k in range(1, spec.settings.last_steps + 1):
        columns += [f"path.last_{k}.{what}" for what in ("stage", "commitment", "days")]
    if spec.settings.last_steps:
        columns += [f"path.last={step}" for step in _grouped_micro(spec)[0]]
    return columns


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    _kernel(out, *event_arrays(visible), _plan(spec), HUMAN_THRESHOLD, DAY)


FAMILY = Family(_names, _fill)


class _Plan(NamedTuple):
    """Which column the kernel writes what to.

    Attributes
    ----------
    defaults : ndarray of float32, shape (n_columns,)
        Values of a row without events.
    done_column, next_column : ndarray of int64, shape (n_paired, n_paired)
        The column `done` (then `since`, `days`) and the column `next` of a pair, or -1.
        Only steps that are part of a pair are indexed here, which bounds the size.
    last_column : ndarray of int64, shape (n_steps,)
        The column ``path.last=step``, or -1.
    last_steps : ndarray of int64, shape (2,)
        The column of ``path.last_1.stage``, and how many last steps there are.
    levels : ndarray of float32, shape (2, n_steps)
        Stage, counting from 1, and commitment.
    micro : ndarray of bool, shape (n_steps,)
    paired : ndarray of int64, shape (n_steps,)
        Index of each step among those that are part of a pair, or -1.
    offsets, positions : ndarray of int64
        See :func:`_positions`.
    """

    defaults: npt.NDArray[np.float32]
    done_column: Codes
    next_column: Codes
    last_column: Codes
    last_steps: Codes
    levels: npt.NDArray[np.float32]
    micro: npt.NDArray[np.bool_]
    paired: Codes
    offsets: Codes
    positions: Codes


def _plan(spec: Spec) -> _Plan:
    """Assign columns to every pair, sequence and last step, in the order of the names."""
    journey, last_steps = spec.journey, spec.settings.last_steps
    micro, sequences = set(_micro_steps(journey)), _sequences(spec)
    code_of = {name: code for code, name in enumerate(journey.step_names)}
    in_pairs = sorted({code_of[step] for pair in sequences if len(pair) == 2 for step in pair})
    paired = np.full(len(journey), -1, dtype=np.int64)
    paired[in_pairs] = np.arange(len(in_pairs))
    done_column = np.full((len(in_pairs), len(in_pairs)), -1, dtype=np.int64)
    next_column = np.full_like(done_column, -1)
    last_column = np.full(len(journey), -1, dtype=np.int64)
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
    if last_steps:
        first = column + 3 * last_steps
        last_column[journey.codes_of_kind("micro")] = first + _grouped_micro(spec)[1]
    names = _names(spec)
    zero = [name.endswith((".done", ".next")) or name.startswith("path.last=") for name in names]
    return _Plan(
        np.where(zero, 0, np.nan).astype(np.float32),
        done_column,
        next_column,
        last_column,
        np.array([column, last_steps], dtype=np.int64),
        np.stack([journey.stage_codes + 1, journey.commitments]).astype(np.float32),
        journey.kinds == MICRO,
        paired,
        *_positions(longer, len(journey)),
    )


def _grouped_micro(spec: Spec) -> tuple[list[str], Codes]:
    """Name the groups of the micro steps, and return the group of each micro step."""
    grouped = group_rare_steps(spec.journey, spec.settings)
    codes = spec.journey.codes_of_kind("micro")
    found, which = np.unique(grouped.group[codes], return_inverse=True)
    return [grouped.names[group] for group in found], which.astype(np.int64)


def _micro_steps(journey: JourneyMap) -> list[str]:
    """Name the micro steps, in the order of their codes."""
    return [step.name for step in journey.steps if step.kind == "micro"]


def _sequences(spec: Spec) -> list[tuple[str, ...]]:
    """List the pairs, then the longer sequences, each once."""
    settings, pairs = spec.settings, list[tuple[str, ...]]()
    if settings.pairs == "all":
        own = set(group_rare_steps(spec.journey, settings).names)
        pairs = list(permutations([s for s in _micro_steps(spec.journey) if s in own], 2))
    elif settings.pairs != "none":
        pairs = list(settings.pairs)
    pairs += [sequence for sequence in settings.sequences if len(sequence) == 2]
    longer = [sequence for sequence in settings.sequences if len(sequence) > 2]
    return list(dict.fromkeys([*pairs, *longer]))


def _is_transition(sequence: tuple[str, ...], micro: set[str]) -> bool:
    return len(sequence) == 2 and all(step in micro for step in sequence)


def _positions(longer: list[tuple[list[int], int]], n_steps: int) -> tuple[Codes, Codes]:
    """List the positions of each step in the longer sequences.

    The kernel keeps one number for each position of each sequence. A row holds where that
    number is kept, the column to write to (-1 but for the last position), and whether the
    position is the first. Later positions of a sequence come first, so that one event
    never advances a sequence twice.

    Returns
    -------
    offsets : ndarray of int64, shape (n_steps + 1,)
        Rows ``offsets[s]:offsets[s + 1]`` are the positions of step `s`.
    positions : ndarray of int64, shape (n_positions, 3)
    """
    of_step: list[list[tuple[int, int, int]]] = [[] for _ in range(n_steps)]
    slot = 0
    for codes, column in longer:
        for position in reversed(range(len(codes))):
            ends = column if position == len(codes) - 1 else -1
            of_step[codes[position]].append((slot + position, ends, int(position == 0)))
        slot += len(codes)
    offsets = np.cumsum([0, *(len(rows) for rows in of_step)])
    rows = [row for rows in of_step for row in rows]
    return offsets.astype(np.int64), np.array(rows, dtype=np.int64).reshape(-1, 3)


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, plan, person, day
):
    """Walk each history forwards; a pair costs something only when it is completed."""
    n_columns, n_rows = out.shape
    done_column, next_column, last_column = plan.done_column, plan.next_column, plan.last_column
    offsets, positions, levels = plan.offsets, plan.positions, plan.levels
    n_slots, n_paired = len(positions), len(done_column)
    first_last, n_last = plan.last_steps
    lasts = np.empty(max(n_last, 1), np.int64)  # a ring of the latest micro events
    met = np.empty(n_paired, np.int64)  # steps found so far, in order
    met_in = np.full(n_paired, -1, np.int64)
    followed = np.empty(n_paired, np.int64)  # how many of them each step came after before
    latest = np.empty(n_paired, np.int64)
    begun = np.empty(n_slots, np.int64)  # latest start of each sequence up to each position
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
                    slot, c = positions[k, 0], positions[k, 1]
                    if positions[k, 2] == 1:
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
                out[c, r] = levels[0, step[i]]
                out[c + 1, r] = levels[1, step[i]]
                out[c + 2, r] = (cut - time[i]) / day
                if k == 0:
                    out[last_column[step[i]], r] = 1
