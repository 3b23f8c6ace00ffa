"""Technical friction: attempts that fail or are retried over and over, on some clients only.

The parts of a multi-step micro-conversion that follow each other without a long
pause are one attempt. It is finished if the step itself is done before such a
pause. An attempt that repeats a part several times is a burst of retries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import DAY, Int64
from microconv.measurement.bottlenecks import Bottleneck
from microconv.measurement.stats.intervals import wilson_interval
from microconv.measurement.study.study import Bools, Study
from microconv.settings import BottleneckSettings

MIN_ATTEMPTS = 30
"""Clients with fewer attempts, or fewer on all others, are not compared."""

MAX_FINISHED_RATIO = 0.8
"""A client fails if, with confidence, its ratio of finished attempts is below this."""

MIN_FAILED_BURSTS = 0.1
"""Where no client fails, this share of attempts that end in retries counts as friction."""


@dataclass(frozen=True)
class Attempts:
    """One entry per attempt at a multi-step micro-conversion.

    Attributes
    ----------
    prospect : ndarray of int64, shape (n_attempts,)
    client : ndarray of int32, shape (n_attempts,)
        Code of the client of the first part; -1 where unknown.
    reached : ndarray of int64, shape (n_attempts,)
        The furthest part, counted from 0.
    repeats : ndarray of int64, shape (n_attempts,)
        How often the most repeated part was done.
    finished : ndarray of bool, shape (n_attempts,)
    """

    prospect: Int64
    client: npt.NDArray[np.int32]
    reached: Int64
    repeats: Int64
    finished: Bools

    def __len__(self) -> int:
        """Return the number of attempts."""
        return len(self.prospect)


def list_attempts(study: Study, step: str, *, pause_minutes: float) -> Attempts:
    """Return the completed attempts at a multi-step micro-conversion.

    Parameters
    ----------
    study : Study
    step : str
        A key of the journey's `multi_step`.
    pause_minutes : float
        A pause this long ends an attempt.

    Returns
    -------
    Attempts
    """
    parts = dict(study.journey.multi_step)[step]
    place = np.full(len(study.journey.parts) + 1, -1)  # the last stands for no part
    for number, part in enumerate(parts):
        place[study.journey.parts.index(part)] = number
    pause = round(pause_minutes * DAY / 1440)
    columns = _list_attempts(
        (study.offsets, study.time, place[study.part], study.client.codes),
        study.step == study.journey.code_of(step),
        (len(parts), pause, study.until),
    )
    return Attempts(*columns)


@njit(cache=True, nogil=True)
def _list_attempts(events, done, limits):  # type: ignore[no-untyped-def]
    offsets, time, part, client = events
    parts, pause, until = limits
    most = (part >= 0).sum()
    who, used = np.empty(most, np.int64), np.empty(most, np.int32)
    reached, repeats = np.empty(most, np.int64), np.empty(most, np.int64)
    finished = np.zeros(most, np.bool_)
    times = np.zeros(parts, np.int64)
    n = 0
    for p in range(len(offsets) - 1):
        under_way, latest = False, np.int64(0)
        for i in range(offsets[p], offsets[p + 1]):
            if part[i] < 0 and not done[i]:
                continue
            if under_way and time[i] - latest >= pause:
                under_way = False
            if part[i] >= 0:
                if not under_way:
                    who[n], used[n], reached[n], repeats[n] = p, client[i], 0, 0
                    times[:] = 0
                    n += 1
                    under_way = True
                times[part[i]] += 1
                reached[n - 1] = max(reached[n - 1], part[i])
                repeats[n - 1] = max(repeats[n - 1], times[part[i]])
                latest = time[i]
            if done[i] and under_way:
                finished[n - 1] = True
                under_way = False
        if under_way and not latest + pause <= until:
            n -= 1  # it may go on after the end of the study
    return who[:n], used[:n], reached[:n], repeats[:n], finished[:n]


def find_friction(
    study: Study, settings: BottleneckSettings, *, confidence: float
) -> list[Bottleneck]:
    """Find the multi-step micro-conversions that fail, and the client they fail on.

    Parameters
    ----------
    study : Study
    settings : BottleneckSettings
    confidence : float

    Returns
    -------
    list of Bottleneck
    """
    found = []
    for step, _ in study.journey.multi_step:
        attempts = list_attempts(study, step, pause_minutes=settings.pause_minutes)
        clients = _failing_clients(study, step, attempts, settings, confidence)
        found += clients or _failing_everywhere(step, attempts, settings, confidence)
    return found


def _failing_clients(
    study: Study, step: str, attempts: Attempts, settings: BottleneckSettings, confidence: float
) -> list[Bottleneck]:
    from statsmodels.stats.proportion import confint_proportions_2indep

    labels = study.client.labels
    strict = (1 - confidence) / max(1, len(labels))
    found = []
    for code, client in enumerate(labels):
        mine = attempts.client == code
        one = (int(attempts.finished[mine].sum()), int(mine.sum()))
        other = (int(attempts.finished[~mine].sum()), int((~mine).sum()))
        if min(one[1], other[1]) < MIN_ATTEMPTS or other[0] == 0:
            continue
        low, high = confint_proportions_2indep(*one, *other, compare="ratio", alpha=strict)
        if not high < MAX_FINISHED_RATIO:
            continue
        expected = one[1] * other[0] / other[1]
        burst = attempts.repeats >= settings.retries
        lost_high, lost_low = (max(0.0, expected - expected * end) for end in (low, high))
        found.append(
            Bottleneck(
                "technical_friction", step, None, one[1], expected - one[0], lost_low, lost_high,
                f"On {client} {one[0] / one[1]:.0%} of the attempts are finished, on other clients "
                f"{other[0] / other[1]:.0%}; {burst[mine].mean():.0%} of them repeat a part "
                f"{settings.retries} times or more, on other clients {burst[~mine].mean():.0%}.",
                detail=client,
            )
        )  # fmt: skip
    return found


def _failing_everywhere(
    step: str, attempts: Attempts, settings: BottleneckSettings, confidence: float
) -> list[Bottleneck]:
    """Count bursts of retries as friction where no client stands out."""
    burst = attempts.repeats >= settings.retries
    failed = burst & ~attempts.finished
    if len(attempts) < MIN_ATTEMPTS or burst.sum() == 0:
        return []
    low, high = wilson_interval([failed.sum()], [len(attempts)], confidence=confidence)
    if low[0] < MIN_FAILED_BURSTS:
        return []
    n = len(attempts)
    return [
        Bottleneck(
            "technical_friction", step, None, n, float(failed.sum()), low[0] * n, high[0] * n,
            f"{failed.mean():.0%} of the attempts repeat a part {settings.retries} times or more "
            "and are not finished, on all clients alike.",
        )
    ]  # fmt: skip
